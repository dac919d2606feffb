// The physical slots that standbys hold for their siblings: there before a failover, moved on with them, gone when they are
// needed no more, and nobody else's ever.

import { describe, expect, test } from "vitest";
import { alarmsIn, type CliReport, nodeIn, operatorOf, stepsIn } from "../support/cli.ts";
import { makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";

function slotsOf(report: CliReport, node: string): readonly string[] {
  return nodeIn(report, node)
    .slots.map(({ slotName, active }) => `${slotName}${active ? " in use" : ""}`)
    .toSorted();
}

/** Bytes by which the slot is behind, in whole segments; negative: ahead of what its standby has. */
const behind = (slot: string, flushed: string): string =>
  `SELECT floor(pg_wal_lsn_diff('${flushed}', restart_lsn) / (16 * 1024 * 1024))::text
   FROM pg_replication_slots WHERE slot_name = '${slot}'`;

const flushedSql = "SELECT pg_last_wal_receive_lsn()::text";

async function writeSegments(cluster: TestCluster, node: string, count: number): Promise<void> {
  for (let each = 0; each < count; each += 1) {
    await makeRows(cluster, node, 1);
    await sql(cluster.server(node), "SELECT pg_switch_wal()");
  }
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("made, moved on, used by a failover, and let go of", async () => {
    await using cluster = await startCluster({ major, standbys: 3, notPromotable: ["n4"] });
    const operator = operatorOf(cluster);
    const first = await operator.change("slot-sync");
    expect(stepsIn(first.report)).toEqual(["done keep-slots n2", "done keep-slots n3"]);
    expect(first.status).toBe(0);
    expect(slotsOf(first.report, "n2")).toEqual(["n3", "n4"]);
    expect(slotsOf(first.report, "n3")).toEqual(["n2", "n4"]);
    expect(slotsOf(first.report, "n4")).toEqual([]);
    expect((await operator.change("slot-sync")).report.summary).toMatch(/^nothing to do/);
    expect((await operator.change("undo")).report.summary).toMatch(/^nothing to do/);

    await writeSegments(cluster, "n1", 3);
    const [flushed = ""] = await sql(
      cluster.server("n1"),
      "SELECT pg_current_wal_flush_lsn()::text",
    );
    for (const name of ["n2", "n3", "n4"]) {
      await untilSees(cluster, [name], {
        statement: `SELECT (pg_last_wal_replay_lsn() >= '${flushed}')::text`,
        value: "true",
      });
    }
    const moved = await operator.change("slot-sync");
    expect(stepsIn(moved.report)).toEqual(["done keep-slots n2", "done keep-slots n3"]);
    const [has = ""] = await sql(cluster.server("n3"), flushedSql);
    expect(await sql(cluster.server("n2"), behind("n3", has))).toEqual(["0"]);

    await cluster.server("n1").kill();
    const failed = await operator.change("failover", "--primary-is-dead", "--to", "n2");
    expect([failed.status, alarmsIn(failed.report)]).toEqual([0, []]);
    expect(slotsOf(failed.report, "n2")).toEqual(["n3 in use", "n4 in use"]);
    const after = await operator.change("slot-sync");
    expect([after.status, alarmsIn(after.report)]).toEqual([0, []]);
    expect(slotsOf(after.report, "n3")).toEqual(["n4"]);
    expect(slotsOf(after.report, "n2")).toEqual(["n3 in use", "n4 in use"]);
    expect((await operator.change("undo")).report.summary).toMatch(/^nothing to do/);
  });

  test("a slot that slot-sync did not make is left alone, and prune takes ours alone", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    for (const slot of ["n3", "mine", "remaster_n9"]) {
      await sql(
        cluster.server("n2"),
        `SELECT pg_create_physical_replication_slot('${slot}', true)`,
      );
    }
    const { report, status } = await operator.change("slot-sync", "--prune");
    expect(status).toBe(0);
    expect(report.findings.map(({ code, node }) => `${code} ${node ?? ""}`)).toContain(
      "slot-not-kept n2",
    );
    expect(stepsIn(report)).toEqual(["done keep-slots n3", "done drop-slot n2 --slot remaster_n9"]);
    expect(slotsOf(report, "n2")).toEqual(["mine", "n3"]);
  });
});
