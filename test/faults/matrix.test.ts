// The fault matrix: every plan, struck at each of its acts by each kind of fault, then gone on with by another operator, or
// taken back by one. Whatever happens there is never more than one writable node, no row goes missing, the exit status says
// what is true, and the cluster comes to its goal in the end. The default run takes one act of each kind of the first plan; with
// REMASTER_FAULTS=all all of them.

import { describe, expect, test } from "vitest";
import { alarmsIn, type CliReport, type Operator, operatorOf } from "../support/cli.ts";
import { allSettings, countRows, expectLed, slotsOf, sql } from "../support/cluster-state.ts";
import { type TestCluster, testMajors } from "../support/cluster.ts";
import { type Fault, faultsOf, nodeOfAct, runStruck } from "./strike.ts";
import { stories, type Story } from "./stories.ts";
import { watchWriters } from "../support/writers.ts";

const everything = process.env["REMASTER_FAULTS"] === "all";
/** The oldest and the newest of a full run would say no more than these two. */
const majors = everything
  ? testMajors.filter((major) => [15, 18].includes(major))
  : testMajors.slice(-1);

/** The acts of a story's run that nobody disturbs; one of each kind will do by default. */
async function actsOf(story: Story, major: number): Promise<readonly string[]> {
  await using cluster = await story.start(major);
  const { acts, status, stdout } = await runStruck(cluster, { ...story, fault: null });
  if (status !== 0) throw new Error(`${story.name}: ${stdout}`);
  const struck = acts.filter((act) => story.acts?.test(act) !== false);
  if (everything) return struck;
  const first = new Map(struck.map((act) => [act.split(" ")[1], act]));
  return [...first.values()];
}

/** How it goes on after the fault: the verb once more, or `undo` first. */
const ways = ["again", "undo"] as const;
type Way = (typeof ways)[number];

interface Before {
  readonly settings: ReturnType<typeof allSettings>;
  readonly slots: Awaited<ReturnType<typeof slotsOf>>;
}

async function stateOf(cluster: TestCluster, story: Story): Promise<Before> {
  const names = cluster.servers
    .map(({ name }) => name)
    .filter((name) => !story.lost.includes(name));
  return { settings: allSettings(cluster), slots: await slotsOf(cluster, names) };
}

/** The server of the act is whole again. */
async function heal(cluster: TestCluster, { kind, act }: Fault): Promise<void> {
  const server = cluster.server(nodeOfAct(act));
  if (kind === "server-killed") await server.start();
  if (kind === "server-frozen") await server.thaw();
}

/** What the run said of itself is true. */
async function expectTruth(
  result: { readonly status: number | null; readonly stdout: string },
  { cluster, story, before }: { cluster: TestCluster; story: Story; before: Before },
): Promise<void> {
  if (result.status === null) return;
  const report = JSON.parse(result.stdout) as CliReport;
  expect([0, 5, 7, 8], report.summary).toContain(result.status);
  expect(report.exitCode).toBe(result.status);
  // All is as it should be, or what is not is named.
  const loose = ["not-settled", "step-failed", "slot-left"];
  const untidy = report.findings.some(({ code }) => loose.includes(code));
  if (result.status === 0 && !untidy) {
    await expectGoal(cluster, operatorOf(cluster, { desk: "truth", here: true }), story);
  }
  if (result.status === 8) expect(report.next.length).toBeGreaterThan(0);
  if (result.status === 7 || result.status === 5) {
    expect(await stateOf(cluster, story), report.summary).toEqual(before);
  }
}

async function expectGoal(cluster: TestCluster, operator: Operator, story: Story): Promise<void> {
  // A server that was killed in its promotion may come back as a primary on the timeline that it was on, and is named.
  const seen = alarmsIn((await operator.ask("status")).report);
  const brokenOff = seen.includes(`promotion-broken-off ${story.goal.by}`);
  await expectLed(cluster, operator, brokenOff ? { ...story.goal, timeline: 1 } : story.goal);
  expect(await sql(cluster.server(story.goal.by), countRows)).toEqual([String(story.rows)]);
  const open = Object.entries(allSettings(cluster)).filter(([name]) => name !== story.goal.fenced);
  expect(JSON.stringify(open)).not.toMatch(/remaster[/.]|false # /);
}

/** As before, but for the nodes that have another upstream by now, without any mark. */
function settled(cluster: TestCluster, { settles }: Story, before: Before, now: Before): Before {
  if (settles === undefined) return before;
  const { on } = settles;
  const port = `port=${cluster.server(on).port} `;
  const done = settles.nodes.filter((name) => {
    const text = JSON.stringify(now.settings[name]);
    return text.includes(port) && !/\/remaster\/|remaster-made/.test(text);
  });
  const settings = done.map((name) => [name, now.settings[name] ?? []] as const);
  return {
    settings: { ...before.settings, ...Object.fromEntries(settings) },
    slots: { ...before.slots, [on]: [...(before.slots[on] ?? []), ...done] },
  };
}

/** A slot on a server that is dead or frozen can only be named: whoever reads that types what was named with it. */
async function dropNamedSlots(
  operator: Operator,
  { status, stdout }: { readonly status: number | null; readonly stdout: string },
): Promise<void> {
  if (status === null) return;
  const { findings } = JSON.parse(stdout) as CliReport;
  for (const { code, hint } of findings) {
    if (code !== "slot-left") continue;
    const [, verb = "", ...words] = (hint ?? "").replaceAll("`", "").split(" ");
    // Refused where the verb that went on has found a use for it.
    expect([0, 5], hint ?? "no hint").toContain((await operator.change(verb, ...words)).status);
  }
}

/** A node that an operator stopped and never started again can only be named, too. */
async function healNamed(operator: Operator, { findings }: CliReport): Promise<void> {
  for (const { code, hint } of findings) {
    const [line] =
      code === "node-unreachable" ? (/remaster heal [^`]+/.exec(hint ?? "") ?? []) : [];
    if (line === undefined) continue;
    const { status, report } = await operator.change(...line.split(" ").slice(1));
    expect(status, report.summary).toBe(0);
  }
}

/** Undo brings everything back to what it was, or refuses because a promotion is on its way. */
async function takeBack(
  operator: Operator,
  {
    cluster,
    story,
    before,
    lock,
    result,
  }: {
    cluster: TestCluster;
    story: Story;
    before: Before;
    lock: readonly string[];
    result: { readonly status: number | null; readonly stdout: string };
  },
): Promise<void> {
  const { status, report } = await operator.change("undo", ...lock);
  expect([0, 5], report.summary).toContain(status);
  const { by, timeline } = story.goal;
  const promoted = timeline > 1 && report.topology?.primaries.includes(by) === true;
  await dropNamedSlots(operator, result);
  if (status === 0 && !promoted) {
    const now = await stateOf(cluster, story);
    const said = JSON.stringify([report.summary, report.findings, report.steps]);
    expect(now, `${said}, after ${result.stdout}`).toEqual(settled(cluster, story, before, now));
  }
}

async function runCase(
  story: Story,
  { major, fault, way }: { major: number; fault: Fault; way: Way },
): Promise<void> {
  await using cluster = await story.start(major);
  const before = await stateOf(cluster, story);
  await using writers = watchWriters(cluster, story.lost);
  const result = await runStruck(cluster, { ...story, fault });
  expect(result.struck).toBe(true);
  await heal(cluster, fault);
  await expectTruth(result, { cluster, story, before });
  const other = operatorOf(cluster, { desk: "other", here: true });
  // No server was told that the network is gone: the lock is still there.
  const lock = fault.kind === "network-lost" ? ["--take-over"] : [];
  if (way === "undo") await takeBack(other, { cluster, story, before, lock, result });
  const { status, report } = await other.change(...story.words, ...lock);
  expect(status, JSON.stringify([report.summary, report.findings, report.steps])).toBe(0);
  await healNamed(other, report);
  if (way === "again") await dropNamedSlots(other, result);
  await expectGoal(cluster, other, story);
  expect(await writers.most()).toBeLessThanOrEqual(1);
}

const played = stories.filter(({ always }) => everything || always === true);

/** Both ways; by default now the one and now the other. */
function waysOf(index: number): readonly Way[] {
  return everything ? ways : ways.slice(index % 2, (index % 2) + 1);
}

for (const major of majors) {
  for (const story of played) {
    if (story.isFor?.(major) === false) continue;
    const acts = await actsOf(story, major);
    describe(`${story.name}, PostgreSQL ${major}`, () => {
      const cases = acts.flatMap((act, index) =>
        faultsOf(act)
          .filter((_, at, kinds) => everything || (at + index) % kinds.length === 0)
          .flatMap((kind) => waysOf(index).map((way) => ({ act, kind, way }))),
      );
      test.concurrent.each(cases)("$kind at `$act`, then $way", async ({ act, kind, way }) => {
        await runCase(story, { major, fault: { act, kind }, way });
      });
    });
  }
}
