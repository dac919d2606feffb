// Clients behind Debian's pgbouncer while the lead changes: they see a slow transaction and no error. Whatever goes wrong,
// nobody is left waiting, or it is said who waits and what ends it.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { alarmsIn, operatorOf, stepsIn } from "../support/cli.ts";
import { sql } from "../support/cluster-state.ts";
import { fewMajors, startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import {
  type AppPooler,
  leadsTo,
  pooledConfig,
  type PoolerLines,
  poolerSecret,
  rewriting,
  startAppPooler,
  startPooledClients,
} from "../support/pooled.ts";
import { hasPooler } from "../support/pooler.ts";

/** A login that failed or was broken off must hold nobody up: as long as this nobody waits. */
const longRetry = "server_login_retry = 600";

const laps = process.env["REMASTER_FAULTS"] === "all" ? 20 : 3;

async function pooledCluster(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, standbys: 2 });
  await sql(
    cluster.server("n1"),
    "CREATE TABLE pooled (n int PRIMARY KEY)",
    "GRANT ALL ON pooled TO app",
  );
  return cluster;
}

function operatorAt(cluster: TestCluster, pooler: AppPooler, lines: PoolerLines = {}) {
  return operatorOf(cluster, {
    config: pooledConfig(cluster, pooler, lines),
    secrets: [poolerSecret],
  });
}

/** A transaction that somebody keeps open, through the pooler. */
async function longTransaction(pooler: AppPooler): Promise<Client> {
  const client = new Client(pooler.client);
  client.on("error", () => undefined);
  await client.connect();
  await client.query("BEGIN");
  await client.query("SELECT 1");
  return client;
}

describe.skipIf(!hasPooler).each(testMajors)("PostgreSQL %d", (major) => {
  test("switchovers under 16 clients, and not one error", {
    timeout: 600_000,
  }, async () => {
    await using cluster = await pooledCluster(major);
    await using pooler = await startAppPooler(cluster.server("n1"), [longRetry]);
    const operator = operatorAt(cluster, pooler);
    await using clients = await startPooledClients(pooler, 16);
    await clients.waitForMore(100);
    const names = ["n2", "n3", "n1"];
    let to = "n1";
    for (let lap = 0; lap < laps; lap += 1) {
      to = names[lap % names.length] ?? "n1";
      const { status, report } = await operator.change("switchover", "--to", to);
      expect([lap, status, stepsIn(report), alarmsIn(report), clients.errors]).toEqual([
        lap,
        0,
        expect.arrayContaining(["done pause bouncer"]),
        [],
        [],
      ]);
      expect(leadsTo(pooler)).toBe(cluster.server(to).port);
      await clients.waitForMore(100);
    }
    await clients.stop();
    const rows = new Set((await sql(cluster.server(to), "SELECT n FROM pooled")).map(Number));
    expect(clients.acknowledged.filter((number) => !rows.has(number))).toEqual([]);
    expect(clients.errors).toEqual([]);
    // One that waited for a switchover to end, and not for a time limit of somebody's.
    expect(clients.longest).toBeLessThan(5_000);
  });
});

describe.skipIf(!hasPooler).each(fewMajors)("PostgreSQL %d: what goes wrong", (major) => {
  test("before anything is changed, and while a transaction is under way", async () => {
    await using cluster = await pooledCluster(major);
    await using pooler = await startAppPooler(cluster.server("n1"));
    const more = ["pause_timeout = 1"];
    const operator = operatorAt(cluster, pooler, { more });
    await using clients = await startPooledClients(pooler, 4);

    const dry = await operator.ask("switchover", "--to", "n2", "--dry-run");
    expect(dry.report.plan?.stages.map(({ steps }) => steps[0]?.verb)).toEqual([
      "repoint",
      "checkpoint",
      "pause",
      "demote",
      "promote",
      "resume",
      "rejoin",
      "repoint",
      "drop-slot",
    ]);

    const refused = async (lines: PoolerLines) => {
      const { status, report } = await operatorAt(cluster, pooler, lines).change("switchover");
      return [status, alarmsIn(report), report.findings[0]?.message];
    };
    expect(await refused({ password: "wrong" })).toEqual([
      4,
      ["pooler-unreachable bouncer"],
      expect.stringContaining("bouncer"),
    ]);
    expect(await refused({ user: "watcher" })).toEqual([
      5,
      ["pooler-not-pausable bouncer"],
      "pooler bouncer cannot be paused: watcher is none of its admin_users",
    ]);
    pooledConfig(cluster, pooler, { more });

    const keeper = await longTransaction(pooler);
    const before = clients.acknowledged.length;
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, stepsIn(report), alarmsIn(report)]).toEqual([
      7,
      expect.arrayContaining(["undone pause bouncer", "skipped demote n1 --to n2"]),
      ["step-failed bouncer"],
    ]);
    const said = report.findings.find(({ code }) => code === "step-failed")?.message;
    expect(said).toMatch(
      /^pause of bouncer failed: transactions were still under way after 1000 ms: app in app \(server process \d+\)$/,
    );
    expect(await pooler.isPaused()).toBe(false);
    await clients.waitForMore(50);
    expect(clients.acknowledged.length).toBeGreaterThan(before);
    await keeper.query("COMMIT");
    await keeper.end();
    expect(clients.errors).toEqual([]);

    await clients.stop();
    await pooler.kill();
    const down = await operator.change("switchover", "--to", "n2");
    expect([down.status, alarmsIn(down.report)]).toEqual([4, ["pooler-unreachable bouncer"]]);
    const status2 = await operator.ask("status");
    expect([status2.status, alarmsIn(status2.report)]).toEqual([0, ["pooler-unreachable bouncer"]]);
  });

  test("a reconfigure command that fails keeps nobody waiting", async () => {
    await using cluster = await pooledCluster(major);
    await using pooler = await startAppPooler(cluster.server("n1"));
    const operator = operatorAt(cluster, pooler, {
      reconfigure: "echo no such luck password=geheim >&2; exit 3",
    });
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, alarmsIn(report), await pooler.isPaused()]).toEqual([
      8,
      ["pooler-not-resumed bouncer"],
      false,
    ]);
    expect(stepsIn(report)).toContain("failed resume bouncer --to n2 --from n1");
    expect(stepsIn(report)).toContain("done rejoin n1 --to n2");
    expect(report.findings.find(({ code }) => code === "pooler-not-resumed")?.message).toContain(
      "reconfigure failed with status 3: no such luck password=***; it still leads to app at 127.0.0.1",
    );
    expect(report.next[0]).toContain("resume bouncer --to n2");
    // Mended, as it says.
    const mended = operatorAt(cluster, pooler);
    const again = await mended.change("resume", "bouncer", "--to", "n2");
    expect([again.status, stepsIn(again.report)]).toEqual([0, ["done resume bouncer --to n2"]]);
    await using clients = await startPooledClients(pooler, 2);
    await clients.waitForMore(20);
    expect(clients.errors).toEqual([]);
  });

  test("an operator who dies leaves it paused: anybody lets the clients go on", async () => {
    await using cluster = await pooledCluster(major);
    await using pooler = await startAppPooler(cluster.server("n1"));
    // The operator is killed by the command that runs while the clients wait.
    const slow = operatorAt(cluster, pooler, {
      reconfigure: `touch ${cluster.directory}/waiting; sleep 60`,
    });
    await using clients = await startPooledClients(pooler, 4);
    await clients.waitForMore(20);
    await slow.run(["switchover", "--to", "n2", "--yes"], {
      onStart: (child) => {
        void (async () => {
          while (!existsSync(`${cluster.directory}/waiting`)) await delay(10);
          child.kill("SIGKILL");
        })();
      },
    });
    expect(await pooler.isPaused()).toBe(true);
    const operator = operatorAt(cluster, pooler, { reconfigure: rewriting(pooler) });
    const told = await operator.ask("status");
    expect(told.status).toBe(1);
    const finding = told.report.findings.find(({ code }) => code === "pooler-paused");
    expect(finding?.hint).toContain("remaster resume bouncer");

    const { report } = await operator.change("switchover", "--to", "n2");
    expect(stepsIn(report)).toContainEqual(expect.stringMatching(/^done resume bouncer --to n2/));
    expect(await pooler.isPaused()).toBe(false);
    await clients.waitForMore(50);
    expect(clients.errors).toEqual([]);
  });

  test("clients see no error either where the primary is fenced, because nobody can stop it", async () => {
    await using cluster = await pooledCluster(major);
    await using pooler = await startAppPooler(cluster.server("n1"));
    const config = pooledConfig(cluster, pooler);
    writeFileSync(config, readFileSync(config, "utf8").replaceAll(/^control\.pg_ctl.*$/gm, ""));
    const operator = operatorOf(cluster, { config, secrets: [poolerSecret] });
    await using clients = await startPooledClients(pooler, 8);
    await clients.waitForMore(50);
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, stepsIn(report), alarmsIn(report)]).toEqual([
      0,
      expect.arrayContaining(["done pause bouncer", "done fence n1 --to n2"]),
      ["fenced n1"],
    ]);
    await clients.waitForMore(100);
    await clients.stop();
    const rows = new Set((await sql(cluster.server("n2"), "SELECT n FROM pooled")).map(Number));
    expect(clients.acknowledged.filter((number) => !rows.has(number))).toEqual([]);
    expect(clients.errors).toEqual([]);
  });

  test("a failover leads them to the new primary, though nobody could log in before", async () => {
    await using cluster = await pooledCluster(major);
    await using pooler = await startAppPooler(cluster.server("n1"), [longRetry]);
    const operator = operatorAt(cluster, pooler);
    await using clients = await startPooledClients(pooler, 2);
    await clients.waitForMore(20);
    await cluster.server("n1").kill();
    // Their connections break; then they wait for others, or are told that nobody can log in.
    const waiting = async () => Number((await pooler.ask("SHOW POOLS"))[0]?.["cl_waiting"]);
    while (clients.errors.length < 4 && (await waiting()) < 2) await delay(20);
    const { status, report } = await operator.change("failover", "--primary-is-dead", "--to", "n2");
    expect([status, stepsIn(report)]).toEqual([
      0,
      expect.arrayContaining(["done promote n2", "done resume bouncer --to n2"]),
    ]);
    expect(leadsTo(pooler)).toBe(cluster.server("n2").port);
    const broken = clients.errors.length;
    await clients.waitForMore(20);
    expect(clients.errors).toHaveLength(broken);
    const settings = await pooler.ask("SHOW CONFIG");
    expect(settings.find(({ key }) => key === "server_login_retry")?.["value"]).toBe("600");
  });

  test("paused by hand and resumed, a database of it alone, and by an undo", async () => {
    await using cluster = await pooledCluster(major);
    await using pooler = await startAppPooler(cluster.server("n1"));
    await using clients = await startPooledClients(pooler, 2);
    const operator = operatorAt(cluster, pooler, { more: ['databases = ["app"]'] });
    const steps = async (...words: readonly string[]) => {
      const { status, report } = await operator.change(...words);
      return [status, stepsIn(report)];
    };
    const paused = async () => {
      const rows = await pooler.ask("SHOW DATABASES");
      return Number(rows.find(({ name }) => name === "app")?.["paused"]);
    };
    expect(await steps("pause", "bouncer")).toEqual([0, ["done pause bouncer"]]);
    expect([await paused(), await pooler.isPaused()]).toEqual([1, false]);
    expect(await steps("pause", "bouncer")).toEqual([0, ["already pause bouncer"]]);
    expect(await steps("resume", "bouncer")).toEqual([0, ["done resume bouncer"]]);
    expect(await paused()).toBe(0);
    await steps("pause", "bouncer");
    expect(await steps("undo")).toEqual([0, ["done resume bouncer"]]);
    expect(await paused()).toBe(0);
    await clients.waitForMore(10);
    // All of it, by another hand: not ours to resume, and in the way.
    await pooler.ask("PAUSE");
    expect((await operator.change("pause", "bouncer")).status).toBe(5);
    await pooler.ask("RESUME");
    await clients.waitForMore(10);
    expect(clients.errors).toEqual([]);
    expect((await operator.run(["pause", "nobody", "--yes"])).status).toBe(2);
  });
});
