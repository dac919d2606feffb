// A plan: stages of steps, decided by a pure function from a Topology and a request. What is shown is what runs.

import type { Finding } from "../topology/finding.ts";
import type { Guarantee } from "./guarantee.ts";
import type { HookStep, Step } from "./step.ts";

export interface PlannedStep {
  readonly step: Step;
  /** A required step that fails stops the run; a best-effort one becomes a finding. */
  readonly required: boolean;
  /** The step that takes it back while that can still be done; null where there is nothing to take back, or no way. */
  readonly undo: Step | null;
}

/** One verb on one or several nodes, done side by side. All steps of a stage differ in their node alone. */
export interface Stage {
  /** Why the stage is there: printed by a dry run, a comment in a script. */
  readonly reason: string;
  readonly steps: readonly PlannedStep[];
  /** Done even where the run stops behind the point of no return: somebody is kept waiting for it. */
  readonly always?: true;
}

export interface Plan {
  readonly format: 1;
  /** The verb that made it. */
  readonly verb: string;
  readonly stages: readonly Stage[];
  /** Index of the first stage that cannot be undone; null when all can. */
  readonly pointOfNoReturn: number | null;
  /** Milliseconds since 1970: the oldest observation that the plan rests on. */
  readonly observedAt: number;
  /** What the operator should know before saying yes. */
  readonly findings: readonly Finding[];
  /** What it promises about acknowledged commits; absent where the verb decides nothing about them. */
  readonly guarantee?: Guarantee;
  /** Run where something was begun and did not come to its end; absent where there is no such hook. */
  readonly onFailure?: HookStep;
}

/** A decision: a plan, nothing to do, or a refusal with its reasons (at least one finding). */
export type Decision =
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "already"; readonly findings: readonly Finding[] }
  | {
      readonly kind: "refused";
      readonly outcome: "refused" | "unreachable";
      readonly findings: readonly Finding[];
    };
