// The six beats of every verb that changes servers: observe, decide, show, do, record, report. A verb brings its
// decision; showing and doing consume the plan that it gave, so that what is shown is what runs.

import { isDeepStrictEqual } from "node:util";
import { DeclinedError } from "../errors.ts";
import { checkGuards, withStrays } from "../plan/guards.ts";
import type { Decision, Plan } from "../plan/plan.ts";
import type { Report } from "../plan/report.ts";
import { refuseOn } from "../plan/request.ts";
import { formatAcceptedTimeline } from "../topology/accepted.ts";
import { renderScript } from "../plan/script.ts";
import type { Finding } from "../topology/finding.ts";
import { tellOfRival } from "../plan/pending.ts";
import { standbysOf } from "../topology/structure.ts";
import { buildTopology, type Topology } from "../topology/topology.ts";
import {
  alreadyReport,
  base,
  type Change,
  factsChanged,
  lockRefusal,
  refusalReport,
  summaryOf,
  withoutConsent,
} from "./change-report.ts";
import type { Context, Execution } from "./context.ts";

export async function observeTopology(context: Context): Promise<Topology> {
  const config = await context.cluster();
  const { acceptTimeline } = context.options;
  return buildTopology(config.name, await context.observe(), { accept: acceptTimeline });
}

/** How long a server may take to start, end or be streamed to anew until it counts as it is seen, milliseconds. */
const settlingServersMs = 5_000;

/** Until when it pays to look again where a server is not yet as it will be. */
export function untilServersSettle(context: Context): number {
  return context.now() + Math.min(settlingServersMs, context.remainingMs() / 2);
}

export function isAnyChanging({ nodes }: Topology): boolean {
  return [...nodes.values()].some((node) => !node.reachable && node.changing === true);
}

/** The topology once no server is about to start or to end: what an operator left a moment ago may not have come to its end. */
export async function settledTopology(first: Topology, context: Context): Promise<Topology> {
  const until = untilServersSettle(context);
  let topology = first;
  while (isAnyChanging(topology) && context.now() < until && !context.signal.aborted) {
    await context.pause(100);
    topology = await observeTopology(context);
  }
  return topology;
}

/** That no promotion was asked for takes two looks, one after the other. */
export async function decideOnTwoLooks(
  first: Topology,
  context: Context,
  decide: (topology: Topology) => Decision,
): Promise<Decision> {
  const decision = decide(first);
  if (decision.kind !== "plan") return decision;
  const second = await observeTopology(context);
  return unlessRival(decide(second), second, context);
}

/** What rests on nobody coming to lead is not done beside a standby whose promotion is under way. */
export async function unlessRival(
  decision: Decision,
  topology: Topology,
  context: Context,
): Promise<Decision> {
  if (decision.kind !== "plan") return decision;
  // One that is paused takes no request up, and asking it would end the pause.
  const asked = standbysOf(topology).filter(({ replay }) => replay !== "paused");
  const rival = await context.findRival(asked.map(({ name }) => name));
  return rival === null ? decision : (refuseOn([tellOfRival(rival)]) ?? decision);
}

/** The same with some of its nodes looked at anew. */
export async function lookAgainAt(
  topology: Topology,
  names: readonly string[],
  context: Context,
): Promise<Topology> {
  const looks = new Map((await context.observe(names)).map((node) => [node.name, node]));
  const nodes = [...topology.nodes.values()].map((node) => looks.get(node.name) ?? node);
  const { acceptTimeline } = context.options;
  return buildTopology(topology.cluster, nodes, { accept: acceptTimeline });
}

/** What an operator took upon himself for the whole of a run holds for each command of its script. */
function overrideWords({ options }: Context): readonly string[] {
  const { acceptTimeline, overrideManager } = options;
  return [
    ...(acceptTimeline === null
      ? []
      : ["--accept-timeline", formatAcceptedTimeline(acceptTimeline)]),
    ...(overrideManager ? ["--override-manager"] : []),
  ];
}

/** The verb's own decision, where nothing forbids changes of any kind. */
async function decide(change: Change, topology: Topology, context: Context): Promise<Decision> {
  const { overrideManager } = context.options;
  const against = refuseOn(checkGuards(topology, { verb: change.verb, overrideManager }));
  return against ?? withStrays(await change.decide(topology, context), topology);
}

async function shownReport(
  change: Change,
  topology: Topology,
  plan: Plan,
  context: Context,
): Promise<Report> {
  const { script } = context.options;
  const { words: verb, timeout } = context.typed;
  const shared = [...timeout, ...overrideWords(context)];
  const cluster = await context.clusterWords();
  const text = script ? renderScript(plan, { cluster, verb, shared }) : null;
  return {
    ...base(change, topology),
    outcome: "done",
    findings: plan.findings,
    plan,
    word: null,
    summary: "this is the plan; nothing was changed",
    ...(text === null ? {} : { text: text.trimEnd().split("\n") }),
  };
}

/** Asks, unless --yes: null to go on, else why not. */
async function consent(
  change: Change,
  plan: Plan,
  context: Context,
): Promise<Report["outcome"] | null> {
  if (context.options.yes) return null;
  if (context.prompt === null) return "refused";
  return (await context.prompt.confirm(change.question(plan), plan)) ? null : "declined";
}

function isInterrupted({ signal }: Context): boolean {
  return signal.aborted && signal.reason instanceof DeclinedError;
}

/** What to type where the run did not come to its goal, most useful first. */
function nextAfter(execution: Execution, plan: Plan, context: Context): readonly string[] {
  const { again, command } = context.typed;
  const status = command("status");
  const edge = plan.stages[plan.pointOfNoReturn ?? plan.stages.length];
  const passed = execution.steps.some(
    ({ step, state, unknown }) =>
      edge?.steps.some((planned) => planned.step === step) === true &&
      (state === "done" || state === "already" || unknown === true),
  );
  return execution.outcome !== "incomplete" || passed
    ? [again, status]
    : [again, command("undo"), status];
}

/** How long a goal that was seen to hold may need to be seen again, milliseconds: a settled setting has its receiver start
 * anew, and a look that falls between finds nobody streaming. */
const settlingMs = 3_000;

/** What falls short of the goal at the end, looked at until nothing does or the patience is over. */
async function settledShortfall(
  change: Change,
  before: Topology,
  context: Context,
): Promise<{ readonly after: Topology; readonly shortfall: readonly Finding[] }> {
  const until = context.now() + Math.min(settlingMs, context.remainingMs());
  for (;;) {
    const after = await observeTopology(context);
    const shortfall = change.shortfall?.(before, after) ?? [];
    if (shortfall.length === 0 || context.now() >= until || context.signal.aborted) {
      return { after, shortfall };
    }
    await context.pause(50);
  }
}

/** Where something was begun and is not done, the operator's own hook is told. */
async function tellOfFailure(
  { onFailure }: Plan,
  outcome: Execution["outcome"],
  context: Context,
): Promise<readonly Finding[]> {
  if (onFailure === undefined) return [];
  if (outcome !== "undone" && outcome !== "incomplete") return [];
  return context.runFailureHook({ ...onFailure, outcome });
}

async function carryOut(
  change: Change,
  before: Topology,
  plan: Plan,
  context: Context,
): Promise<Report> {
  const execution = await context.execute(plan);
  const held = execution.outcome === "done";
  const settled = held ? await settledShortfall(change, before, context) : null;
  const after = settled?.after ?? (await observeTopology(context));
  const late = execution.outcome === "incomplete" ? (change.shortfall?.(before, after) ?? []) : [];
  const shortfall = settled?.shortfall ?? late;
  const outcome = shortfall.length > 0 ? "incomplete" : execution.outcome;
  const told = await tellOfFailure(plan, outcome, context);
  return {
    ...base(change, after),
    outcome,
    findings: [...plan.findings, ...execution.findings, ...shortfall, ...told],
    plan,
    steps: execution.steps,
    timings: execution.timings,
    word: outcome === "done" || outcome === "incomplete" ? (change.word?.(after) ?? null) : null,
    summary: summaryOf(change, after, {
      ...execution,
      outcome,
      interrupted: isInterrupted(context),
    }),
    ...(outcome === "done" ? {} : { next: nextAfter(execution, plan, context) }),
  };
}

/** The operator may have read the question for long: what was said yes to must still be what would be planned. */
async function isStillThePlan(change: Change, plan: Plan, context: Context): Promise<boolean> {
  const decision = await decide(change, await observeTopology(context), context);
  return decision.kind === "plan" && isDeepStrictEqual(decision.plan.stages, plan.stages);
}

async function consentAndCarryOut(
  change: Change,
  topology: Topology,
  plan: Plan,
  context: Context,
): Promise<Report> {
  const stopped = await consent(change, plan, context);
  if (stopped !== null) return withoutConsent(change, topology, plan, stopped);
  if (!context.options.yes) {
    const lock = await context.lock();
    if (lock.kind === "refused") return lockRefusal(change, topology, lock.findings);
    if (!(await isStillThePlan(change, plan, context))) {
      const findings = [factsChanged];
      return refusalReport(change, topology, { kind: "refused", outcome: "refused", findings });
    }
  }
  return carryOut(change, topology, plan, context);
}

/** Where nobody will be asked, what is seen is seen under the lock: nobody else changes it any more. */
async function lookToChange(
  context: Context,
): Promise<{ readonly topology: Topology; readonly locked: readonly Finding[] }> {
  const { yes, dryRun, script } = context.options;
  const topology = await observeTopology(context);
  if (!yes || dryRun || script) return { topology, locked: [] };
  const lock = await context.lock();
  if (lock.kind === "refused") return { topology, locked: lock.findings };
  return { topology: lock.late ? await observeTopology(context) : topology, locked: [] };
}

export async function runChange(change: Change, context: Context): Promise<Report> {
  const { topology, locked } = await lookToChange(context);
  if (locked.length > 0) return lockRefusal(change, topology, locked);
  const decision = await decide(change, topology, context);
  switch (decision.kind) {
    case "refused":
      return refusalReport(change, topology, decision);
    case "already":
      return alreadyReport(change, topology, decision.findings, context);
    case "plan":
      break;
  }
  const { plan } = decision;
  const { dryRun, script } = context.options;
  if (dryRun || script) return shownReport(change, topology, plan, context);
  return consentAndCarryOut(change, topology, plan, context);
}
