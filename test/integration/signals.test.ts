// Signals to a run: it stops at the next safe place, its status says what became of it, and its last lines are the very
// commands to type next.

import type { ChildProcess } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type CliReport, type Operator, operatorOf } from "../support/cli.ts";
import {
  allSettings,
  countRows,
  expectLed,
  makeRows,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestCluster, fewMajors } from "../support/cluster.ts";
import type { ProgramResult } from "../support/program.ts";

const failover = ["failover", "--primary-is-dead", "--to", "n2"] as const;

/** Runs a failover and acts once for each of these words, when they are first said. */
async function failOver(
  operator: Operator,
  acts: readonly (readonly [string, (child: ChildProcess) => unknown])[],
  more: readonly string[] = [],
): Promise<ProgramResult> {
  const begun: unknown[] = [];
  const result = await operator.run([...failover, "--yes", ...more], {
    onTalk: (child, stderr) => {
      const [said, act] = acts[begun.length] ?? [];
      if (said !== undefined && stderr.includes(said)) begun.push(act?.(child));
    },
  });
  await Promise.all(begun);
  expect(begun).toHaveLength(acts.length);
  return result;
}

/** A dead primary n1, and n2 cut off from n3, which has rows that n2 lacks: an exchange that does not end. */
async function stalling(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, standbys: 2 });
  await makeRows(cluster, "n1", 1);
  await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "1" });
  await cluster.cut("n2");
  await makeRows(cluster, "n1", 1000);
  await untilSees(cluster, ["n3"], { statement: countRows, value: "1001" });
  await cluster.server("n1").kill();
  return cluster;
}

const interrupt = (child: ChildProcess): boolean => child.kill("SIGINT");
const stopping = "stopping at the next safe place";

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("before the first change: 6, and the same command again", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await cluster.server("n1").freeze();
    const settings = allSettings(cluster);
    const { status, stderr } = await failOver(
      operator,
      [["waiting for the last message", interrupt]],
      ["--patience", "1h"],
    );
    expect(status).toBe(6);
    expect(stderr.split("\n").slice(-3)).toEqual([
      "",
      `next: remaster failover --to n2 --primary-is-dead --patience 1h --config ${operator.config}`,
      "",
    ]);
    expect(allSettings(cluster)).toEqual(settings);
  });

  test("before the point of no return: 7", async () => {
    await using cluster = await stalling(major);
    const operator = operatorOf(cluster);
    const settings = allSettings(cluster);
    const { status, stderr } = await failOver(operator, [["bring n2 what", interrupt]]);
    expect(status).toBe(7);
    expect(stderr).toContain(`SIGINT: ${stopping}\n`);
    expect(stderr).toContain("remaster: interrupted; what had been done was taken back\n");
    expect(stderr.split("\n").slice(-3)).toEqual([
      `next: remaster failover --to n2 --primary-is-dead --config ${operator.config}`,
      `next: remaster status --config ${operator.config}`,
      "",
    ]);
    expect(allSettings(cluster)).toEqual(settings);
  });

  test("behind it: 8, and the same command goes on", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await cluster.server("n1").kill();
    await cluster.cut("n3");
    const { status, stdout } = await failOver(
      operator,
      [["see them follow n2", (child) => child.kill("SIGTERM")]],
      ["--json"],
    );
    const report = JSON.parse(stdout) as CliReport;
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(report.next[0]).toBe(
      `remaster failover --to n2 --primary-is-dead --config ${operator.config}`,
    );
    expect(report.next).not.toContain(`remaster undo --config ${operator.config}`);
    expect(status).toBe(8);

    await cluster.join("n3");
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("a second one is borne, while a server that hangs keeps the undo from its end: 8", async () => {
    await using cluster = await stalling(major);
    const operator = operatorOf(cluster);
    const settings = allSettings(cluster);
    const { status, stderr } = await failOver(operator, [
      [
        "bring n2 what",
        (child) =>
          cluster
            .server("n3")
            .freeze()
            .then(() => interrupt(child)),
      ],
      [stopping, interrupt],
    ]);
    expect(stderr).toContain("still stopping; one more signal ends this at once");
    expect(stderr).toContain("remaster: interrupted, not finished");
    expect(stderr.split("\n").slice(-4)).toEqual([
      `next: remaster failover --to n2 --primary-is-dead --config ${operator.config}`,
      `next: remaster undo --config ${operator.config}`,
      `next: remaster status --config ${operator.config}`,
      "",
    ]);
    expect(status).toBe(8);

    await cluster.server("n3").thaw();
    expect(await operator.change("undo")).toMatchObject({ status: 0 });
    expect(allSettings(cluster)).toEqual(settings);
  });

  test("a third one ends it at once, and it says so: 8", async () => {
    await using cluster = await stalling(major);
    const operator = operatorOf(cluster);
    const settings = allSettings(cluster);
    const { status, stderr } = await failOver(operator, [
      [
        "bring n2 what",
        (child) =>
          cluster
            .server("n3")
            .freeze()
            .then(() => interrupt(child)),
      ],
      [stopping, interrupt],
      ["still stopping", interrupt],
    ]);
    expect(stderr).toMatch(
      /\nremaster: stopped at once: what was begun may be half done, and was not taken back\nnext: .*\nnext: remaster undo --config .*\n$/,
    );
    expect(status).toBe(8);

    await cluster.server("n3").thaw();
    const undone = await operatorOf(cluster, { desk: "other" }).change("undo");
    expect(undone.status, undone.report.summary).toBe(0);
    expect(allSettings(cluster)).toEqual(settings);
    await cluster.join("n2");
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
  });
});
