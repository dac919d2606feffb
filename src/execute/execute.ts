// Carries a plan out on real servers: gives the loop its world, its performers and its journal. An undo has a deadline
// of its own and is not interrupted: half an undo helps nobody.

import { setTimeout } from "node:timers/promises";
import type { Plan } from "../plan/plan.ts";
import type { ClusterLock } from "../postgres/cluster-lock.ts";
import type { Poolers } from "../postgres/poolers.ts";
import type { Sessions } from "../postgres/sessions.ts";
import type { Finding } from "../topology/finding.ts";
import type { AcceptedTimeline } from "../topology/accepted.ts";
import type { ClusterConfig } from "../topology/node.ts";
import type { Journal } from "./journal.ts";
import { limitSession } from "./limits.ts";
import { watchLock } from "./lock-watch.ts";
import { createPerformers } from "./performers.ts";
import { type ProgressEvent, type RunResult, runPlan } from "./run.ts";
import type { World } from "./world.ts";

export interface ExecuteOptions {
  readonly config: ClusterConfig;
  readonly sessions: Sessions;
  readonly poolers: Poolers;
  /** Held, for as long as nobody takes it. */
  readonly lock: ClusterLock;
  /** Closed by whoever opened it. */
  readonly journal: Journal;
  readonly invocation: Readonly<Record<string, unknown>>;
  /** The timeline that is the cluster's by the operator's word. */
  readonly accept: AcceptedTimeline | null;
  /** The operator's interrupt, not the end of the run's time. */
  readonly interrupt: AbortSignal;
  now(): number;
  remainingMs(): number;
  progress(event: ProgressEvent): void;
}

/** What an undo may take, milliseconds, however little the run had left. */
const undoMs = 10_000;

interface Limits {
  readonly signal: AbortSignal;
  remainingMs(): number;
}

function makeWorld(options: ExecuteOptions, limits: Limits, learned: Learned): World {
  const { config, sessions, poolers } = options;
  return {
    config,
    session: async (node) => limitSession(await sessions.session(node), () => limits.remainingMs()),
    sessionIn: (node, database) => sessions.sessionIn(node, database),
    console: (pooler) => poolers.console(pooler),
    consoleBeside: (pooler) => poolers.another(pooler),
    observe: (names) => sessions.observe(names ?? null, null),
    reached: () => sessions.reached(),
    lastSeen: (node) => sessions.lastSeen(node),
    control: async (node) => {
      if (node.control === null) return null;
      const { createControl } = await import("../host/control.ts");
      return createControl(node.control);
    },
    signal: limits.signal,
    now: () => options.now(),
    remainingMs: () => limits.remainingMs(),
    pause: async (ms) => {
      try {
        await setTimeout(ms, undefined, { signal: limits.signal });
      } catch (error) {
        if (!limits.signal.aborted) throw error;
      }
    },
    note: (finding) => {
      learned.findings.push(finding);
    },
    measured: (name, ms) => {
      learned.timings[name] = ms;
    },
    ends: (node) => {
      options.lock.expectEnd(node);
    },
  };
}

/** What performers tell beside their steps. */
interface Learned {
  readonly findings: Finding[];
  readonly timings: Record<string, number>;
}

/** Never throws for a server's sake. */
export async function executePlan(plan: Plan, options: ExecuteOptions): Promise<RunResult> {
  const learned: Learned = { findings: [], timings: {} };
  const watch = watchLock(options.lock);
  const world = makeWorld(
    options,
    {
      signal: AbortSignal.any([options.interrupt, watch.signal]),
      remainingMs: () => options.remainingMs(),
    },
    learned,
  );
  const result = await runPlan(plan, world, {
    performers: createPerformers(options),
    journal: options.journal,
    invocation: options.invocation,
    progress: (event) => {
      options.progress(event);
    },
    lockLost: () => options.lock.check(),
    undoWorld: () => {
      const endsAt = options.now() + undoMs;
      const limits = {
        signal: watch.signal,
        remainingMs: () => Math.max(0, endsAt - options.now()),
      };
      return makeWorld(options, limits, learned);
    },
  });
  await watch.stop();
  return {
    ...result,
    findings: [...result.findings, ...learned.findings],
    timings: { ...learned.timings, ...result.timings },
  };
}
