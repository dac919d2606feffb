// The primary changes, and logical consumers keep their place: a switchover makes the copies that are not there, both ways, under
// writes, changes of the catalogues and vacuum. A ledger tells what came once more from what never came.

import { describe, expect, test } from "vitest";
import { alarmsIn, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, slotsOf, sql } from "../support/cluster-state.ts";
import { fewMajors, startCluster, type TestCluster } from "../support/cluster.ts";
import { Consumer, writeOn } from "../support/decoding.ts";

const settings = { hot_standby_feedback: "on" } as const;

function makeSlot(name: string): string {
  return `SELECT pg_create_logical_replication_slot('${name}', 'test_decoding')`;
}

/** Rows are written, and read, on whichever node takes them, until told to stop; gives the last number. */
async function underWrites(
  cluster: TestCluster,
  { on, first, consumer }: { on: string; first: number; consumer: Consumer },
  work: () => Promise<void>,
): Promise<number> {
  const stop = new AbortController();
  const server = cluster.server(on);
  // The shutdown ends both of them.
  let last = first - 1;
  const writing = writeOn(server, first, stop.signal).then(
    (number) => {
      last = number;
    },
    () => undefined,
  );
  const reading = consumer.follow(server, stop.signal).catch(() => undefined);
  try {
    await work();
  } finally {
    stop.abort();
    await Promise.all([writing, reading]);
  }
  return last;
}

/** The numbers that the node has. */
async function written(cluster: TestCluster, on: string): Promise<readonly number[]> {
  return (await sql(cluster.server(on), "SELECT n FROM ledger ORDER BY n")).map(Number);
}

async function expectNothingMissed(
  cluster: TestCluster,
  leader: string,
  consumer: Consumer,
): Promise<void> {
  await consumer.take(cluster.server(leader));
  const rows = await written(cluster, leader);
  expect(rows.length).toBeGreaterThan(20);
  expect(consumer.ledger.rows).toEqual(rows);
}

describe.each(fewMajors.filter((major) => major >= 16))("PostgreSQL %d", (major) => {
  test("a switchover takes the slots along, there and back", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const consumer = new Consumer("orders");
    await sql(cluster.server("n1"), "CREATE TABLE ledger (n int)", makeSlot("orders"));
    let next = 1;
    for (const [from, to] of [
      ["n1", "n2"],
      ["n2", "n1"],
      ["n1", "n2"],
    ] as const) {
      await underWrites(cluster, { on: from, first: next, consumer }, async () => {
        const done = await operator.change("switchover", "--to", to);
        const { findings, summary } = done.report;
        const told = findings.filter(({ severity }) => severity !== "note");
        expect([to, done.status, told, summary]).toEqual([to, 0, [], expect.anything()]);
        expect(stepsIn(done.report)).toContain(`done slot-sync --standby ${to} --slot orders`);
      });
      await expectNothingMissed(cluster, to, consumer);
      next = ((await written(cluster, to)).at(-1) ?? 0) + 1;
      const { status, report } = await operator.ask("status");
      expect([status, alarmsIn(report)]).toEqual([0, []]);
    }
    for (const server of cluster.servers) expect(await server.log()).not.toContain("PANIC");
  });

  test.runIf(major >= 17)("the server's own copies are taken along as well", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const consumer = new Consumer("orders");
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const [conninfo] = await sql(n2, "SHOW primary_conninfo");
    const named = `${conninfo ?? ""} dbname=postgres`.replaceAll("'", "''");
    await sql(n2, `ALTER SYSTEM SET primary_conninfo = '${named}'`, "SELECT pg_reload_conf()");
    const made =
      "pg_create_logical_replication_slot('orders', 'test_decoding', false, false, true)";
    await sql(n1, "CREATE TABLE ledger (n int)", `SELECT ${made}`);
    await underWrites(cluster, { on: "n1", first: 1, consumer }, async () => {
      const { status, report } = await operator.change("switchover");
      expect([status, report.findings.filter(({ severity }) => severity !== "note")]).toEqual([
        0,
        [],
      ]);
    });
    await expectNothingMissed(cluster, "n2", consumer);
    // Left there it would keep the server from making a copy of its own.
    expect(await slotsOf(cluster, ["n1"])).toEqual({ n1: [] });
  });

  test("a consumer that is away is named, and nothing is changed", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    await sql(
      cluster.server("n1"),
      "CREATE TABLE ledger (n int)",
      makeSlot("orders"),
      makeSlot("stock"),
      "INSERT INTO ledger VALUES (1)",
    );
    const before = [allSettings(cluster), await slotsOf(cluster, ["n1", "n2"])];
    const refused = await operator.change("switchover");
    expect([refused.status, alarmsIn(refused.report)]).toEqual([
      5,
      ["consumer-away n1", "consumer-away n1"],
    ]);
    expect(refused.report.findings[0]?.message).toContain("orders (test_decoding in postgres)");
    expect([allSettings(cluster), await slotsOf(cluster, ["n1", "n2"])]).toEqual(before);
    // Beforehand there is time: what slot-sync made counts once the consumer has gone on, wherever it is then.
    await operator.change("slot-sync");
    const take = (slot: string) => `SELECT pg_logical_slot_get_changes('${slot}', NULL, NULL)`;
    await sql(cluster.server("n1"), take("orders"), take("stock"));
    await operator.change("slot-sync");
    await sql(cluster.server("n1"), "INSERT INTO ledger VALUES (2)");
    const done = await operator.change("switchover");
    expect([done.status, alarmsIn(done.report)]).toEqual([0, []]);
    for (const slot of ["orders", "stock"]) {
      const changes = await sql(
        cluster.server("n2"),
        `SELECT data FROM pg_logical_slot_get_changes('${slot}', NULL, NULL)`,
      );
      expect(changes.filter((data) => data.includes("INSERT"))).toEqual([
        "table public.ledger: INSERT: n[integer]:2",
      ]);
    }
  });

  test("a failover tells each loss with its gap, and prefers who keeps more", async () => {
    await using cluster = await startCluster({ major, standbys: 2, settings });
    const operator = operatorOf(cluster);
    const consumer = new Consumer("orders");
    const n1 = cluster.server("n1");
    await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("orders"), makeSlot("stock"));
    await underWrites(cluster, { on: "n1", first: 1, consumer }, async () => {
      const synced = await operator.change("slot-sync", "--standby", "n3", "--slot", "orders");
      expect([synced.status, synced.report.summary]).toEqual([0, expect.anything()]);
    });
    const seen = await operator.ask("status");
    expect([seen.status, alarmsIn(seen.report)]).toEqual([0, ["slot-would-be-lost n1"]]);
    expect(
      seen.report.findings.find(({ code }) => code === "slot-would-be-lost")?.message,
    ).toContain("stock");
    await n1.kill();
    const done = await operator.change("failover", "--primary-is-dead", "--to", "n3");
    expect([done.status, done.report.summary]).toEqual([0, expect.anything()]);
    const told = done.report.findings.filter(({ code }) => code.startsWith("slot-"));
    expect(told.map(({ code, message }) => [code, message])).toEqual([
      [
        "slot-would-be-lost",
        expect.stringMatching(
          /slot stock .*is lost with n1: n3 has no copy of it; .* from 0\/[0-9A-F]+, as last seen \d+ s ago, to 0\/[0-9A-F]+$/,
        ),
      ],
      ["slot-kept", expect.stringContaining("(orders)")],
    ]);
    await expectNothingMissed(cluster, "n3", consumer);
  });
});
