// Standbys whose replay is held up: by sessions, by a delay, by a pause. Such a node obeys no change of its upstream, so it is
// refused by name before anything is changed, and never called quiesced because of a mark.

import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { alarmsIn, nodeIn, type Operator, operatorOf } from "../support/cli.ts";
import { allSettings, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";

/** A session of an application, which goes on until it is ended. */
async function session(cluster: TestCluster, node: string, ...statements: readonly string[]) {
  const client = new Client(cluster.server(node).clientConfig());
  let alive = true;
  client.on("error", () => undefined);
  client.on("end", () => {
    alive = false;
  });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return {
    pid: rows[0]?.pid ?? 0,
    isAlive: () => alive,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

describe.each(testMajors)("held-up replay, PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let operator: Operator;
  beforeAll(async () => {
    const settings = { max_standby_streaming_delay: "-1", autovacuum: "off" };
    cluster = await startCluster({ major, standbys: 2, settings });
    operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 100);
    await sql(cluster.server("n1"), "CREATE TABLE other AS SELECT 1 AS n");
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await sql(cluster.server("n1"), "CHECKPOINT");
    await level();
  });

  async function level(): Promise<void> {
    const [at = ""] = await sql(cluster.server("n1"), "SELECT pg_current_wal_lsn()");
    const statement = `SELECT pg_last_wal_replay_lsn() >= '${at}'`;
    await untilSees(cluster, ["n2", "n3"], { statement, value: "true" });
  }

  /** Waits until the status of n3 shows this replay. */
  async function untilReplay(state: string): Promise<void> {
    await expect
      .poll(async () => nodeIn((await operator.ask("status")).report, "n3").replay, {
        timeout: 15_000,
      })
      .toBe(state);
  }

  /** Quiescing is refused by name, and changes nothing anywhere. */
  async function expectRefused(reason: string): Promise<void> {
    const before = allSettings(cluster);
    for (const words of [["quiesce"], ["quiesce", "n3"]]) {
      const { status, report } = await operator.change(...words);
      expect([status, alarmsIn(report)]).toEqual([5, ["replay-held-up n3"]]);
      expect(report.findings[0]?.message).toContain(reason);
    }
    expect(allSettings(cluster)).toEqual(before);
  }

  /** With its blockers ended, n3 comes to rest, and back to what it was. */
  async function expectQuiescedByForce(): Promise<void> {
    const before = allSettings(cluster);
    const { status, report } = await operator.change("quiesce", "n3", "--cancel-queries");
    expect(report.summary).toContain("n3 quiesced");
    expect(status).toBe(0);
    expect(nodeIn(report, "n3").quiesced).toBe(true);
    expect((await operator.change("unquiesce", "n3")).status).toBe(0);
    expect(allSettings(cluster)).toEqual(before);
    await level();
  }

  test("a snapshot: the session is named, and only it is ended", async () => {
    const snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    await using blocker = await session(cluster, "n3", snapshot, "SELECT count(*) FROM rows");
    await using idle = await session(cluster, "n3", "SELECT count(*) FROM rows");
    await using locking = await session(cluster, "n3", "BEGIN", "SELECT count(*) FROM other");
    await sql(cluster.server("n1"), "DELETE FROM rows WHERE n > 50", "VACUUM rows");
    await untilReplay("blocked");
    await expectRefused(`blocked by pid ${blocker.pid} (remaster)`);
    await expectQuiescedByForce();
    expect([blocker, idle, locking].map((each) => each.isAlive())).toEqual([false, true, true]);
  });

  test("a lock: its holder is named, and only it is ended", async () => {
    await using holder = await session(cluster, "n3", "BEGIN", "SELECT count(*) FROM rows");
    await using locking = await session(cluster, "n3", "BEGIN", "SELECT count(*) FROM other");
    await sql(cluster.server("n1"), "ALTER TABLE rows ADD COLUMN more int");
    await untilReplay("blocked");
    await expectRefused(`blocked by pid ${holder.pid} (remaster)`);
    await expectQuiescedByForce();
    expect([holder, locking].map((each) => each.isAlive())).toEqual([false, true]);
  });

  test("a delay", async () => {
    const n3 = cluster.server("n3");
    await sql(n3, "ALTER SYSTEM SET recovery_min_apply_delay = '1h'", "SELECT pg_reload_conf()");
    await sql(cluster.server("n1"), "INSERT INTO rows VALUES (0)");
    await untilReplay("delayed");
    await expectRefused("delayed by recovery_min_apply_delay");
    await sql(n3, "ALTER SYSTEM RESET recovery_min_apply_delay", "SELECT pg_reload_conf()");
    await level();
  });

  test("a startup process that is late is woken until it comes to rest", async () => {
    const n3 = cluster.server("n3");
    const [startup = ""] = await sql(
      n3,
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'",
    );
    const loads = new Set<string | undefined>();
    process.kill(Number(startup), "SIGSTOP");
    const quiescing = operator.change("quiesce", "n3");
    try {
      // The change itself takes two, and there was one before.
      const load = async () => loads.add((await sql(n3, "SELECT pg_conf_load_time()"))[0]).size;
      await expect.poll(load, { timeout: 15_000, interval: 5 }).toBeGreaterThan(5);
    } finally {
      process.kill(Number(startup), "SIGCONT");
    }
    expect((await quiescing).status).toBe(0);
    expect((await operator.change("unquiesce", "n3")).status).toBe(0);
    await level();
  });

  test("a pause, also one under which somebody set the mark", async () => {
    const n3 = cluster.server("n3");
    await sql(n3, "SELECT pg_wal_replay_pause()");
    await sql(cluster.server("n1"), "INSERT INTO rows VALUES (0)");
    await untilReplay("paused");
    await expectRefused("paused");

    const before = allSettings(cluster);
    const [own = ""] = await sql(n3, "SHOW primary_conninfo");
    const marked = `${own} hostaddr='' host=/remaster/quiesced port=5432`.replaceAll("'", "''");
    await sql(n3, `ALTER SYSTEM SET primary_conninfo = '${marked}'`, "SELECT pg_reload_conf()");
    const [, receiver] = [
      await sql(cluster.server("n1"), "INSERT INTO rows VALUES (0)"),
      await sql(n3, "SELECT status FROM pg_stat_wal_receiver"),
    ];
    expect(receiver).toEqual(["streaming"]);
    const { report } = await operator.ask("status");
    expect(alarmsIn(report)).toContain("quiesce-without-effect n3");
    expect(nodeIn(report, "n3").quiesced).toBe(false);
    const again = await operator.change("quiesce", "n3");
    expect([again.status, alarmsIn(again.report)]).toEqual([5, ["replay-held-up n3"]]);

    // Once replay goes on the mark takes effect, and comes off as ever.
    await sql(n3, "SELECT pg_wal_replay_resume()");
    await untilSees(cluster, ["n3"], {
      statement: "SELECT count(*) FROM pg_stat_wal_receiver",
      value: "0",
    });
    expect((await operator.change("quiesce", "n3")).report.steps?.[0]?.state).toBe("already");
    expect((await operator.change("unquiesce")).status).toBe(0);
    expect(allSettings(cluster)).toEqual(before);
    await level();
  });
});
