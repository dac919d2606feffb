// Runs the operator's hooks: with the facts in their environment, each under its own limit and within what the run has left,
// their output in the journal. before_fence may say no; of the others nothing hangs on how they end. What a hook has done is
// not known, so it is never taken back, and never run again by the same step.

import { stepCommandLine } from "../plan/command-line.ts";
import { findUnfollowing } from "../plan/following.ts";
import { tellOfHook } from "../plan/hooks.ts";
import type { HookStep } from "../plan/step.ts";
import { readWritePosition } from "../postgres/promote.ts";
import type { AcceptedTimeline } from "../topology/accepted.ts";
import type { Finding } from "../topology/finding.ts";
import type { HookOutcome } from "../topology/hooks.ts";
import type { ClusterConfig } from "../topology/node.ts";
import { buildTopology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import { waitFor } from "./acting.ts";
import type { Journal } from "./journal.ts";
import { limitWorld } from "./limits.ts";
import { type Holding, NotDone, type Performer } from "./performer.ts";
import { secretsOf } from "./secrets.ts";
import type { World } from "./world.ts";

/** Where hooks run. */
export interface HookDesk {
  readonly config: ClusterConfig;
  readonly journal: Journal;
  /** The timeline that is the cluster's by the operator's word. */
  readonly accept: AcceptedTimeline | null;
}

/** What stands in no step. */
interface Told {
  readonly position: string | null;
  readonly outcome: HookOutcome | null;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Every name always, so that nothing of a run around this one shows through; empty where it is not known. */
function factsOf(step: HookStep, told: Told, { config, journal }: HookDesk) {
  const placeOf = (name: string | null) => {
    const address = config.nodes.find((node) => node.name === name)?.replication;
    const host = address === undefined ? "" : address.host || (address.hostaddr ?? "");
    return { host, port: address === undefined ? "" : String(address.port) };
  };
  const [before, after] = [placeOf(step.from), placeOf(step.node)];
  return {
    REMASTER_HOOK: step.hook,
    REMASTER_VERB: step.of,
    REMASTER_CLUSTER: config.name,
    REMASTER_OLD_PRIMARY: step.from ?? "",
    REMASTER_OLD_PRIMARY_HOST: before.host,
    REMASTER_OLD_PRIMARY_PORT: before.port,
    REMASTER_NEW_PRIMARY: step.node,
    REMASTER_NEW_PRIMARY_HOST: after.host,
    REMASTER_NEW_PRIMARY_PORT: after.port,
    REMASTER_POSITION: told.position ?? "",
    REMASTER_OUTCOME: told.outcome ?? "",
    REMASTER_RUN: journal.run ?? "",
  };
}

/** Runs it once. Gives why it did not end well, as `before_fence failed with status 3: not now`; null where it did. */
async function runOnce(step: HookStep, told: Told, desk: HookDesk): Promise<string | null> {
  const { config, journal } = desk;
  const hook = config.hooks?.[step.hook];
  if (hook === undefined) return `${step.hook} is not in the topology file`;
  const { timeoutMs, signal } = told;
  const { runHook } = await import("../host/hook.ts");
  const { failure, output } = await runHook({
    command: hook.command,
    facts: factsOf(step, told, desk),
    secrets: secretsOf(config),
    timeoutMs: Math.min(hook.timeoutMs, timeoutMs),
    ...(signal === undefined ? {} : { signal }),
  });
  journal.write({ event: "step-output", commandLine: stepCommandLine(step), output });
  return failure === null ? null : `${step.hook} ${failure}`;
}

/** Of what is left, where others are to come: they need their time too. */
const share = 1 / 2;

/** Less is no time to run a command in, milliseconds. */
const leastMs = 50;

function limitOf({ hook }: HookStep, world: World): number {
  const left = world.remainingMs();
  return hook === "after_finish" ? left : left * share;
}

/** Where the new primary takes writes; null where it cannot be asked. */
async function positionOf({ hook, node }: HookStep, world: World): Promise<string | null> {
  if (hook === "before_fence" || hook === "on_failure") return null;
  try {
    const position = await readWritePosition(await world.session(node));
    return position === null ? null : formatPosition(position);
  } catch {
    // It is told what is known.
    return null;
  }
}

/** How long what was seen to hold may need to be seen again, milliseconds: a settled setting has its receiver start anew. */
const settlingMs = 3_000;

/** What after_finish is to be told must be so. */
async function untilFinished(step: HookStep, world: World, desk: HookDesk): Promise<void> {
  const look = async (): Promise<Holding> => {
    const { name } = desk.config;
    const seen = await world.observe(world.reached());
    const topology = buildTopology(name, seen, { accept: desk.accept });
    if (!topology.primaries.includes(step.node)) {
      return { holds: false, why: `${step.node} does not lead` };
    }
    const astray = findUnfollowing(topology, step.node).filter(
      (standby) => !topology.strays.includes(standby),
    );
    if (astray.length === 0) return { holds: true, detail: null };
    return { holds: false, why: `not yet following ${step.node}: ${astray.join(", ")}` };
  };
  try {
    await waitFor(look, limitWorld(world, settlingMs), { pollMs: 50 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotDone(`${step.hook} was not run: ${why}`, { cause: error });
  }
}

export function createHookPerformer(desk: HookDesk): Performer<HookStep> {
  const ran = new Set<HookStep>();
  return {
    pollMs: 5,

    holds: (step) =>
      Promise.resolve(
        ran.has(step)
          ? { holds: true, detail: null }
          : { holds: false, why: `${step.hook} was not run` },
      ),

    async act(step, world) {
      if (step.hook === "after_finish") await untilFinished(step, world, desk);
      const timeoutMs = limitOf(step, world);
      if (timeoutMs < leastMs) throw new NotDone(`${step.hook} was not run: time is up`);
      const failure = await runOnce(
        step,
        {
          position: await positionOf(step, world),
          outcome: step.hook === "after_finish" ? "done" : (step.outcome ?? null),
          timeoutMs,
          signal: world.signal,
        },
        desk,
      );
      if (failure !== null) throw new NotDone(failure);
      ran.add(step);
    },
  };
}

/** Outside of any plan, at the end of a run that did not come to its goal: neither its deadline nor an interrupt counts any
 * more, only the hook's own limit. */
export async function runFailureHook(
  step: HookStep,
  desk: HookDesk & { now(): number },
): Promise<readonly Finding[]> {
  const { journal } = desk;
  const commandLine = stepCommandLine(step);
  const startedAt = desk.now();
  journal.write({ event: "step-began", commandLine });
  const outcome = step.outcome ?? "incomplete";
  const told = { position: null, outcome, timeoutMs: Number.POSITIVE_INFINITY };
  const why = await runOnce(step, told, desk);
  const [state, ms] = [why === null ? "done" : "failed", desk.now() - startedAt];
  journal.write({ event: "step-ended", commandLine, state, ms, detail: why });
  return why === null ? [] : [tellOfHook(step, { required: false, why })];
}
