// Copies of slots' files (13 to 15) on standbys that are not like the others: late, paused, below another standby; and of slots that
// are many, two-phase, or gone again.

import { Client } from "pg";
import { describe, expect, test } from "vitest";
import {
  type CliReport,
  type CliResult,
  type Operator,
  operatorOf,
  stepsIn,
} from "../support/cli.ts";
import { slotsOf, sql } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";
import { Consumer } from "../support/decoding.ts";
import { level } from "../support/observing.ts";

const majors = testMajors.filter((major) => major < 16);
const settings = {
  hot_standby_feedback: "on",
  max_replication_slots: "60",
  max_prepared_transactions: "10",
} as const;

function makeSlot(name: string, options = ""): string {
  return `SELECT pg_create_logical_replication_slot('${name}', 'test_decoding'${options})`;
}

/** The exit status, and what keeps slots from being ready. */
function told({ status, report }: CliResult): readonly [number | null, readonly string[]] {
  return [status, alarms(report)];
}

function alarms({ findings }: CliReport): readonly string[] {
  return findings
    .filter(({ severity }) => severity !== "note")
    .map(({ code, message }) => `${code}: ${message}`);
}

async function expectReady(operator: Operator): Promise<void> {
  const checked = await operator.ask("slot-sync", "--check");
  expect([checked.report.findings, checked.status]).toEqual([[], 0]);
}

/** How often the server was started. */
async function startsOf(server: TestServer): Promise<number> {
  return (await server.log()).split("starting PostgreSQL").length - 1;
}

/** Rows, changes of the catalogues, vacuum and a consumer go on while `work` does; gives the last number. No table is rewritten:
 * the lock of that would keep everybody out of a standby whose upstream is down meanwhile. */
async function underWrites(
  { server, consumer }: { server: TestServer; consumer: Consumer },
  work: () => Promise<void>,
): Promise<number> {
  const over = new AbortController();
  let last = 0;
  const writing = (async () => {
    while (!over.signal.aborted) {
      last += 1;
      await sql(
        server,
        `INSERT INTO ledger VALUES (${last})`,
        `ALTER TABLE ledger ADD COLUMN c${last} text`,
        `ALTER TABLE ledger DROP COLUMN c${last}`,
        "VACUUM (FREEZE) pg_attribute",
        "SELECT pg_switch_wal()",
        "CHECKPOINT",
      );
      await consumer.take(server);
    }
  })();
  try {
    await work();
  } finally {
    over.abort();
    await writing;
  }
  return last;
}

async function expectWholeAfter(
  cluster: TestCluster,
  { to, consumer, last }: { to: string; consumer: Consumer; last: number },
): Promise<void> {
  await level(cluster, "n1", to);
  await cluster.server("n1").kill();
  const done = await operatorOf(cluster).change("failover", "--primary-is-dead", "--to", to);
  expect([done.status, alarms(done.report)]).toEqual([0, []]);
  await sql(cluster.server(to), `INSERT INTO ledger VALUES (${last + 1})`);
  await consumer.take(cluster.server(to));
  expect(consumer.ledger.rows).toEqual(Array.from({ length: last + 1 }, (_, index) => index + 1));
}

/** What takes long is for full runs. */
const isFull = process.env["REMASTER_FAULTS"] === "all";

describe.each(majors)("PostgreSQL %d", (major) => {
  test("a standby whose replay is paused is told of, and stays so", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const consumer = new Consumer("c1");
    await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("c1"), "INSERT INTO ledger VALUES (1)");
    await consumer.take(n1);
    await level(cluster, "n1", "n2");

    // A restart would let replay go on, against the word of whoever paused it.
    await sql(n2, "SELECT pg_wal_replay_pause()");
    const paused = await operator.change("slot-sync", "--allow-restart");
    expect(told(paused)).toEqual([
      8,
      [
        expect.stringMatching(/slot-not-synced: slot c1 .*: replay is paused on n2/),
        expect.stringMatching(/slot-would-be-lost: .* n2 has no copy of it/),
      ],
    ]);
    expect(await sql(n2, "SELECT pg_is_wal_replay_paused()")).toEqual(["true"]);
    expect(await startsOf(n2)).toBe(1);
    await sql(n2, "SELECT pg_wal_replay_resume()");
    expect(told(await operator.change("slot-sync", "--allow-restart"))).toEqual([0, []]);
  });

  test.runIf(isFull)("one that is late on purpose becomes ready, and stays so", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const consumer = new Consumer("c1");
    await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("c1"), "INSERT INTO ledger VALUES (1)");
    await consumer.take(n1);
    await level(cluster, "n1", "n2");
    const delay = "ALTER SYSTEM SET recovery_min_apply_delay = '6s'";
    await sql(n2, delay, "SELECT pg_reload_conf()");
    await sql(n1, "INSERT INTO ledger VALUES (2)");
    await consumer.take(n1);
    const short = await operator.change("slot-sync", "--allow-restart", "--timeout", "5");
    expect(told(short)).toEqual([
      8,
      [
        expect.stringMatching(/slot-not-synced: .*6000 ms alone \(recovery_min_apply_delay\)/),
        expect.stringMatching(/slot-would-be-lost: /),
      ],
    ]);
    expect(await startsOf(n2)).toBe(1);
    const done = await operator.change("slot-sync", "--allow-restart");
    expect(told(done)).toEqual([0, []]);
    await expectReady(operator);

    // What it has received and not replayed is no obstacle to a copy that is there.
    await sql(n1, "INSERT INTO ledger VALUES (3)");
    await consumer.take(n1);
    const lagging = await operator.change("slot-sync");
    expect(told(lagging)).toEqual([0, []]);
    await expectReady(operator);
    await sql(n2, "ALTER SYSTEM RESET recovery_min_apply_delay", "SELECT pg_reload_conf()");
    await expectWholeAfter(cluster, { to: "n2", consumer, last: 3 });
  });

  test("a standby of a standby keeps every row", async () => {
    await using cluster = await startCluster({
      major,
      standbys: 2,
      cascade: { n3: "n2" },
      settings,
    });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    const consumer = new Consumer("c1");
    await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("c1"));
    const last = await underWrites({ server: n1, consumer }, async () => {
      const made = await operator.change("slot-sync", "--allow-restart");
      expect(told(made)).toEqual([0, []]);
      const again = await operator.change("slot-sync");
      expect(told(again)).toEqual([0, []]);
    });
    await expectReady(operator);
    await expectWholeAfter(cluster, { to: "n3", consumer, last });
  });

  test.runIf(isFull)("fifty of them take one restart of each standby", async () => {
    await using cluster = await startCluster({ major, standbys: 2, settings });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    const names = Array.from({ length: 50 }, (_, index) => `s${String(index).padStart(2, "0")}`);
    await sql(n1, "CREATE TABLE ledger (n int)", ...names.map((name) => makeSlot(name)));
    const made = await operator.change("slot-sync", "--allow-restart");
    expect(told(made)).toEqual([0, []]);
    await sql(n1, "INSERT INTO ledger VALUES (1)");
    for (const name of names) {
      await sql(n1, `SELECT count(*) FROM pg_logical_slot_get_changes('${name}', NULL, NULL)`);
    }
    const level = await operator.change("slot-sync");
    expect(told(level)).toEqual([0, []]);
    await expectReady(operator);
    expect(await Promise.all(["n2", "n3"].map((name) => startsOf(cluster.server(name))))).toEqual([
      2, 2,
    ]);
  });

  test("slots that are dropped, alone and with their database", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    const consumer = new Consumer("a");
    await sql(
      n1,
      "CREATE TABLE ledger (n int)",
      "CREATE DATABASE other",
      makeSlot("a"),
      makeSlot("b"),
    );
    await consumer.take(n1);
    const other = new Client({ ...n1.clientConfig(), database: "other" });
    other.on("error", () => undefined);
    await other.connect();
    await other.query(makeSlot("o"));
    expect(told(await operator.change("slot-sync", "--allow-restart"))).toEqual([0, []]);
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: ["a", "b", "o"] });

    // A copy of a slot that is gone would hold WAL on the standby, and on whoever is promoted.
    await sql(n1, "SELECT pg_drop_replication_slot('b')");
    await expectReady(operator);
    expect(told(await operator.change("slot-sync"))).toEqual([0, []]);
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: ["a", "o"] });
    await expectReady(operator);

    await other.query("SELECT pg_drop_replication_slot('o')");
    await other.end();
    await sql(n1, "DROP DATABASE other");
    await level(cluster, "n1", "n2");
    expect(told(await operator.change("slot-sync"))).toEqual([0, []]);
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: ["a"] });
    await expectReady(operator);

    // The last one: what held rows for the copies goes with them, one pass later.
    const holds = "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'remasterhold%'";
    await sql(n1, "SELECT pg_drop_replication_slot('a')");
    expect(told(await operator.change("slot-sync"))).toEqual([0, []]);
    expect([await slotsOf(cluster, ["n2"]), await sql(n1, holds)]).toEqual([{ n2: [] }, ["1"]]);
    const last = await operator.change("slot-sync");
    expect([stepsIn(last.report), await sql(n1, holds)]).toEqual([["done keep-slots n1"], ["0"]]);
    expect((await operator.change("slot-sync")).report.summary).toMatch(/^nothing to do/);
    await sql(n1, makeSlot("a"));
    expect(told(await operator.change("slot-sync", "--allow-restart"))).toEqual([0, []]);

    // Made anew by its name in another way: told, and mended by a restart.
    await sql(n1, "SELECT pg_drop_replication_slot('a')");
    await sql(n1, "SELECT pg_create_logical_replication_slot('a', 'pgoutput')");
    expect(told(await operator.change("slot-sync", "--allow-restart"))).toEqual([0, []]);
    await expectReady(operator);
  });

  test.runIf(major >= 14)(
    "what was prepared before a failover is committed behind it",
    async () => {
      await using cluster = await startCluster({ major, standbys: 1, settings });
      const operator = operatorOf(cluster);
      const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
      await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("two", ", false, true"));
      const got: string[] = [];
      const take = async (server: TestServer): Promise<void> => {
        const changes = "pg_logical_slot_get_changes('two', NULL, NULL, 'skip-empty-xacts', '1')";
        const lines = await sql(server, `SELECT data FROM ${changes}`);
        got.push(
          ...lines
            .filter((line) => !line.startsWith("BEGIN"))
            .map((line) => line.replace(/, txid \d+$/, "").replace("table public.ledger: ", "")),
        );
      };
      const prepare = (n: number) =>
        sql(n1, "BEGIN", `INSERT INTO ledger VALUES (${n})`, `PREPARE TRANSACTION 'g${n}'`);
      await prepare(1);
      await take(n1);
      await prepare(2);
      expect(told(await operator.change("slot-sync", "--allow-restart"))).toEqual([0, []]);
      await take(n1);
      await prepare(3);
      expect(told(await operator.change("slot-sync"))).toEqual([0, []]);
      await expectReady(operator);
      await level(cluster, "n1", "n2");
      await n1.kill();
      const done = await operator.change("failover", "--primary-is-dead", "--to", "n2");
      expect(done.status).toBe(0);
      for (const n of [1, 2, 3]) await sql(n2, `COMMIT PREPARED 'g${n}'`);
      await take(n2);
      const rowsOf = (n: number) => [`INSERT: n[integer]:${n}`, `PREPARE TRANSACTION 'g${n}'`];
      expect(got).toEqual([
        ...[1, 2, 3].flatMap(rowsOf),
        ...[1, 2, 3].map((n) => `COMMIT PREPARED 'g${n}'`),
      ]);
    },
  );
});
