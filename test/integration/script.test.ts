// A plan as a script does what the verb does: on two equal clusters one is changed by the verb, the other by its script,
// run as an operator would, and both must come out the same: who leads, who follows whom, settings, slots and rows.

import { describe, expect, test } from "vitest";
import { type Operator, operatorOf } from "../support/cli.ts";
import { allSettings, countRows, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, fewMajors } from "../support/cluster.ts";
import { runScript } from "../support/scripted.ts";
import { tearTails } from "../support/torn-tail.ts";

/** What two clusters have to have in common that went the same way: addresses by the node that answers there. */
async function shapeOf(cluster: TestCluster, operator: Operator): Promise<unknown> {
  const { report } = await operator.ask("status");
  const nodes = report.topology?.nodes.map((node) => ({
    name: node.name,
    role: node.role,
    timeline: node.timeline,
    upstream: node.upstream,
    streaming: node.streaming,
    marks: [node.quiesced, node.repointing === null],
    slots: node.slots.map(({ slotName, active }) => [slotName, active]),
  }));
  const rows: Record<string, readonly string[]> = {};
  for (const node of report.topology?.nodes ?? []) {
    if (node.reachable) rows[node.name] = await sql(cluster.server(node.name), countRows);
  }
  let settings = JSON.stringify(allSettings(cluster)).replaceAll(cluster.directory, "DIRECTORY");
  for (const { name, port } of cluster.servers) {
    settings = settings.replaceAll(String(port), `PORT-OF-${name}`);
  }
  return { nodes, rows, settings: JSON.parse(settings) as unknown };
}

interface Case {
  readonly words: readonly string[];
  readonly make: (major: number) => Promise<TestCluster>;
  /** Who leads in the end, and on which timeline: so that two runs that did nothing are not called equal. */
  readonly leader: readonly [string, number];
}

async function bothWays(major: number, { words, make, leader }: Case): Promise<void> {
  await using byVerb = await make(major);
  await using byScript = await make(major);
  const [one, other] = [operatorOf(byVerb), operatorOf(byScript)];
  expect(await shapeOf(byVerb, one)).toEqual(await shapeOf(byScript, other));

  const shown = await one.ask(...words, "--dry-run");
  const done = await one.change(...words);
  expect(done.report.plan?.stages).toEqual(shown.report.plan?.stages);
  expect(done.status, done.report.summary).toBe(0);
  const ran = await runScript(byScript, other, words);
  expect(ran.stderr).not.toContain("did not work");
  expect(ran.status, ran.stderr).toBe(0);

  // Replay of the last rows is not part of what either run waits for.
  await expect
    .poll(() => shapeOf(byScript, other), { timeout: 15_000, interval: 100 })
    .toEqual(await shapeOf(byVerb, one));
  const { report } = await other.ask("status");
  const [name, timeline] = leader;
  expect(report.topology?.primaries).toEqual(name === "nobody" ? [] : [name]);
  const seen = report.topology?.nodes.filter((node) => node.reachable);
  expect(new Set(seen?.map((node) => node.timeline))).toEqual(new Set([timeline]));
}

/** Rows that only the named standbys got, then the primary is killed. */
async function lose(cluster: TestCluster, ahead: readonly string[]): Promise<TestCluster> {
  const all = cluster.servers.map(({ name }) => name).filter((name) => name !== "n1");
  const behind = all.filter((name) => !ahead.includes(name));
  await makeRows(cluster, "n1", 10);
  await untilSees(cluster, all, { statement: countRows, value: "10" });
  if (behind.length > 0) await cluster.cut(...behind);
  await makeRows(cluster, "n1", 5000);
  await untilSees(cluster, ahead, { statement: countRows, value: "5010" });
  await cluster.server("n1").kill();
  if (behind.length > 0) await cluster.join(...behind);
  return cluster;
}

const failover = ["failover", "--primary-is-dead"];

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("failover with an exchange from a node that never leads", () =>
    bothWays(major, {
      words: failover,
      leader: ["n2", 2],
      make: async () => lose(await startCluster({ major, notPromotable: ["n4"] }), ["n4"]),
    }));

  test("failover with cascades and an archive", () =>
    bothWays(major, {
      words: [...failover, "--to", "n3"],
      leader: ["n3", 2],
      make: async () => {
        const settings = major >= 14 ? { restore_command: "exit 1" } : {};
        const cascade = { n4: "n2", n5: "n3" };
        return lose(await startCluster({ major, standbys: 4, settings, cascade }), ["n2", "n4"]);
      },
    }));

  test("failover with a torn tail to heal", () =>
    bothWays(major, {
      words: [...failover, "--to", "n2"],
      leader: ["n2", 2],
      make: async () => {
        const cluster = await startCluster({ major, standbys: 2 });
        await tearTails(cluster, { n2: "behind", n3: "torn" });
        return cluster;
      },
    }));

  test("quiesce", () =>
    bothWays(major, {
      words: ["quiesce"],
      leader: ["nobody", 1],
      make: async () => lose(await startCluster({ major, standbys: 2 }), ["n3"]),
    }));

  test("repoint --all", () =>
    bothWays(major, {
      words: ["repoint", "--all", "--to", "n3"],
      leader: ["n1", 1],
      make: async () => {
        const cluster = await startCluster({ major });
        await makeRows(cluster, "n1", 1);
        await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1" });
        return cluster;
      },
    }));

  test("undo", () =>
    bothWays(major, {
      words: ["undo"],
      leader: ["nobody", 1],
      make: async () => {
        const cluster = await lose(await startCluster({ major, standbys: 2 }), ["n2", "n3"]);
        const operator = operatorOf(cluster);
        await operator.change("quiesce", "n2");
        await operator.change("repoint", "n3", "--to", "n2", "--no-wait");
        return cluster;
      },
    }));
});
