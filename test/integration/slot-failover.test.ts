// Failover slots, 17 and later: set up from nothing, brought to be ready, kept level, and proven by a consumer that goes on
// after a switchover and after a failover back.

import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { alarmsIn, type CliReport, type Operator, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, autoSettings, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import {
  consume,
  type LedgerConsumer,
  reckon,
  type RowWriter,
  writeRows,
} from "../support/ledger-consumer.ts";

const majors = testMajors.filter((major) => major >= 17);

/** A client that streams from a slot, and does nothing else. */
async function holdSlot(cluster: TestCluster, slot: string): Promise<Client> {
  const config = { ...cluster.server("n1").clientConfig(), application_name: "debezium" };
  const client = new Client({ ...config, replication: "database" } as typeof config);
  client.on("error", () => undefined);
  await client.connect();
  void client.query(`START_REPLICATION SLOT ${slot} LOGICAL 0/0`).catch(() => undefined);
  const active = `SELECT active FROM pg_replication_slots WHERE slot_name = '${slot}'`;
  await untilSees(cluster, ["n1"], { statement: active, value: "true" });
  return client;
}

/** The messages and hints of the findings with that code. */
function wordsOf({ findings }: CliReport, code: string): readonly string[] {
  return findings
    .filter((finding) => finding.code === code)
    .map(({ message, hint }) => `${message}; ${hint ?? ""}`);
}

describe.each(majors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let operator: Operator;
  let consumer: LedgerConsumer;
  let writer: RowWriter;

  const slotsOn = (node: string): Promise<readonly string[]> =>
    sql(
      cluster.server(node),
      "SELECT slot_name || ' ' || synced || ' ' || temporary FROM pg_replication_slots WHERE slot_type = 'logical' ORDER BY 1",
    );

  const synchronizedOn = async (nodes: readonly string[]): Promise<readonly string[]> =>
    (
      await Promise.all(
        nodes.map((node) => sql(cluster.server(node), "SHOW synchronized_standby_slots")),
      )
    ).flat();

  const rowsOn = async (node: string): Promise<readonly number[]> =>
    (await sql(cluster.server(node), "SELECT n FROM public.rows ORDER BY n")).map(Number);

  /** Writes go on meanwhile: what was there before must have come, and what came must be there after. */
  const reckonOn = async (node: string) => {
    const before = await rowsOn(node);
    await consumer.untilLevel(cluster.server(node));
    const got = [...consumer.got];
    const { missing, inOrder } = reckon(got, before);
    return { missing, inOrder, strange: reckon(got, await rowsOn(node)).strange };
  };
  const whole = { missing: [], strange: [], inOrder: true };

  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 2 });
    operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    await sql(
      n1,
      "CREATE TABLE public.rows (n int)",
      "SELECT pg_create_logical_replication_slot('orders', 'test_decoding')",
    );
    // n2 as most standbys are: nothing of what copies need.
    const [conninfo = ""] = await sql(cluster.server("n2"), "SHOW primary_conninfo");
    await sql(
      cluster.server("n2"),
      `ALTER SYSTEM SET primary_conninfo = '${conninfo.replace(" dbname=postgres", "")}'`,
      "ALTER SYSTEM SET primary_slot_name = ''",
      "SELECT pg_reload_conf()",
    );
    const active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'n2'";
    await untilSees(cluster, ["n1"], { statement: active, value: "false" });
    await sql(n1, "SELECT pg_drop_replication_slot('n2')");
    consumer = consume(n1, "orders");
    writer = writeRows(n1);
  });
  afterAll(async () => {
    await writer[Symbol.asyncDispose]();
    await consumer[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  test("without consent nothing is set, and what is lacking is told", async () => {
    const before = allSettings(cluster);
    const { status, report } = await operator.ask("slot-sync", "--check");
    expect(status).toBe(1);
    expect(alarmsIn(report)).toEqual(["slot-would-be-lost n1", "slot-would-be-lost n1"]);
    expect(wordsOf(report, "slot-would-be-lost")[0]).toMatch(
      /feedback is off on n2; .*--configure/,
    );
    expect(wordsOf(report, "slot-without-failover")).toEqual([
      expect.stringMatching(/orders; .*--enable-failover/),
    ]);
    const pass = await operator.change("slot-sync", "--no-physical");
    expect(pass.report.next[0]).toMatch(/^remaster slot-sync --no-physical.* --configure$/);
    expect(allSettings(cluster)).toEqual(before);
  });

  test("a slot that is in use is named, and nobody hangs", async () => {
    const n1 = cluster.server("n1");
    await sql(n1, "SELECT pg_create_logical_replication_slot('held', 'test_decoding')");
    const holder = await holdSlot(cluster, "held");
    const began = performance.now();
    const refused = await operator.change("slot-failover", "n1", "--slot", "held");
    expect([refused.status, alarmsIn(refused.report)]).toEqual([7, ["step-failed n1"]]);
    expect(wordsOf(refused.report, "step-failed")[0]).toMatch(
      /debezium, pid \d+, 127.0.0.1: stop its consumer/,
    );
    const pass = await operator.change(
      "slot-sync",
      "--no-physical",
      "--enable-failover",
      "--slot",
      "held",
    );
    expect(wordsOf(pass.report, "step-failed")[0]).toMatch(/held is in use by debezium, pid \d+/);
    expect(performance.now() - began).toBeLessThan(20_000);
    await holder.end();
    const idle = "SELECT active FROM pg_replication_slots WHERE slot_name = 'held'";
    await untilSees(cluster, ["n1"], { statement: idle, value: "false" });
    const done = await operator.change("slot-failover", "n1", "--slot", "held");
    expect([done.status, stepsIn(done.report)]).toEqual([0, ["done slot-failover n1 --slot held"]]);
    await sql(n1, "SELECT pg_drop_replication_slot('held')");
  });

  test("all is set up from nothing, and copies are ready whose consumers move on", async () => {
    const n1 = cluster.server("n1");
    await sql(n1, "SELECT pg_create_logical_replication_slot('idle', 'test_decoding')");
    const { status, report } = await operator.change(
      ...["slot-sync", "--no-physical", "--configure", "--enable-failover"],
    );
    expect([status, stepsIn(report)]).toEqual([
      8,
      [
        "done slot-settings n2 --feedback --slot remaster_n2 --dbname postgres",
        "done slot-settings n3 --feedback",
        "done slot-settings n1 --synchronized remaster_n2,n3",
        "done slot-failover n1 --slot idle",
        "done slot-failover n1 --slot orders",
        "done slot-sync --standby n2 --slot idle,orders",
        "done slot-sync --standby n3 --slot idle,orders",
      ],
    ]);
    const told = wordsOf(report, "slot-not-synced");
    expect(told).toHaveLength(2);
    for (const words of told) {
      expect(words).toMatch(/slot idle .* must confirm past [\dA-F]+\/[\dA-F]+ .* \d+ bytes to go/);
    }
    for (const name of ["n2", "n3"]) {
      expect(await slotsOn(name)).toEqual(["orders true false"]);
      // What was turned on for the new copies is as it was.
      expect(autoSettings(cluster.server(name)).join()).not.toContain("sync_replication_slots");
      expect(await sql(cluster.server(name), "SHOW sync_replication_slots")).toEqual(["off"]);
    }
    await sql(n1, "SELECT pg_drop_replication_slot('idle')");
    const checked = await operator.ask("slot-sync", "--check");
    expect([checked.status, wordsOf(checked.report, "slot-would-be-lost")]).toEqual([0, []]);
  });

  test("a later pass brings them level", async () => {
    const level = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'orders'";
    await setTimeout(300);
    const [before = ""] = await sql(cluster.server("n1"), level);
    const { status } = await operator.change("slot-sync", "--no-physical");
    expect(status).toBe(0);
    for (const name of ["n2", "n3"]) {
      const passed = `SELECT confirmed_flush_lsn >= '${before}' FROM pg_replication_slots WHERE slot_name = 'orders'`;
      expect(await sql(cluster.server(name), passed)).toEqual(["true"]);
    }
  });

  test("whoever leads next lets its consumers wait for the others", async () => {
    const { status, report } = await operator.change("slot-sync", "--configure");
    expect([status, alarmsIn(report)]).toEqual([0, []]);
    expect(stepsIn(report)).toEqual(
      expect.arrayContaining([
        "done slot-settings n2 --synchronized n3",
        "done slot-settings n3 --synchronized remaster_n2",
      ]),
    );
    const nobody = await operator.change("slot-settings", "n3", "--synchronized", "n4");
    expect([nobody.status, alarmsIn(nobody.report)]).toEqual([5, ["no-slot n3"]]);
  });

  test("a consumer goes on after a switchover, and after a failover back", async () => {
    const over = await operator.change("switchover", "--to", "n2");
    expect([over.status, alarmsIn(over.report)]).toEqual([0, []]);
    writer.moveTo(cluster.server("n2"));
    await setTimeout(500);
    expect(await reckonOn("n2")).toEqual(whole);

    // What the old primary had by that name would stop its server from keeping a copy: it went with its return.
    expect(await slotsOn("n1")).toEqual([]);
    // It names a slot of who leads now, and has it no more.
    const checked = await operator.ask("slot-sync", "--check");
    expect(alarmsIn(checked.report)).toContain("synchronized-slots-unfit n1");
    const kept = await operator.change("slot-sync", "--configure");
    expect([kept.status, alarmsIn(kept.report)]).toEqual([0, []]);
    expect(await slotsOn("n1")).toEqual(["orders true false"]);
    expect(await slotsOn("n3")).toEqual(["orders true false"]);
    expect(await synchronizedOn(["n1", "n2", "n3"])).toEqual([
      "n3",
      "n3,remaster_n1",
      "remaster_n1",
    ]);

    await setTimeout(500);
    const again = await operator.change("slot-sync");
    expect([again.status, alarmsIn(again.report)]).toEqual([0, []]);
    await cluster.server("n2").kill();
    const back = await operator.change(
      ...["failover", "--to", "n1", "--primary-is-dead", "--accept-data-loss"],
    );
    // It waited for n2 when it led before, which is gone now.
    expect([back.status, alarmsIn(back.report)]).toEqual([0, []]);
    writer.moveTo(cluster.server("n1"));
    await setTimeout(500);
    expect(await reckonOn("n1")).toEqual(whole);
  });
});
