// Slots that are lost for max_slot_wal_keep_size: on the primary itself, where nothing copies them and no other slot waits; and copies
// on a standby, which are told of and made anew. And copies of the server's own (17+) whose slot was dropped.

import { describe, expect, test } from "vitest";
import { type CliReport, type CliResult, type Operator, operatorOf } from "../support/cli.ts";
import { slotsOf, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";
import { Consumer } from "../support/decoding.ts";
import { level } from "../support/observing.ts";

const settings = { hot_standby_feedback: "on" } as const;

function makeSlot(name: string, options = ""): string {
  return `SELECT pg_create_logical_replication_slot('${name}', 'test_decoding'${options})`;
}

function alarms({ findings }: CliReport): readonly string[] {
  return findings
    .filter(({ severity }) => severity !== "note")
    .map(({ code, message }) => `${code}: ${message}`);
}

function told({ status, report }: CliResult): readonly [number | null, readonly string[]] {
  return [status, alarms(report)];
}

/** Some segments of WAL. */
async function writeSegments(server: TestServer, count: number): Promise<void> {
  for (let each = 0; each < count; each += 1) {
    await sql(server, `INSERT INTO ledger VALUES (${each})`, "SELECT pg_switch_wal()");
  }
}

async function limitWal(cluster: TestCluster, name: string, to: string): Promise<void> {
  const alter = `ALTER SYSTEM SET max_slot_wal_keep_size = '${to}'`;
  await sql(cluster.server(name), alter, "SELECT pg_reload_conf()");
}

const lost = "SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost'";

/** What is the same for all by default: where it takes least time. */
const some = process.env["REMASTER_FAULTS"] === "all" ? testMajors : testMajors.slice(0, 1);

describe.each(some)("PostgreSQL %d", (major) => {
  const restart = major < 16 ? ["--allow-restart"] : [];

  /** Passes until the consumers have come to where the copies begin. */
  const untilReady = async (operator: Operator, server: TestServer): Promise<void> => {
    await operator.change("slot-sync", "--no-physical", ...restart);
    await new Consumer("a").take(server);
    const { status, report } = await operator.change("slot-sync", "--no-physical");
    expect([status, alarms(report)]).toEqual([0, []]);
    expect((await operator.ask("slot-sync", "--check")).status).toBe(0);
  };

  test("a slot that is lost on the primary is told of and holds no other up", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const [n1] = [cluster.server("n1")];
    await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("gone"));
    await limitWal(cluster, "n1", "16MB");
    await writeSegments(n1, 4);
    // The standby's own slot is to keep what it needs.
    await level(cluster, "n1", "n2");
    const held =
      "SELECT active AND pg_current_wal_lsn() - restart_lsn < 16777216 FROM pg_replication_slots WHERE slot_name = 'n2'";
    await untilSees(cluster, ["n1"], { statement: held, value: "true" });
    await sql(n1, "CHECKPOINT");
    expect(await sql(n1, lost)).toEqual(["1"]);
    await sql(n1, makeSlot("a"));
    await operator.change("slot-sync", "--no-physical", ...restart);
    await new Consumer("a").take(n1);
    const pass = await operator.change("slot-sync", "--no-physical", ...restart);
    const onPrimary: unknown = expect.stringMatching(
      /^slot-would-be-lost: .* gone .*: it is lost on n1 itself/,
    );
    expect(told(pass)).toEqual([8, [onPrimary]]);
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: ["a"] });
    expect(told(await operator.ask("slot-sync", "--check"))).toEqual([1, [onPrimary]]);
  });

  test("a copy that is lost on the standby is told of, and made anew", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("a"));
    await new Consumer("a").take(n1);
    await untilReady(operator, n1);
    await limitWal(cluster, "n2", "16MB");
    await writeSegments(n1, 4);
    await sql(n1, "CHECKPOINT");
    await level(cluster, "n1", "n2");
    // A restartpoint removes there what the slot on the primary still has.
    await sql(n2, "CHECKPOINT");
    expect(await sql(n2, lost)).toEqual(["1"]);
    expect(told(await operator.ask("slot-sync", "--check"))).toEqual([
      1,
      [expect.stringMatching(/^slot-would-be-lost: .* a failover to n2: its copy on n2 is lost: /)],
    ]);
    await limitWal(cluster, "n2", "-1");
    await new Consumer("a").take(n1);
    await untilReady(operator, n1);
    expect(await sql(n2, lost)).toEqual(["0"]);
  });
});

describe.each(testMajors.filter((major) => major >= 17))(
  "failover slots, PostgreSQL %d",
  (major) => {
    test("a copy whose slot was dropped is not counted, and goes with the next pass", async () => {
      await using cluster = await startCluster({ major, standbys: 1, settings });
      const operator = operatorOf(cluster);
      const n1 = cluster.server("n1");
      const flagged = ", false, false, true";
      await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("a", flagged), makeSlot("b", flagged));
      const taking = setInterval(() => {
        for (const name of ["a", "b"]) {
          void new Consumer(name).take(n1).catch(() => undefined);
        }
      }, 100);
      try {
        const pass = await operator.change("slot-sync", "--no-physical", "--configure");
        expect(told(pass)).toEqual([0, []]);
      } finally {
        clearInterval(taking);
      }
      const idle =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%get_changes%' AND state = 'active' AND pid <> pg_backend_pid()";
      await untilSees(cluster, ["n1"], { statement: idle, value: "0" });
      expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: ["a", "b"] });
      for (const [dropped, left] of [
        ["b", ["a"]],
        // With the last one gone nobody asks the server for anything else.
        ["a", []],
      ] as const) {
        await sql(n1, `SELECT pg_drop_replication_slot('${dropped}')`);
        const checked = await operator.ask("slot-sync", "--check");
        expect([checked.status, alarms(checked.report)]).toEqual([0, []]);
        const pass = await operator.change("slot-sync", "--no-physical");
        expect(told(pass)).toEqual([0, []]);
        expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: left });
      }
    });

    test("below a standby a flagged slot is kept by decoding, and a failover there keeps it", async () => {
      await using cluster = await startCluster({
        major,
        standbys: 2,
        cascade: { n3: "n2" },
        settings,
      });
      const operator = operatorOf(cluster);
      const [n1, n3] = [cluster.server("n1"), cluster.server("n3")];
      const consumer = new Consumer("a");
      await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("a", ", false, false, true"));
      for (let n = 1; n <= 3; n += 1) {
        await sql(n1, `INSERT INTO ledger VALUES (${n})`);
        await consumer.take(n1);
        await operator.change("slot-sync", "--no-physical", "--configure", "--standby", "n3");
      }
      const checked = await operator.ask("slot-sync", "--check", "--standby", "n3");
      expect(told(checked)).toEqual([0, []]);
      const how =
        "SELECT synced || ' ' || failover FROM pg_replication_slots WHERE slot_name = 'a'";
      expect(await sql(n3, how)).toEqual(["false false"]);
      await sql(n1, "INSERT INTO ledger VALUES (4)");
      await level(cluster, "n1", "n3");
      await n1.kill();
      const done = await operator.change("failover", "--primary-is-dead", "--to", "n3");
      expect([done.status, alarms(done.report)]).toEqual([0, []]);
      await sql(n3, "INSERT INTO ledger VALUES (5)");
      await consumer.take(n3);
      expect(consumer.ledger.rows).toEqual([1, 2, 3, 4, 5]);
    });
  },
);
