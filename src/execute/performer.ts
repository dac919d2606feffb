// The contract between the loop that carries plans out and the performers, one per kind of step.

import type { Step, StepOf, StepVerb } from "../plan/step.ts";
import type { World } from "./world.ts";

/** Whether a step's goal is true now. */
export type Holding =
  | { readonly holds: true; readonly detail: string | null }
  | {
      readonly holds: false;
      readonly why: string;
      /** True where waiting longer cannot help. */
      readonly hopeless?: true;
    };

/** The act had no effect, for certain: the run may be undone as if the step had not begun. */
export class NotDone extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "NotDone";
  }
}

/** The act ended for certain, short of its goal, and not without effect: waiting longer cannot help. */
export class Unfinished extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "Unfinished";
  }
}

interface Pace {
  readonly firstMs?: number;
  readonly everyMs: number;
}

export interface Performer<S extends Step> {
  /** Reads whether the goal is already true. Changes nothing. */
  holds(step: S, world: World): Promise<Holding>;
  /** Makes the one effect. Never called twice: a connection lost meanwhile means unknown. */
  act(step: S, world: World): Promise<void>;
  /** A harmless push while waiting (a reload), at most every `everyMs`, and ever more rarely as looks are; the first one after
   * `firstMs`. */
  readonly nudge?: Pace & { push(step: S, world: World): Promise<void> };
  /** Tidies up once the goal holds (settles a mark, drops a slot). Its failure is a finding, not the step's. */
  settle?(step: S, world: World): Promise<void>;
  /** Pause between two looks, milliseconds. */
  readonly pollMs: number;
}

/** One performer per kind of step: the compiler refuses a missing one. */
export type Performers = { readonly [V in StepVerb]: Performer<StepOf<V>> };

/** A step bound to its performer, so that the loop need not know kinds. */
export interface BoundStep {
  holds(): Promise<Holding>;
  act(): Promise<void>;
  settle(): Promise<void>;
  readonly nudge: (Pace & { push(): Promise<void> }) | null;
  readonly pollMs: number;
}

export function bindStep(performers: Performers, step: Step, world: World): BoundStep {
  // A verb indexes its own performer, which the compiler cannot follow through a union.
  const performer = performers[step.verb] as Performer<Step>;
  const { nudge } = performer;
  return {
    holds: () => performer.holds(step, world),
    act: () => performer.act(step, world),
    settle: () => performer.settle?.(step, world) ?? Promise.resolve(),
    nudge: nudge === undefined ? null : { ...nudge, push: () => nudge.push(step, world) },
    pollMs: performer.pollMs,
  };
}
