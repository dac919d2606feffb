// The only loop that changes servers. Per step: does the goal hold already? If not, act once, then poll until it holds
// or time is up. Before the point of no return a failure or an interrupt undoes backwards by the same loop; after it
// the run stops and says how to go on. An act is never repeated: where its outcome is unknown, the servers are asked.

import { stepCommandLine } from "../plan/command-line.ts";
import { tellOfHook } from "../plan/hooks.ts";
import { outlineOf } from "../plan/history.ts";
import type { Plan, PlannedStep, Stage } from "../plan/plan.ts";
import { tellOfLeft } from "../plan/left-slots.ts";
import { tellOfUnresumed } from "../plan/poolers.ts";
import type { StepResult } from "../plan/report.ts";
import type { Step } from "../plan/step.ts";
import type { Finding } from "../topology/finding.ts";
import type { Journal } from "./journal.ts";
import { type BoundStep, bindStep, NotDone, type Performers, Unfinished } from "./performer.ts";
import { limitWorld } from "./limits.ts";
import { waitUntilHolds } from "./wait.ts";
import type { World } from "./world.ts";

export interface RunOptions {
  readonly performers: Performers;
  readonly journal: Journal;
  /** Who runs it, how it was typed: for the journal alone. */
  readonly invocation?: Readonly<Record<string, unknown>>;
  /** Told when a stage begins and when a step ended. */
  readonly progress: (event: ProgressEvent) => void;
  /** The world in which the undo runs: not interrupted, with its own deadline. */
  readonly undoWorld: () => World;
  /** Why the lock of the cluster is no longer ours; null while it is. Asked before each act. */
  readonly lockLost: () => Promise<Finding | null>;
}

export type ProgressEvent =
  | { readonly kind: "stage"; readonly stage: Stage; readonly index: number }
  | { readonly kind: "step"; readonly result: StepResult };

export interface RunResult {
  /** `refused`: the lock was lost before the first change. */
  readonly outcome: "done" | "undone" | "incomplete" | "declined" | "refused";
  readonly steps: readonly StepResult[];
  readonly findings: readonly Finding[];
  readonly timings: Readonly<Record<string, number>>;
}

/** How one step ended, and whether it may have changed anything. */
interface StepEnd {
  readonly result: StepResult;
  readonly undo: Step | null;
  readonly touched: boolean;
  readonly interrupted: boolean;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The goal holds: what is left is to tidy up, and a failure there takes nothing away from the goal. */
async function settleStep(bound: BoundStep, step: Step, world: World): Promise<void> {
  try {
    await bound.settle();
  } catch (error) {
    world.note({
      code: "not-settled",
      severity: "warning",
      node: step.node,
      message: `${step.verb} of ${step.node} holds, but was not tidied up: ${text(error)}`,
      hint: "see `remaster status`",
    });
  }
}

async function performStep(
  planned: PlannedStep,
  world: World,
  options: RunOptions,
): Promise<StepEnd> {
  const { step, required } = planned;
  const commandLine = stepCommandLine(step);
  const startedAt = world.now();
  const end = (
    state: StepResult["state"],
    detail: string | null,
    flags: { touched: boolean; interrupted?: boolean },
  ): StepEnd => {
    const ms = world.now() - startedAt;
    const unknown = step.verb === "promote" && state === "failed" && flags.touched;
    const result = { step, required, state, ms, detail, ...(unknown ? { unknown } : {}) };
    options.journal.write({ event: "step-ended", commandLine, state, ms: result.ms, detail });
    options.progress({ kind: "step", result });
    return {
      result,
      undo: planned.undo,
      touched: flags.touched,
      interrupted: flags.interrupted ?? false,
    };
  };

  options.journal.write({ event: "step-began", commandLine });
  const bound = bindStep(options.performers, step, world);
  try {
    const before = await bound.holds();
    if (before.holds) {
      await settleStep(bound, step, world);
      return end("already", before.detail, { touched: false });
    }
    if (before.hopeless === true) return end("failed", before.why, { touched: false });
  } catch (error) {
    return end("failed", text(error), { touched: false });
  }
  const lost = await options.lockLost();
  if (lost !== null) return end("failed", lost.message, { touched: false });
  let unknown: string | null = null;
  try {
    await bound.act();
  } catch (error) {
    if (error instanceof NotDone) return end("failed", error.message, { touched: false });
    if (error instanceof Unfinished) return end("failed", error.message, { touched: true });
    unknown = text(error);
    // The act may or may not have had its effect: only the servers can tell, so look for as long as there is time.
  }
  const wait = await waitUntilHolds(bound, world);
  if (wait.held) {
    await settleStep(bound, step, world);
    return end("done", wait.detail, { touched: true });
  }
  const why = unknown === null ? wait.why : `${unknown}; ${wait.why}`;
  const detail = wait.reason === "timeout" ? `time is up: ${why}` : why;
  return end("failed", detail, { touched: true, interrupted: wait.reason === "interrupted" });
}

/** What a best-effort step may take while others are to come: a node that went away must not use up the time that they
 * need. Milliseconds, and a share of what is left. */
const bestEffort = { ms: 3_000, share: 1 / 4 };

function bestEffortWorld(world: World): World {
  return limitWorld(world, Math.min(bestEffort.ms, world.remainingMs() * bestEffort.share));
}

/** What cannot be taken back is not begun with less time than this: its outcome could only be unknown. Milliseconds. */
const noReturnMs = 250;

function notBegun({ step, required, undo }: PlannedStep): StepEnd {
  const detail = "time was up before it was begun";
  const result = { step, required, state: "failed", ms: 0, detail } as const;
  return { result, undo, touched: false, interrupted: false };
}

function isHook({ step }: PlannedStep): boolean {
  return step.verb === "hook";
}

/** One stage, its steps side by side. */
function performStage(
  stage: Stage,
  world: World,
  options: RunOptions & { readonly isEdge: boolean; readonly isLast: boolean },
): Promise<readonly StepEnd[]> {
  if (options.isEdge && world.remainingMs() < noReturnMs) {
    return Promise.resolve(stage.steps.map(notBegun));
  }
  const works = stage.steps.map((planned) => {
    // A hook has a limit of its own.
    const patient = planned.required || options.isLast || stage.always === true || isHook(planned);
    return performStep(planned, patient ? world : bestEffortWorld(world), options);
  });
  return Promise.all(works);
}

/** Takes back, last first, what the run did itself. What held already before the run is left as it was. */
async function undoSteps(
  ends: readonly StepEnd[],
  options: RunOptions,
): Promise<{ readonly results: readonly StepResult[]; readonly slotsLeft: boolean }> {
  let slotsLeft = false;
  const whole = options.undoWorld();
  const world: World = {
    ...whole,
    note: (finding) => {
      slotsLeft ||= finding.code === "slot-left";
      whole.note(finding);
    },
  };
  const results: StepResult[] = [];
  for (const { result, undo, touched } of ends.toReversed()) {
    if (undo === null || !touched) {
      results.unshift(result);
      continue;
    }
    const undone = await performStep({ step: undo, required: true, undo: null }, world, options);
    const took = undone.result.state === "done" || undone.result.state === "already";
    results.unshift({
      ...result,
      state: took ? "undone" : "failed",
      detail: took ? result.detail : `not undone: ${undone.result.detail ?? "reason unknown"}`,
    });
  }
  return { results, slotsLeft };
}

function skipped(stages: readonly Stage[]): StepResult[] {
  return stages.flatMap((stage) =>
    stage.steps.map(({ step, required }) => ({
      step,
      required,
      state: "skipped" as const,
      ms: 0,
      detail: null,
    })),
  );
}

/** The stages that are left, skipped but for those that are done in any case. */
async function performRest(
  stages: readonly Stage[],
  options: RunOptions & { readonly isHeld: boolean },
): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  for (const stage of stages) {
    if (stage.always !== true || !options.isHeld) {
      results.push(...skipped([stage]));
      continue;
    }
    const ends = await performStage(stage, options.undoWorld(), {
      ...options,
      isEdge: false,
      isLast: true,
    });
    results.push(...ends.map(({ result }) => result));
  }
  return results;
}

function failureFindings(steps: readonly StepResult[]): Finding[] {
  return steps.filter((result) => result.state === "failed").map(failureFinding);
}

/** What is done and over: nothing stays that would have to be taken back. */
function leavesNothing({ step }: StepResult): boolean {
  return ["checkpoint", "slot-sync", "resume", "hook"].includes(step.verb);
}

function failureFinding({ step, required, unknown, detail }: StepResult): Finding {
  const { node, verb } = step;
  const why = detail ?? "reason unknown";
  if (unknown === true) {
    return {
      code: "promotion-unknown",
      severity: "problem",
      node,
      message: `${node} was asked to promote itself, and whether it does is unknown: ${why}`,
      hint: `promote no other node; once ${node} answers, run the same verb again, which goes on with it`,
    };
  }
  if (step.verb === "drop-slot" && !required) return tellOfLeft(step, why);
  if (step.verb === "resume") return tellOfUnresumed(step, why);
  if (step.verb === "hook") return tellOfHook(step, { required, why });
  return {
    code: "step-failed",
    severity: required ? "problem" : "warning",
    node,
    message: `${verb} of ${node} failed: ${why}`,
  };
}

function reachedGoal({ result }: StepEnd): boolean {
  return result.state === "done" || result.state === "already";
}

/** Carries a plan out. Never throws for a server's sake; the result says what holds. */
export async function runPlan(plan: Plan, world: World, options: RunOptions): Promise<RunResult> {
  const ends: StepEnd[] = [];
  const timings: Record<string, number> = {};
  const startedAt = world.now();
  let lost: Finding | null = null;
  const finish = (
    outcome: RunResult["outcome"],
    steps: readonly StepResult[],
    causes: readonly StepResult[] = [],
  ): RunResult => {
    timings["total"] = world.now() - startedAt;
    options.journal.write({ event: "run-ended", outcome, timings });
    // What failed for want of the lock is said once.
    const failed = [...causes, ...steps].filter(({ detail }) => detail !== lost?.message);
    const findings = [...(lost === null ? [] : [lost]), ...failureFindings(failed)];
    return { outcome, steps, findings, timings };
  };

  options.journal.write({ event: "run-began", ...options.invocation, plan: outlineOf(plan) });
  for (const [index, stage] of plan.stages.entries()) {
    const beforeReturn = plan.pointOfNoReturn === null || index < plan.pointOfNoReturn;
    const stageStartedAt = world.now();
    const isEnd = index === plan.stages.length - 1;
    const isLast = plan.stages.slice(index + 1).every(({ steps }) => steps.every(isHook));
    let stageEnds: readonly StepEnd[] = [];
    if (!world.signal.aborted) {
      options.progress({ kind: "stage", stage, index });
      const isEdge = index === plan.pointOfNoReturn;
      stageEnds = await performStage(stage, world, { ...options, isEdge, isLast });
      ends.push(...stageEnds);
      const verb = stage.steps[0]?.step.verb ?? "nothing";
      timings[`${String(index + 1)}-${verb}`] = world.now() - stageStartedAt;
    }
    lost = await options.lockLost();
    const unheld = lost !== null && !(isEnd && stageEnds.every(reachedGoal));
    const failed = stageEnds.filter((end) => end.result.required && end.result.state === "failed");
    if (failed.length === 0 && !world.signal.aborted && !unheld) continue;

    const left = plan.stages.slice(stageEnds.length === 0 ? index : index + 1);
    const rest = skipped(left);
    const results = ends.map((end) => end.result);
    const changed = ends.some((end) => end.touched);
    // Whoever has the lock now may have built on what was done here: it is not taken back under their hands.
    if (unheld) return finish(changed ? "incomplete" : "refused", [...results, ...rest]);
    // The promotion itself is the point of no return, but one that had no effect for certain can still be undone.
    const returnable = beforeReturn || stageEnds.every((end) => !end.touched);
    const passed = plan.pointOfNoReturn !== null && index > plan.pointOfNoReturn;
    if (passed || !returnable) {
      const done = await performRest(left, { ...options, isHeld: lost === null });
      return finish("incomplete", [...results, ...done]);
    }
    if (!changed && world.signal.aborted) return finish("declined", [...results, ...rest]);
    const { results: undone, slotsLeft } = await undoSteps(ends, options);
    // What has no undo stays as it was done, and the outcome must not hide it.
    const complete =
      !slotsLeft &&
      ends.every(
        ({ touched, undo, result }) => !touched || undo !== null || leavesNothing(result),
      ) &&
      undone.every((result) => result.detail === null || !result.detail.startsWith("not undone"));
    // Taken back, a step no longer says that it was the one that failed.
    const causes = failed.map((end) => end.result).filter((cause) => !undone.includes(cause));
    return finish(complete ? "undone" : "incomplete", [...undone, ...rest], causes);
  }
  return finish(
    "done",
    ends.map((end) => end.result),
  );
}
