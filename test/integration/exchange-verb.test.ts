// Bringing a standby level with another one, by the verb alone: from sources that have no upstream of their own, up to what
// the source has, and back to what was there wherever it does not come to its end.

import { describe, expect, test } from "vitest";
import {
  alarmsIn,
  changedConfig,
  nodeIn,
  operatorOf,
  stepsIn,
  withNodeLines,
} from "../support/cli.ts";
import {
  allSettings,
  countRows,
  makeRows,
  slotsOf,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { relayWal } from "../support/wal-relay.ts";

const standbys = ["n2", "n3", "n4"] as const;

/** A cluster whose primary died when n4, which never leads, had ten rows more than the others. */
async function bereaved(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, notPromotable: ["n4"] });
  const n1 = cluster.server("n1");
  await makeRows(cluster, "n1", 10);
  await untilSees(cluster, standbys, { statement: countRows, value: "10" });
  await cluster.cut("n2", "n3");
  await sql(n1, "INSERT INTO rows SELECT generate_series(11, 20)");
  await untilSees(cluster, ["n4"], { statement: countRows, value: "20" });
  await n1.kill();
  await cluster.join("n2", "n3");
  return cluster;
}

async function lsnOf(server: TestServer): Promise<bigint> {
  const [at = ""] = await sql(server, "SELECT (pg_last_wal_replay_lsn() - '0/0')::text");
  return BigInt(at);
}

describe.each(testMajors)("exchange, PostgreSQL %d", (major) => {
  test("brings over what only a node has that never leads, and leaves no trace", async () => {
    await using cluster = await bereaved(major);
    const operator = operatorOf(cluster);
    const [before, slots] = [allSettings(cluster), await slotsOf(cluster, standbys)];

    const first = await operator.change("exchange", "--to", "n2");
    expect([first.status, stepsIn(first.report)]).toEqual([0, ["done exchange --to n2"]]);
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["20"]);
    const named = await operator.change("exchange", "--to", "n3", "--from", "n2");
    expect([named.status, await sql(cluster.server("n3"), countRows)]).toEqual([0, ["20"]]);
    for (const words of [["n2"], ["n3"], ["n2", "--from", "n3"], ["n4"]]) {
      const again = await operator.change("exchange", "--to", ...words);
      expect([words, again.status, again.report.steps]).toEqual([words, 0, undefined]);
    }
    expect(allSettings(cluster)).toEqual(before);
    expect(await slotsOf(cluster, standbys)).toEqual(slots);

    // A node that was quiesced before is quiesced afterwards.
    expect((await operator.change("quiesce")).status).toBe(0);
    const { report } = await operator.change("exchange", "--to", "n2");
    expect(standbys.map((name) => nodeIn(report, name).quiesced)).toEqual([true, true, true]);
  });

  test("a source that stalls, and one that dies, cost the time that was given and nothing else", async () => {
    await using cluster = await bereaved(major);
    const [n2, n4] = [cluster.server("n2"), cluster.server("n4")];
    await using relay = await relayWal(n4);
    relay.stopAt((await lsnOf(n2)) + 100n);
    const config = changedConfig(cluster, "relayed", (text) =>
      withNodeLines(text, "n4", `replication = "host=127.0.0.1 port=${relay.port}"`),
    );
    const operator = operatorOf(cluster, { config });
    const before = allSettings(cluster);
    const slots = await slotsOf(cluster, ["n4"]);

    const stalled = await operator.change("exchange", "--to", "n2", "--timeout", "3");
    expect([stalled.status, stepsIn(stalled.report)]).toEqual([7, ["undone exchange --to n2"]]);
    expect(allSettings(cluster)).toEqual(before);
    expect(await slotsOf(cluster, ["n4"])).toEqual(slots);

    const dying = operator.change("exchange", "--to", "n2", "--timeout", "4");
    await untilSees(cluster, ["n2"], {
      statement: "SELECT max(sender_port) FROM pg_stat_wal_receiver",
      value: String(relay.port),
    });
    await n4.kill();
    const dead = await dying;
    // All but the slot on the dead source, which is named with the command that drops it.
    expect([dead.status, stepsIn(dead.report)]).toEqual([8, ["undone exchange --to n2"]]);
    const left = dead.report.findings.find(({ code }) => code === "slot-left");
    expect(left).toMatchObject({ node: "n4", hint: "`remaster drop-slot n4 --slot n2`" });
    expect(dead.report.topology?.primaries).toEqual([]);
    expect(allSettings(cluster)).toEqual(before);
  });

  test("is refused where the source has recycled what is missing", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const [n1, n3] = [cluster.server("n1"), cluster.server("n3")];
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
    await cluster.cut("n2");
    for (let segment = 0; segment < 3; segment += 1) {
      await sql(n1, "INSERT INTO rows VALUES (0)", "SELECT pg_switch_wal()", "CHECKPOINT");
    }
    await untilSees(cluster, ["n3"], { statement: countRows, value: "13" });
    await sql(n3, "CHECKPOINT");
    await n1.kill();
    await cluster.join("n2");
    const operator = operatorOf(cluster);
    const before = allSettings(cluster);

    const { status, report } = await operator.change("exchange", "--to", "n2");
    expect([status, alarmsIn(report)]).toEqual([5, ["wal-gone n3"]]);
    const failover = await operator.change("failover", "--primary-is-dead", "--to", "n2");
    expect([failover.status, alarmsIn(failover.report)]).toEqual([5, ["no-candidate n2"]]);
    expect(failover.report.findings[0]?.message).toMatch(/still has the WAL from/);
    expect(allSettings(cluster)).toEqual(before);

    // The one that has everything leads; that the other cannot follow is known beforehand, not when the time is up.
    const going = await operator.change("failover", "--primary-is-dead");
    expect(going.report.topology?.primaries).toEqual(["n3"]);
    expect([going.status, alarmsIn(going.report)]).toEqual([
      8,
      ["wal-gone n3", "standby-not-following n2"],
    ]);
    expect(stepsIn(going.report).filter((step) => step.includes("n2"))).toEqual([]);
  });

  test("on a cluster that is level it has nothing to do, and a primary is no standby", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
    const before = allSettings(cluster);
    const level = await operator.change("exchange", "--to", "n2");
    expect([level.status, level.report.steps]).toEqual([0, undefined]);
    const itself = await operator.change("exchange", "--to", "n2", "--from", "n2");
    expect([itself.status, alarmsIn(itself.report)]).toEqual([5, ["cannot-follow-itself n2"]]);
    expect(allSettings(cluster)).toEqual(before);
  });
});
