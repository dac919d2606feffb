// The report: what every verb returns, and what --json prints on every exit but 2. A promise to scripts: fields are
// added, never changed. LSNs and big numbers are text, absent knowledge is null, durations are milliseconds.

import type { Outcome } from "../errors.ts";
import type { Ranking } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import type { KeptSlot } from "../topology/kept-slots.ts";
import type { Topology } from "../topology/topology.ts";
import type { RunRecord } from "./history.ts";
import type { Plan } from "./plan.ts";
import type { Step, StepState } from "./step.ts";

export interface StepResult {
  readonly step: Step;
  readonly required: boolean;
  readonly state: StepState;
  /** Duration in milliseconds. */
  readonly ms: number;
  /** It was asked for and not seen to be done, and cannot be called back: it may come true at any later time. */
  readonly unknown?: true;
  /** Why it failed or was skipped; what it left to be known (`position`, `timeline`) when done. One line, no secrets. */
  readonly detail: string | null;
}

export interface Report {
  readonly command: string;
  readonly cluster: string | null;
  readonly outcome: Exclude<Outcome, "usage">;
  readonly findings: readonly Finding[];
  /** The state of the cluster that the report speaks of: after the change, where there was one. */
  readonly topology?: Topology;
  readonly comparison?: Ranking;
  /** Each logical slot of the primary on each standby that may lead. */
  readonly slots?: readonly KeptSlot[];
  readonly plan?: Plan;
  readonly steps?: readonly StepResult[];
  /** Milliseconds by name, in the order they happened. */
  readonly timings?: Readonly<Record<string, number>>;
  /** The one word that --quiet prints; empty: nothing; null: the lines of `text`, or nothing where there are none. */
  readonly word: string | null;
  /** One sentence for people: what holds now. */
  readonly summary: string;
  /** What to do about it, where the outcome came from an error rather than from findings: one line. */
  readonly hint?: string;
  /** Commands to type next, most useful first. */
  readonly next?: readonly string[];
  /** Lines of a verb whose output is its own (a script, SQL): printed to stdout as they are, instead of the rendering. */
  readonly text?: readonly string[];
  /** The exit status in place of the outcome's: that of a command which was run for the operator. */
  readonly exitStatus?: number;
  /** Recorded runs, newest first. */
  readonly runs?: readonly RunRecord[];
  /** One recorded run, step by step. */
  readonly run?: RunRecord;
  /** Further JSON fields of one verb alone (rehearse, sandbox), plain JSON values. */
  readonly extra?: Readonly<Record<string, unknown>>;
}
