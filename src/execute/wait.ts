// Waiting for a condition: the only kind of waiting there is here. Time comes from the world.

import { LockLost } from "../postgres/cluster-lock.ts";
import { nextPause } from "../postgres/poll.ts";
import type { BoundStep, Holding } from "./performer.ts";
import type { World } from "./world.ts";

/** Why a wait ended without its condition. */
export type WaitEnd =
  | { readonly held: true; readonly detail: string | null }
  | {
      readonly held: false;
      readonly reason: "timeout" | "interrupted" | "hopeless";
      readonly why: string;
    };

/** A look that failed (a lost connection, say) is "not yet" with its reason: what the servers hold is asked again. */
async function look(step: BoundStep): Promise<Holding> {
  try {
    return await step.holds();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return error instanceof LockLost
      ? { holds: false, why, hopeless: true }
      : { holds: false, why };
  }
}

/** Polls until the step's goal holds, the deadline passes or the run is interrupted. Looks at least once. */
export async function waitUntilHolds(step: BoundStep, world: World): Promise<WaitEnd> {
  const began = world.now();
  const everyMs = step.nudge?.everyMs ?? 0;
  let nudgedAt = began + (step.nudge?.firstMs ?? everyMs) - everyMs;
  for (;;) {
    const holding = await look(step);
    if (holding.holds) return { held: true, detail: holding.detail };
    const { why } = holding;
    if (holding.hopeless === true) return { held: false, reason: "hopeless", why };
    if (world.signal.aborted) return { held: false, reason: "interrupted", why };
    if (world.remainingMs() === 0) return { held: false, reason: "timeout", why };
    const now = world.now();
    if (step.nudge !== null && now - nudgedAt >= nextPause(step.nudge.everyMs, now - began)) {
      nudgedAt = now;
      // A nudge only hurries what comes anyway; the next look tells whether the node is still there.
      await step.nudge.push().catch(() => undefined);
    }
    const pauseMs = nextPause(step.pollMs, world.now() - began);
    await world.pause(Math.min(pauseMs, world.remainingMs()));
  }
}
