// What a verb may use of the outside world: lazy functions, so that help and version load no driver, and each verb
// loads what it needs. cli/context.ts wires the real ones.

import type { AcceptedTimeline } from "../topology/accepted.ts";
import type { RunRecord } from "../plan/history.ts";
import type { Plan } from "../plan/plan.ts";
import type { HookStep } from "../plan/step.ts";
import type { Report, StepResult } from "../plan/report.ts";
import type { Finding } from "../topology/finding.ts";
import type { FormerNode } from "../topology/former.ts";
import type { LastSeen } from "../topology/last-seen.ts";
import type { ClusterConfig, Observation, ReachedNode } from "../topology/node.ts";
import type { PoolerState } from "../topology/pooler.ts";
import type { WriterSurvey } from "../topology/writers.ts";
import type { Position } from "../wal/position.ts";
import type { SandboxApi } from "./sandbox-api.ts";

/** How a run of a plan ended. */
export interface Execution {
  /** `done`: every required step holds. `undone`, `incomplete`: as in the exit table. `declined`: interrupted before the first change. `refused`: the lock was lost before it. */
  readonly outcome: "done" | "undone" | "incomplete" | "declined" | "refused";
  readonly steps: readonly StepResult[];
  /** Best-effort steps that failed, and what the performers learned. */
  readonly findings: readonly Finding[];
  readonly timings: Readonly<Record<string, number>>;
}

/** `late`: somebody else may have changed something since the last look. */
export type LockAnswer =
  | { readonly kind: "held"; readonly late: boolean; readonly nodes: readonly string[] }
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

/** How a command ended that ran under the lock. */
export interface CommandEnd {
  /** As a shell tells it. */
  readonly exitStatus: number;
  /** Why it could not be run at all. */
  readonly notRun: string | null;
  /** The lock was lost meanwhile. */
  readonly lost: Finding | null;
}

/** Global options, as the verb may need them. */
export interface RunOptions {
  readonly dryRun: boolean;
  readonly script: boolean;
  readonly yes: boolean;
  /** The timeline that is the cluster's by the operator's word. */
  readonly acceptTimeline: AcceptedTimeline | null;
  /** Change servers beside another program that manages them. */
  readonly overrideManager: boolean;
  readonly verbose: boolean;
}

/** A question to the operator on the terminal (stderr). */
export interface Prompt {
  /** Yes or no; no is the default answer. A plan is shown before the question. */
  confirm(question: string, plan?: Plan): Promise<boolean>;
  /** True when the operator typed exactly `expected`. */
  type(question: string, expected: string): Promise<boolean>;
}

export interface Context {
  readonly options: RunOptions;
  /** Ends the run: an interrupt or the end of --timeout. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  now(): number;
  /** What is left of --timeout, in milliseconds. */
  remainingMs(): number;
  /** Waits, for a poll's pause; ends early with the run. */
  pause(ms: number): Promise<void>;
  /** Null when there is no terminal to ask on. */
  readonly prompt: Prompt | null;
  /** One line of talk on stderr: what is going on. Not shown with --quiet. */
  say(line: string): void;
  /** The topology file, or --dsn. Throws ConfigError. */
  cluster(): Promise<ClusterConfig>;
  /** All nodes (or the named ones) at once, each under its own time limit; connections stay open for the run. */
  observe(names?: readonly string[]): Promise<readonly Observation[]>;
  /** Who may write to the primary, sessions of these application names left out. */
  survey(node: string, spare: readonly string[]): Promise<WriterSurvey>;
  /** The first of these standbys that is on its way to lead though nothing that can be observed says so; null where none is. */
  findRival(standbys: readonly string[]): Promise<string | null>;
  /** Where the first record of a transaction begins behind that position in a primary's log; null where there is none. Throws
   * where the log cannot be read. */
  writtenPast(node: ReachedNode, from: Position): Promise<Position | null>;
  /** What the node's data directory holds, against the history of the one that it is to follow; null where the topology file
   * does not say where it is. */
  former(node: string, to: ReachedNode): Promise<FormerNode | null>;
  /** All poolers of the topology file at once; their consoles stay open for the run. */
  observePoolers(): Promise<readonly PoolerState[]>;
  /** What was seen of the cluster before, this run's looks at all nodes included; null where nothing was. */
  lastSeen(): Promise<LastSeen | null>;
  /** Takes the lock of the cluster on every node that lets us in, or nowhere; it is held until the run ends. */
  lock(): Promise<LockAnswer>;
  /** Runs a command of the operator's in our place at the terminal, under the lock; the deadline stands still. */
  runLocked(command: readonly string[]): Promise<CommandEnd>;
  /** Carry a plan out, under the lock: the only way a verb changes a server. */
  execute(plan: Plan): Promise<Execution>;
  /** Runs the hook for a plan that was begun and did not come to its end; gives what is to be said of it. */
  runFailureHook(step: HookStep): Promise<readonly Finding[]>;
  /** Command lines for the operator to type next, on the same cluster in the same place. */
  readonly typed: {
    /** This verb and what was given to it, but for what names the cluster and for the deadline. */
    readonly words: readonly string[];
    /** `--timeout` and its value, where it was given. */
    readonly timeout: readonly string[];
    /** This verb, with what was given to it. */
    readonly again: string;
    readonly command: (...words: readonly string[]) => string;
  };
  /** Recorded runs whose names begin so, newest first, of the cluster that the command line names if it names one. `more`:
   * the limit left others out. */
  history(wanted: { readonly limit: number | null; readonly prefix: string }): Promise<{
    readonly runs: readonly RunRecord[];
    readonly more: boolean;
    readonly directory: string;
  }>;
  /** The options that name this cluster on any other command line: `--config /srv/orders.toml`, as words. */
  clusterWords(): Promise<readonly string[]>;
  /** Throw-away servers on this machine. */
  sandbox(): Promise<SandboxApi>;
  /** Runs a verb on the cluster of another topology file, with a deadline of its own, as with --yes. */
  withConfig<T>(configFile: string, run: (context: Context) => Promise<T>): Promise<T>;
  /** Runs a pass every so many milliseconds until the operator interrupts, each with a deadline, a lock, sessions and looks of
   * its own, and tells what changed from one to the next. Gives the report of the one that was cut short, or of the end. */
  watch(everyMs: number, pass: (context: Context) => Promise<Report>): Promise<Report>;
  /** The completion script of a shell, line by line. */
  completionScript(shell: "bash" | "zsh" | "fish"): Promise<readonly string[]>;
}
