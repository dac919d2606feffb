// The same failover three ways: the verb, the script that it prints, and the primitive commands typed one by one. All of
// them lead to the same end, and what a script began that cannot go on can be taken back.

import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Operator, operatorOf } from "../support/cli.ts";
import {
  allSettings,
  countRows,
  expectLed,
  makeRows,
  slotsOf,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { entryPoint } from "../support/program.ts";

/** A dead primary n1; n3, which never leads, has rows that n2 and n4 lack, and these are cut off until joined. */
async function loseWithRowsOnOneAlone(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, notPromotable: ["n3"] });
  await makeRows(cluster, "n1", 1);
  await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1" });
  await cluster.cut("n2", "n4");
  await makeRows(cluster, "n1", 5000);
  await untilSees(cluster, ["n3"], { statement: countRows, value: "5001" });
  await cluster.server("n1").kill();
  return cluster;
}

/** Runs a POSIX shell script in which `remaster` is the built program. */
async function runScript(
  cluster: TestCluster,
  operator: Operator,
  text: string,
): Promise<{ readonly status: number | null; readonly talk: string }> {
  const bin = join(cluster.directory, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "remaster"), `#!/bin/sh\nexec ${process.execPath} ${entryPoint} "$@"\n`, {
    mode: 0o755,
  });
  const file = join(cluster.directory, "script.sh");
  writeFileSync(file, text);
  const child = spawn("sh", [file], {
    env: {
      ...operator.env,
      PATH: [bin, process.env["PATH"]].join(delimiter),
      HOME: "/nonexistent",
      REMASTER_CONFIG: operator.config,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let talk = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    talk += chunk;
  });
  return new Promise((resolve) => {
    child.on("close", (status) => {
      resolve({ status, talk });
    });
  });
}

const primitives = `
set -eu
position=$(remaster quiesce --quiet --yes)
candidate=$(remaster compare-lsn --quiet)
remaster exchange --to "$candidate" --yes
remaster repoint n3 n4 --to "$candidate" --no-wait --yes
remaster promote "$candidate" --require "$position" --yes
remaster repoint n3 n4 --to "$candidate" --yes
`;

const failover = ["failover", "--primary-is-dead"] as const;

type Way = (cluster: TestCluster, operator: Operator) => Promise<number | null>;

const ways: readonly (readonly [string, Way])[] = [
  ["the verb", async (_, operator) => (await operator.change(...failover)).status],
  [
    "its script",
    async (cluster, operator) => {
      const printed = await operator.run([...failover, "--script"]);
      const { status, talk } = await runScript(cluster, operator, printed.stdout);
      return talk.includes("did not work") ? -1 : status;
    },
  ],
  [
    "the primitives",
    async (cluster, operator) => (await runScript(cluster, operator, primitives)).status,
  ],
];

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test.each(ways)("%s loses nothing, and leaves nothing but the new upstream", async (_, way) => {
    await using cluster = await loseWithRowsOnOneAlone(major);
    await cluster.join("n2", "n4");
    const operator = operatorOf(cluster);
    const before = allSettings(cluster);
    expect(await way(cluster, operator)).toBe(0);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const moved = (name: string) =>
      (before[name] ?? []).map((line) => line.replace(`port=${n1.port}`, `port=${n2.port}`));
    expect(allSettings(cluster)).toEqual({ ...before, n3: moved("n3"), n4: moved("n4") });
    expect(await slotsOf(cluster, ["n2", "n3", "n4"])).toEqual({
      n2: ["n3", "n4"],
      n3: [],
      n4: [],
    });
    expect(await sql(n2, countRows)).toEqual(["5001"]);
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });
  });

  test("a script that cannot go on says how to take back what it began", async () => {
    await using cluster = await loseWithRowsOnOneAlone(major);
    const operator = operatorOf(cluster);
    const before = [allSettings(cluster), await slotsOf(cluster, ["n2", "n3", "n4"])];
    const printed = await operator.run([...failover, "--timeout", "4s", "--script"]);
    const { status, talk } = await runScript(cluster, operator, printed.stdout);
    expect(status).toBe(7);
    expect(talk).toContain("next: remaster undo");
    expect((await operator.change("undo")).status).toBe(0);
    expect([allSettings(cluster), await slotsOf(cluster, ["n2", "n3", "n4"])]).toEqual(before);
  });
});
