// Taking back what an interrupted run left: by another operator, with no journal, from the marks on the nodes alone. What
// had been changed comes back to the very values, and the slots are the same set.

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { nodeIn, type Operator, operatorOf, stepsIn } from "../support/cli.ts";
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

const failover = ["failover", "--primary-is-dead"] as const;

/** What an undo has to bring back, of the standbys and the files of all. */
async function stateOf(cluster: TestCluster, names: readonly string[]) {
  return { settings: allSettings(cluster), slots: await slotsOf(cluster, names) };
}

/** A dead primary n1; n2 is cut off and lacks rows that n3 and n4 have; n4 names no slot. */
async function loseWithLaggard(major: number): Promise<TestCluster> {
  const settings = major >= 14 ? { restore_command: "exit 1" } : {};
  const cluster = await startCluster({ major, settings });
  await sql(
    cluster.server("n4"),
    "ALTER SYSTEM RESET primary_slot_name",
    "SELECT pg_reload_conf()",
  );
  await makeRows(cluster, "n1", 1);
  await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1" });
  await cluster.cut("n2");
  await makeRows(cluster, "n1", 20_000);
  await untilSees(cluster, ["n3", "n4"], { statement: countRows, value: "20001" });
  await cluster.server("n1").kill();
  return cluster;
}

async function killedAt(
  operator: Operator,
  kill: { readonly said: string; readonly laterMs: number },
): Promise<void> {
  const killing: Promise<unknown>[] = [];
  const result = await operator.run([...failover, "--to", "n2", "--yes"], {
    onTalk: (child, stderr) => {
      if (killing.length > 0 || !stderr.includes(kill.said)) return;
      killing.push(setTimeout(kill.laterMs).then(() => child.kill("SIGKILL")));
    },
  });
  await Promise.all(killing);
  expect(result.signal).toBe("SIGKILL");
}

const standbys = ["n2", "n3", "n4"];

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test.each([
    { said: "still every standby", laterMs: 0 },
    { said: "still every standby", laterMs: 25 },
    { said: "bring n2 what", laterMs: 0 },
    { said: "bring n2 what", laterMs: 300 },
  ])("of a failover killed $laterMs ms after `$said`", async (kill) => {
    await using cluster = await loseWithLaggard(major);
    const before = await stateOf(cluster, standbys);
    await killedAt(operatorOf(cluster), kill);

    const other = operatorOf(cluster, { desk: "other" });
    const shown = await other.ask("undo", "--dry-run");
    expect(shown.status).toBe(0);
    const { status, report } = await other.change("undo");
    expect(report.summary).toMatch(/no node that can be reached bears a mark$/);
    expect(report.findings).toMatchObject([{ code: "node-unreachable", node: "n1" }]);
    expect(status).toBe(0);
    expect(await stateOf(cluster, standbys)).toEqual(before);
    const again = await other.change("undo");
    expect([again.status, again.report.steps]).toEqual([0, undefined]);

    // The old primary is back after all: all is as if nobody had begun.
    await cluster.server("n1").start();
    await cluster.join("n2");
    await untilSees(cluster, standbys, { statement: countRows, value: "20001" });
    const { report: healthy } = await other.ask("status");
    expect(healthy.topology?.primaries).toEqual(["n1"]);
  });

  test("of standbys that were told of a node which was never asked to lead", async () => {
    await using cluster = await loseWithLaggard(major);
    await cluster.join("n2");
    const before = await stateOf(cluster, standbys);
    const operator = operatorOf(cluster);
    for (const words of [
      ["quiesce", "n2", "n3", "n4"],
      ["exchange", "--to", "n2"],
      ["repoint", "n3", "n4", "--to", "n2", "--no-wait"],
      ["quiesce", "n4"],
    ]) {
      expect(await operator.change(...words)).toMatchObject({ status: 0 });
    }
    expect((await slotsOf(cluster, ["n2"]))["n2"]).toEqual(["n3", "remaster_n4"]);

    const { status, report } = await operatorOf(cluster, { desk: "other" }).change("undo");
    expect(stepsIn(report)).toEqual([
      "done unquiesce n2",
      "done unquiesce n3",
      "done unquiesce n4",
      // A mark that tells of a slot goes when the slot has.
      "already drop-slot n2 --slot n3",
      "already drop-slot n2 --slot remaster_n4",
    ]);
    expect(status).toBe(0);
    expect(await stateOf(cluster, standbys)).toEqual(before);
    // n2 keeps the rows that it was given.
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["20001"]);
    expect(await operator.change(...failover, "--to", "n2")).toMatchObject({ status: 0 });
  });

  test("of what was written and never loaded", async () => {
    await using cluster = await startCluster({ major });
    const n3 = cluster.server("n3");
    const reset = "ALTER SYSTEM RESET primary_slot_name";
    await sql(n3, reset, "SELECT pg_reload_conf()");
    await cluster.server("n1").kill();
    const operator = operatorOf(cluster);
    const before = await stateOf(cluster, standbys);
    const loaded = await sql(n3, "SELECT current_setting('primary_conninfo')");
    // As an operator leaves it who dies between the last word and the reload, told of n2.
    expect(await operator.change("repoint", "n3", "--to", "n2", "--no-wait")).toMatchObject({
      status: 0,
    });
    const told = readFileSync(join(n3.dataDir, "postgresql.auto.conf"), "utf8");
    expect(await operator.change("unquiesce", "n3")).toMatchObject({ status: 0 });
    writeFileSync(join(n3.dataDir, "postgresql.auto.conf"), told);
    const make = "SELECT pg_create_physical_replication_slot('remaster_n3', true)";
    await sql(cluster.server("n2"), make);
    expect(await sql(n3, "SELECT current_setting('primary_conninfo')")).toEqual(loaded);
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: ["remaster_n3"] });

    const { status, report } = await operatorOf(cluster, { desk: "other" }).change("undo");
    expect(stepsIn(report)).toEqual([
      "done unquiesce n3",
      "already drop-slot n2 --slot remaster_n3",
    ]);
    expect(status).toBe(0);
    expect(await stateOf(cluster, standbys)).toEqual(before);
  });

  test("not once the node leads: the way is forward", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    await cluster.server("n1").kill();
    expect(await operator.change("quiesce", "n2", "n3", "n4")).toMatchObject({ status: 0 });
    const tell = ["repoint", "n3", "n4", "--to", "n2", "--no-wait"];
    expect(await operator.change(...tell)).toMatchObject({ status: 0 });
    await cluster.cut("n3");
    await sql(cluster.server("n2"), "SELECT pg_promote(true)");
    const { status, report } = await operator.change("undo");
    expect(report.findings).toMatchObject([
      { code: "promotion-done", node: "n2", hint: "finish it: the same verb once more" },
    ]);
    expect(status).toBe(5);
    expect(nodeIn(report, "n3").repointing).not.toBeNull();

    await cluster.join("n3");
    expect(await operator.change("failover")).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });
  });

  test.skipIf(major < 14)("not while a promotion may come true any time", async () => {
    await using cluster = await startCluster({ major, settings: { restore_command: "exit 1" } });
    const operator = operatorOf(cluster);
    const n2 = cluster.server("n2");
    const release = join(n2.dataDir, "..", "release");
    const script = join(n2.dataDir, "..", "fetch");
    // The archive does not answer once n3 was told, that is at the promotion.
    const told = `grep -q "port=${n2.port}" ${cluster.server("n3").dataDir}/postgresql.auto.conf`;
    const wait = `while [ ! -e ${release} ]; do sleep 0.05; done`;
    writeFileSync(script, `#!/bin/sh\n${told} && ${wait}\nexit 1\n`);
    chmodSync(script, 0o755);
    await sql(n2, `ALTER SYSTEM SET restore_command = '${script}'`, "SELECT pg_reload_conf()");
    await cluster.server("n1").kill();
    expect(await operator.change(...failover, "--timeout", "4s")).toMatchObject({ status: 8 });
    const before = await stateOf(cluster, standbys);

    const refused = await operator.change("undo");
    expect(refused.report.findings).toMatchObject([
      { code: "promotion-may-be-pending", node: "n2" },
    ]);
    expect(refused.status).toBe(5);
    expect(await stateOf(cluster, standbys)).toEqual(before);
    // Killed, the node has forgotten that it was asked, and nothing shows it any more: it stays refused.
    await n2.kill();
    expect((await operator.change("undo")).status).toBe(5);
    writeFileSync(release, "");
  });

  test("of a cascade that was about to be led elsewhere below a living primary", async () => {
    await using cluster = await startCluster({ major });
    const before = await stateOf(cluster, ["n1", ...standbys]);
    const operator = operatorOf(cluster);
    const tell = ["repoint", "n4", "--to", "n3", "--no-wait"];
    expect(await operator.change(...tell)).toMatchObject({ status: 0 });
    await untilSees(cluster, ["n3"], {
      statement: "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
      value: "1",
    });
    expect(await operator.change("undo")).toMatchObject({ status: 0 });
    await untilSees(cluster, ["n1"], {
      statement: "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
      value: "3",
    });
    expect(await stateOf(cluster, ["n1", ...standbys])).toEqual(before);
  });

  test("of a standby whose new upstream was settled and never loaded", async () => {
    await using cluster = await startCluster({ major });
    const n4 = cluster.server("n4");
    const before = await stateOf(cluster, ["n1", ...standbys]);
    const [base = ""] = await sql(n4, "SHOW primary_conninfo");
    const operator = operatorOf(cluster);
    const tell = ["repoint", "n4", "--to", "n3", "--no-wait"];
    expect(await operator.change(...tell)).toMatchObject({ status: 0 });
    const [from, to] = [cluster.server("n1").port, cluster.server("n3").port];
    const settled = base.replace(`port=${from} `, `port=${to} `).replaceAll("'", "''");
    await sql(n4, `ALTER SYSTEM SET primary_conninfo = '${settled}'`);

    const { status, report } = await operatorOf(cluster, { desk: "other" }).change("undo");
    expect([report.summary, status]).toEqual([expect.any(String), 0]);
    expect(await sql(n4, "SHOW primary_conninfo")).toEqual([base]);
    expect(await stateOf(cluster, ["n1", ...standbys])).toEqual(before);
  });
});
