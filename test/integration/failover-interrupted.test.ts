// Failovers that do not come to their end in one go: time is up, a server does not obey, the operator is killed. What was
// begun is legible on the nodes, so that the next run, by anybody, finishes it or takes it back.

import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  alarmsIn,
  type CliReport,
  type Operator,
  nodeIn,
  operatorOf,
  stepsIn,
} from "../support/cli.ts";
import {
  allSettings,
  countRows,
  expectLed,
  makeRows,
  slotsOf,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestCluster, fewMajors } from "../support/cluster.ts";
import type { ProgramResult } from "../support/program.ts";

const failover = ["failover", "--primary-is-dead"] as const;

/** A dead primary n1; n2 may lead and lacks rows; the other standbys have all of them. */
async function loseWithLaggard(
  major: number,
  options: { readonly standbys?: number; readonly notPromotable?: readonly string[] },
): Promise<TestCluster> {
  const settings = major >= 14 ? { restore_command: "exit 1" } : {};
  const cluster = await startCluster({ major, standbys: 2, settings, ...options });
  const ahead = cluster.servers.map((server) => server.name).slice(2);
  await makeRows(cluster, "n1", 1);
  await untilSees(cluster, ["n2", ...ahead], { statement: countRows, value: "1" });
  await cluster.cut("n2");
  await makeRows(cluster, "n1", 50_000);
  await untilSees(cluster, ahead, { statement: countRows, value: "50001" });
  await cluster.server("n1").kill();
  return cluster;
}

/** Runs a failover and does something once, as soon as it says this. */
async function during(
  operator: Operator,
  words: readonly string[],
  event: { readonly said: string; readonly act: (child: ChildProcess) => unknown },
): Promise<ProgramResult> {
  const acts: unknown[] = [];
  const result = await operator.run([...words, "--yes", "--json"], {
    onTalk: (child, stderr) => {
      if (acts.length === 0 && stderr.includes(event.said)) acts.push(event.act(child));
    },
  });
  expect(acts).toHaveLength(1);
  await Promise.all(acts);
  return result;
}

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  // Cut off, n2 cannot come to the end of the exchange, or n3 to follow: the operator is still there to be killed.
  test.each([
    { said: "bring n2 what", cut: "n2", laterMs: 300 },
    { said: "tell them of n2", cut: "n3", laterMs: 0 },
    { said: "make n2 the primary", cut: "n3", laterMs: 0 },
    { said: "see them follow n2", cut: "n3", laterMs: 0 },
  ])("an operator is killed $laterMs ms after `$said`, another one finishes", async (kill) => {
    await using cluster = await loseWithLaggard(major, {});
    if (kill.cut !== "n2") {
      await cluster.join("n2");
      await cluster.cut(kill.cut);
    }
    const killed = await during(operatorOf(cluster), [...failover, "--to", "n2"], {
      said: kill.said,
      act: async (child) => {
        await setTimeout(kill.laterMs);
        child.kill("SIGKILL");
      },
    });
    expect(killed.signal).toBe("SIGKILL");
    await cluster.join(kill.cut);

    const other = operatorOf(cluster, { desk: "other" });
    const { status, report } = await other.change(...failover, "--to", "n2");
    expect(report.summary).toMatch(/^n2 leads at/);
    expect(status).toBe(0);
    // Killed between, the slot of an exchange stays on its source: it cannot be told from one of somebody's own.
    const { n3: idle = [] } = await slotsOf(cluster, ["n3"]);
    expect(["", "n2"]).toContain(idle.join());
    const followers = { n3: "n2" };
    await expectLed(cluster, other, { by: "n2", timeline: 2, followers, idle: { n3: idle } });
    expect(await sql(cluster.server("n3"), countRows)).toEqual(["50001"]);
    expect(JSON.stringify(allSettings(cluster))).not.toMatch(/remaster\/quiesced|false # /);
  });

  test("an exchange that cannot come to its end is interrupted, and taken back to the letter", async () => {
    await using cluster = await loseWithLaggard(major, { notPromotable: ["n3"] });
    const operator = operatorOf(cluster);
    const before = [allSettings(cluster), await slotsOf(cluster, ["n2", "n3"])];
    const { status, stdout } = await during(operator, failover, {
      said: "bring n2 what",
      act: (child) => child.kill("SIGINT"),
    });
    const report = JSON.parse(stdout) as CliReport;
    expect(stepsIn(report).slice(0, 2)).toEqual(["undone quiesce n2", "undone quiesce n3"]);
    expect(report.outcome).toBe("undone");
    expect(status).toBe(7);
    expect([allSettings(cluster), await slotsOf(cluster, ["n2", "n3"])]).toEqual(before);

    await cluster.join("n2");
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("a promotion under way that neither mark nor file tells of lets nobody else lead", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const n2 = cluster.server("n2");
    const hangs = join(n2.dataDir, "hang");
    await sql(
      n2,
      "ALTER SYSTEM SET recovery_end_command = 'while [ -e hang ]; do sleep 0.1; done'",
      "SELECT pg_reload_conf()",
    );
    writeFileSync(hangs, "");
    await cluster.server("n1").kill();
    await sql(n2, "SELECT pg_promote(false)");
    await expect.poll(() => existsSync(join(n2.dataDir, "promote")), { interval: 5 }).toBe(false);
    const first = await operator.change(...failover, "--to", "n3");
    expect(stepsIn(first.report)).toContain("failed promote n3");
    expect(JSON.stringify(first.report.findings)).toContain("n2 was promoted, or is about to be");
    expect(first.status).toBe(7);
    rmSync(hangs);
    await untilSees(cluster, ["n2"], { statement: "SELECT pg_is_in_recovery()", value: "false" });
    expect((await operator.change(...failover)).status).toBe(0);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("a promotion that was asked for is told of beside a primary, and not passed over", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const n2 = cluster.server("n2");
    await operator.change("quiesce", "n3");
    const startup = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'";
    const [pid] = await sql(n2, startup);
    process.kill(Number(pid), "SIGSTOP");
    await sql(n2, "SELECT pg_promote(false)");
    const told = ["promotion-may-be-pending", "n2"];
    const { status, report } = await operator.ask("status");
    expect([status, report.findings.map(({ code, node }) => [code, node])]).toEqual([
      1,
      expect.arrayContaining([told]),
    ]);
    const refused = await operator.change(...failover);
    const [first] = refused.report.findings;
    expect([refused.status, [first?.code, first?.node]]).toEqual([5, told]);
    expect(first?.hint).toContain("beside n1");
  });

  test("a primary that comes back on the way is left to lead", async () => {
    await using cluster = await loseWithLaggard(major, { notPromotable: ["n3"] });
    const operator = operatorOf(cluster);
    const before = [allSettings(cluster), await slotsOf(cluster, ["n2", "n3"])];
    const { status, stdout } = await during(operator, failover, {
      said: "bring n2 what",
      act: async () => {
        await cluster.server("n1").start();
        // Only now can the exchange go on.
        await cluster.join("n2");
      },
    });
    const report = JSON.parse(stdout) as CliReport;
    expect(stepsIn(report)).toEqual(
      expect.arrayContaining(["undone exchange --to n2", "failed promote n2"]),
    );
    expect(JSON.stringify(report.findings)).toContain("PostgreSQL answers again at n1");
    expect(status).toBe(7);
    expect([allSettings(cluster), await slotsOf(cluster, ["n2", "n3"])]).toEqual(before);
    await untilSees(cluster, ["n1"], {
      statement: "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
      value: "2",
    });
  });

  test("a new primary that freezes is no success", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await cluster.server("n1").kill();
    await cluster.cut("n3");
    const { status, stdout } = await during(operator, [...failover, "--timeout", "4s"], {
      said: "see them follow n2",
      act: () => cluster.server("n2").freeze(),
    });
    const report = JSON.parse(stdout) as CliReport;
    expect(report.findings).toContainEqual(expect.objectContaining({ code: "no-primary" }));
    expect(status).toBe(8);

    await cluster.server("n2").thaw();
    await cluster.join("n3");
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("a standby that dies on the way holds nobody up", async () => {
    await using cluster = await loseWithLaggard(major, { standbys: 3 });
    const operator = operatorOf(cluster);
    const words = [...failover, "--to", "n2", "--timeout", "8s"];
    const { status, stdout } = await during(operator, words, {
      said: "bring n2 what",
      act: async () => {
        await cluster.server("n4").kill();
        await cluster.join("n2");
      },
    });
    const report = JSON.parse(stdout) as CliReport;
    expect(report.summary).toMatch(/^not finished/);
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(nodeIn(report, "n3")).toMatchObject({ upstream: "n2", streaming: true });
    expect(nodeIn(report, "n4")).toMatchObject({ reachable: false });
    expect(report.findings).toContainEqual(
      expect.objectContaining({ code: "step-failed", severity: "warning", node: "n4" }),
    );
    expect(status).toBe(8);
  });

  test("a standby that does not come to follow is named, and comes later", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    await cluster.server("n1").kill();
    await cluster.cut("n3");
    const { status, report } = await operator.change(...failover, "--timeout", "5s");
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(stepsIn(report)).toContain("failed repoint n3 --to n2");
    expect(report.findings).toContainEqual(
      expect.objectContaining({ code: "standby-not-following", node: "n3" }),
    );
    expect(nodeIn(report, "n4")).toMatchObject({ upstream: "n2", streaming: true });
    expect(status).toBe(8);

    await cluster.join("n3");
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });
  });

  test.skipIf(major < 14)("a promotion that is late is not given to another node", async () => {
    await using cluster = await startCluster({ major, settings: { restore_command: "exit 1" } });
    const operator = operatorOf(cluster);
    const [n2, n3] = [cluster.server("n2"), cluster.server("n3")];
    // Asked for a history file after n3 was told of n2, that is at the promotion, the archive does not answer.
    const release = join(n2.dataDir, "..", "release");
    const script = join(n2.dataDir, "..", "fetch");
    const told = `grep -q "port=${n2.port}" ${n3.dataDir}/postgresql.auto.conf`;
    writeFileSync(
      script,
      `#!/bin/sh\n${told} && while [ ! -e ${release} ]; do sleep 0.05; done\nexit 1\n`,
    );
    chmodSync(script, 0o755);
    await sql(n2, `ALTER SYSTEM SET restore_command = '${script}'`, "SELECT pg_reload_conf()");
    await cluster.server("n1").kill();

    const late = await operator.change(...failover, "--timeout", "4s");
    expect(late.report.outcome).toBe("incomplete");
    expect(late.report.findings.map((finding) => finding.message).join()).toMatch(/unknown/);
    expect(late.status).toBe(8);
    // Nobody who looks is told that all is well, or that n2 leads.
    const seen = await operator.ask("status");
    expect([seen.status, seen.report.topology?.primaries]).toEqual([1, []]);
    expect(alarmsIn(seen.report)).toContain("promotion-may-be-pending n2");
    const told1 = allSettings(cluster);

    const second = await operator.change(...failover, "--to", "n3");
    expect(second.report.findings).toMatchObject([
      { code: "promotion-may-be-pending", node: "n2" },
    ]);
    expect(second.status).toBe(5);
    const third = await operator.change("promote", "n3");
    expect(third.report.findings).toMatchObject([{ code: "promotion-may-be-pending", node: "n2" }]);
    expect(third.status).toBe(5);
    const again = await operator.change(...failover, "--timeout", "3s");
    expect(stepsIn(again.report)).toContain("failed promote n2");
    expect(again.status).toBe(8);
    expect(allSettings(cluster)).toEqual(told1);

    writeFileSync(release, "");
    await untilSees(cluster, ["n2"], { statement: "SELECT pg_is_in_recovery()", value: "false" });
    const found = await operator.change(...failover);
    expect(found.report.summary).toMatch(/^n2 leads at/);
    expect(found.status).toBe(0);
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });
  });
});
