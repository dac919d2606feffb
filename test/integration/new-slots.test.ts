// A planned change of the primary where nothing was synced beforehand and no copy can be made on a standby (13 to 15): the slots are
// made on the new primary while nobody may write there. A subscription and a client of test_decoding read all the while.

import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { alarmsIn, changedConfig, type Operator, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, expectLed, slotsOf, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";
import { consume, type LedgerConsumer, reckon, writeRows } from "../support/ledger-consumer.ts";
import { runScript } from "../support/scripted.ts";

const majors = testMajors.filter((major) => major < 16);

const ways = ["with control", "without control", "by its script"] as const;

/** The topology file without its controls. */
function withoutControl(cluster: TestCluster): string {
  return changedConfig(cluster, "bare", (text) => text.replaceAll(/^control\..*\n/gm, ""));
}

function conninfoOf(server: TestServer): string {
  const { host, port, user, password, database } = server.clientConfig();
  return `host=${host} port=${port} user=${user} password=${password} dbname=${database}`;
}

const makeOrders = "SELECT pg_create_logical_replication_slot('orders', 'test_decoding')";

/** The subscriber is as new when it is disposed of. */
interface Subscription extends AsyncDisposable {
  follow(publisher: TestServer): Promise<void>;
  /** Waits until it has so many rows, and gives them. */
  untilHas(count: number): Promise<readonly number[]>;
}

async function subscribe(subscriber: TestServer, publisher: TestServer): Promise<Subscription> {
  await sql(publisher, "CREATE PUBLICATION everything FOR TABLE rows");
  await sql(
    subscriber,
    "CREATE TABLE rows (n int)",
    `CREATE SUBSCRIPTION mirror CONNECTION '${conninfoOf(publisher)}'
     PUBLICATION everything WITH (copy_data = false)`,
  );
  const streams =
    "SELECT count(*)::text FROM pg_stat_replication WHERE application_name = 'mirror'";
  await untilShows(publisher, streams, "1");
  return {
    async follow(next) {
      await sql(subscriber, `ALTER SUBSCRIPTION mirror CONNECTION '${conninfoOf(next)}'`);
    },
    async untilHas(count) {
      await untilShows(subscriber, "SELECT count(*)::text FROM rows", String(count));
      return rowsOf(subscriber);
    },
    async [Symbol.asyncDispose]() {
      await sql(
        subscriber,
        "ALTER SUBSCRIPTION mirror DISABLE",
        "ALTER SUBSCRIPTION mirror SET (slot_name = NONE)",
        "DROP SUBSCRIPTION mirror",
        "DROP TABLE rows",
      );
    },
  };
}

async function untilShows(server: TestServer, statement: string, value: string): Promise<void> {
  const until = performance.now() + 20_000;
  for (;;) {
    const [shown] = await sql(server, statement);
    if (shown === value) return;
    if (performance.now() > until) throw new Error(`${statement}: ${shown ?? "no row"}`);
    await setTimeout(20);
  }
}

async function rowsOf(server: TestServer): Promise<readonly number[]> {
  return (await sql(server, "SELECT n FROM rows ORDER BY n")).map(Number);
}

/** Each row that the leader has, once, though a client may get some of them once more. */
async function expectEachOnce(
  leader: TestServer,
  { mirror, consumer }: { readonly mirror: Subscription; readonly consumer: LedgerConsumer },
): Promise<void> {
  const rows = await rowsOf(leader);
  expect(rows.length).toBeGreaterThan(30);
  expect(new Set(rows).size).toBe(rows.length);
  await consumer.untilLevel(leader);
  const { missing, strange, inOrder } = reckon(consumer.got, rows);
  expect({ missing, strange, inOrder }).toEqual({ missing: [], strange: [], inOrder: true });
  expect(await mirror.untilHas(rows.length)).toEqual(rows);
}

async function untilWritten(server: TestServer, more: number): Promise<void> {
  const [first] = await sql(server, "SELECT count(*)::text FROM rows");
  const enough = Number(first) + more;
  await untilShows(server, `SELECT (count(*) >= ${enough})::text FROM rows`, "true");
}

async function switchOver(operator: Operator, end: "demoted" | "fenced"): Promise<void> {
  const { status, report } = await operator.change("switchover");
  const told = report.findings.filter(({ severity }) => severity !== "note");
  expect([status, report.summary, told.map(({ code }) => code)]).toEqual([
    0,
    expect.stringMatching(/; writes were held up for \d+ ms$/),
    end === "demoted" ? [] : ["consumers-on-fenced", "fenced"],
  ]);
  const demotes = end === "demoted";
  expect(stepsIn(report)).toEqual([
    "done checkpoint n1",
    "done checkpoint n2",
    "done fence n1 --to n2 --confirmed mirror,orders",
    "done close n2 --of n1 --slot mirror,orders",
    ...(demotes ? ["done demote n1 --to n2"] : []),
    "done promote n2 --closed",
    "done make-slots n2",
    "done unfence n2",
    ...(demotes ? ["done rejoin n1 --to n2", "done drop-slot n1 --slot n2"] : []),
  ]);
}

async function switchOverByScript(cluster: TestCluster): Promise<void> {
  const ran = await runScript(cluster, operatorOf(cluster), ["switchover"]);
  expect([ran.status, ran.stderr]).toEqual([0, expect.not.stringContaining("did not work")]);
}

describe.each(majors)("PostgreSQL %d", (major) => {
  let elsewhere: TestCluster;

  beforeAll(async () => {
    // How long a worker that lost its publisher waits before it looks again.
    const settings = { wal_retrieve_retry_interval: "100ms" };
    elsewhere = await startCluster({ major, standbys: 0, settings });
  });

  afterAll(async () => {
    await elsewhere[Symbol.asyncDispose]();
  });

  test.each(ways)("with nothing synced, every row once: %s", async (how) => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const isDemoted = how !== "without control";
    const config = isDemoted ? cluster.configFile : withoutControl(cluster);
    const operator = operatorOf(cluster, { here: true, config });
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const subscriber = elsewhere.server("n1");
    const goesPast = "ALTER ROLE app SET default_transaction_read_only = off";
    await sql(n1, "CREATE TABLE rows (n int)", makeOrders, goesPast);
    await using mirror = await subscribe(subscriber, n1);
    const before = allSettings(cluster);
    await using consumer = consume(n1, "orders");
    await using writer = writeRows(n1);
    await untilWritten(n1, 20);

    if (how === "by its script") await switchOverByScript(cluster);
    else await switchOver(operator, isDemoted ? "demoted" : "fenced");
    expect(allSettings(cluster)["n2"]).toEqual(before["n2"]);

    writer.moveTo(n2);
    consumer.moveTo(n2);
    await mirror.follow(n2);
    await untilWritten(n2, 20);
    await writer[Symbol.asyncDispose]();
    await expectEachOnce(n2, { mirror, consumer });
    const off = "SELECT rolconfig::text FROM pg_roles WHERE rolname = 'app'";
    expect(await sql(n2, off)).toEqual(["{default_transaction_read_only=off}"]);
  });

  test("what keeps it from being certain is named, and nothing is changed", async () => {
    await using cluster = await startCluster({
      major,
      standbys: 1,
      settings: { max_prepared_transactions: "5" },
    });
    const operator = operatorOf(cluster, { here: true });
    const [n1, subscriber] = [cluster.server("n1"), elsewhere.server("n1")];
    await sql(n1, "CREATE TABLE rows (n int)", makeOrders, "INSERT INTO rows VALUES (0)");
    const state = async () => [allSettings(cluster), await slotsOf(cluster, ["n2"])];
    const before = await state();

    const away = await operator.change("switchover", "--timeout", "2s");
    expect([away.status, alarmsIn(away.report)]).toEqual([5, ["consumer-away n1"]]);
    expect(away.report.findings[0]?.message).toContain("orders (test_decoding in postgres)");
    expect(await state()).toEqual(before);

    await sql(n1, "SELECT pg_drop_replication_slot('orders')");
    await using mirror = await subscribe(subscriber, n1);
    await sql(n1, "BEGIN", "INSERT INTO rows VALUES (1)", "PREPARE TRANSACTION 'half'");
    const prepared = await operator.change("switchover");
    expect([prepared.status, alarmsIn(prepared.report)]).toEqual([5, ["prepared-transactions n1"]]);
    expect(await state()).toEqual(before);
    await sql(n1, "ROLLBACK PREPARED 'half'");

    // Its walsender is there, and confirms nothing.
    const blocker = new Client(subscriber.clientConfig());
    await blocker.connect();
    await blocker.query("BEGIN; LOCK TABLE rows");
    await sql(n1, "INSERT INTO rows VALUES (2)");
    const stalled = await operator.change("switchover", "--timeout", "4s");
    await blocker.end();
    expect([stalled.status, stepsIn(stalled.report).slice(1, 4)]).toEqual([
      7,
      [
        "done checkpoint n2",
        "undone fence n1 --to n2 --confirmed mirror",
        "skipped close n2 --of n1 --slot mirror",
      ],
    ]);
    expect(JSON.stringify(stalled.report.findings)).toMatch(
      /the consumer of mirror has confirmed [0-9A-F]+\/[0-9A-F]+/,
    );
    expect(await state()).toEqual(before);
    await sql(n1, "INSERT INTO rows VALUES (3)");
    expect(await mirror.untilHas(2)).toEqual([2, 3]);
  });

  test("one that was cut short is gone on with or taken back, whoever does it", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const [first, other] = [
      operatorOf(cluster, { here: true }),
      operatorOf(cluster, { desk: "other", here: true }),
    ];
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    await sql(n1, "CREATE TABLE rows (n int)", makeOrders);
    const before = allSettings(cluster);
    await using consumer = consume(n1, "orders");
    await using writer = writeRows(n1);
    await untilWritten(n1, 10);
    const does = async (...words: readonly string[]): Promise<void> => {
      const { status, report } = await first.change(...words);
      expect([words.join(" "), status, alarmsIn(report)]).toEqual([words.join(" "), 0, []]);
    };
    const closed = async (): Promise<void> => {
      await does("repoint", "n3", "--to", "n2", "--keep-mark");
      await does("fence", "n1", "--to", "n2", "--confirmed", "orders");
      await does("close", "n2", "--of", "n1", "--slot", "orders");
    };

    await closed();
    const seen = await other.ask("status");
    expect(alarmsIn(seen.report)).toEqual(
      expect.arrayContaining(["fenced n1", "fenced n2", "repoint-unsettled n3"]),
    );
    const undone = await other.change("undo");
    expect([undone.status, stepsIn(undone.report).slice(0, 2)]).toEqual([
      0,
      ["done unfence n1", "done unfence n2"],
    ]);
    expect(allSettings(cluster)).toEqual(before);
    await untilWritten(n1, 5);

    await closed();
    await does("demote", "n1", "--to", "n2");
    const back = await other.change("undo");
    expect([back.status, stepsIn(back.report).slice(0, 3)]).toEqual([
      0,
      ["done reinstate n1", "done unfence n1", "done unfence n2"],
    ]);
    expect(allSettings(cluster)).toEqual(before);
    await untilWritten(n1, 5);

    await closed();
    await does("demote", "n1", "--to", "n2");
    const promoted = await first.change("promote", "n2", "--closed");
    expect([promoted.status, alarmsIn(promoted.report)]).toEqual([0, []]);
    const late = await other.change("undo");
    expect([late.status, alarmsIn(late.report)]).toEqual([5, ["promotion-done n2"]]);
    const cut = await other.ask("status");
    expect(alarmsIn(cut.report)).toContain("fenced n2");
    const finished = await other.change("switchover");
    expect([finished.status, finished.report.summary]).toEqual([0, expect.anything()]);
    expect(stepsIn(finished.report).slice(0, 3)).toEqual([
      "done make-slots n2",
      "done unfence n2",
      "done rejoin n1 --to n2",
    ]);
    writer.moveTo(n2);
    consumer.moveTo(n2);
    await untilWritten(n2, 10);
    await writer[Symbol.asyncDispose]();
    const rows = await rowsOf(n2);
    await consumer.untilLevel(n2);
    const { missing, strange, inOrder } = reckon(consumer.got, rows);
    expect({ missing, strange, inOrder }).toEqual({ missing: [], strange: [], inOrder: true });
    const followers = { n1: "n2", n3: "n2" };
    await expectLed(cluster, other, { by: "n2", timeline: 2, followers, idle: { n2: ["orders"] } });
    await untilSees(cluster, ["n1", "n3"], {
      statement: "SELECT count(*) FROM rows",
      value: String(rows.length),
    });
  });

  test("a slot that cannot be made, and what was written before one, are told by name", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster, { here: true, config: withoutControl(cluster) });
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    await sql(n1, "CREATE TABLE rows (n int)", makeOrders, makeOrders.replace("orders", "stock"));
    await using orders = consume(n1, "orders");
    await using stock = consume(n1, "stock");
    const fenced = await operator.run([
      ...["fence", "n1", "--to", "n2", "--confirmed", "orders,stock", "--quiet", "--yes"],
    ]);
    await operator.change("close", "n2", "--of", "n1", "--slot", "orders,stock");
    const position = fenced.stdout.trim();
    const led = await operator.change("promote", "n2", "--closed", "--require", position);
    expect([led.status, alarmsIn(led.report)]).toEqual([0, []]);
    const insert = "INSERT INTO rows VALUES (1)";
    await expect(sql(n2, insert)).rejects.toThrow("read-only transaction");
    await sql(n2, "SET default_transaction_read_only = off", insert);
    await sql(n2, "SELECT pg_create_physical_replication_slot('stock')");

    const shown = await operator.ask("unfence", "n2", "--dry-run");
    expect([shown.status, alarmsIn(shown.report)]).toEqual([0, ["slot-not-made n2"]]);
    const done = await operator.change("switchover");
    const told = done.report.findings.filter(({ severity }) => severity === "problem");
    expect([done.status, stepsIn(done.report), told.map(({ code }) => code)]).toEqual([
      8,
      ["failed make-slots n2", "done unfence n2", "already unfence n2 --of n1"],
      ["slots-begin-late", "slot-not-made"],
    ]);
    expect(told[0]?.message).toMatch(/was written to at 2@0\/[0-9A-F]+/);
    expect(told[1]?.message).toMatch(/stock .* had confirmed everything up to 1@0\/[0-9A-F]+$/);
    await sql(n2, insert);
    expect([orders.got, stock.got]).toEqual([[], []]);
  });

  test("a failover opens a candidate that a switchover closed", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster, { here: true });
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const goesPast = "ALTER ROLE app SET default_transaction_read_only = off";
    await sql(n1, "CREATE TABLE rows (n int)", makeOrders, goesPast);
    const before = allSettings(cluster)["n2"];
    await operator.change("fence", "n1", "--to", "n2");
    const closed = await operator.change("close", "n2", "--of", "n1", "--slot", "orders");
    expect(closed.status).toBe(0);
    await n1.kill();
    // The fence left nobody who could have confirmed, which is no proof.
    const lossy = ["--accept-data-loss"];
    const done = await operator.change("failover", "--primary-is-dead", ...lossy);
    expect([done.status, done.report.summary]).toEqual([0, expect.stringContaining("n2 leads")]);
    await sql(n2, "INSERT INTO rows VALUES (1)");
    expect(allSettings(cluster)["n2"]).toEqual(before);
    const off = "SELECT rolconfig::text FROM pg_roles WHERE rolname = 'app'";
    expect(await sql(n2, off)).toEqual(["{default_transaction_read_only=off}"]);
  });
});
