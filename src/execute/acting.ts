// What performers share: turning the postgres room's answers into the loop's, and waiting inside an act that has parts.

import { LockLost } from "../postgres/cluster-lock.ts";
import type { Acted } from "../postgres/outcome.ts";
import { nextPause } from "../postgres/poll.ts";
import { type Holding, NotDone, Unfinished } from "./performer.ts";
import type { World } from "./world.ts";

/** Throws NotDone where nothing was changed. */
export function mustAct(result: Acted): void {
  if (!result.done) throw new NotDone(result.refusal.message);
}

/** Throws where a part of an act that had begun was refused. */
export function mustFinish(result: Acted): void {
  if (!result.done) throw new Error(result.refusal.message);
}

/** A look that failed (a lost connection, say) is asked again; what was thrown to end the act ends it. */
function notYet(error: unknown): Holding {
  const isFinal = [NotDone, Unfinished, LockLost].some((kind) => error instanceof kind);
  if (isFinal) throw error;
  return { holds: false, why: error instanceof Error ? error.message : String(error) };
}

/** Polls a look until it holds; throws with its reason when time is up, the run is interrupted, or it never will. */
export async function waitFor(
  look: () => Promise<Holding>,
  world: World,
  options: {
    readonly pollMs: number;
    readonly nudge?: { readonly everyMs: number; push(): Promise<void> };
  },
): Promise<void> {
  const began = world.now();
  let nudgedAt = began;
  for (;;) {
    const found = await look().catch(notYet);
    if (found.holds) return;
    if (found.hopeless === true || world.signal.aborted || world.remainingMs() === 0) {
      throw new Error(found.why);
    }
    const now = world.now();
    const { nudge } = options;
    if (nudge !== undefined && now - nudgedAt >= nextPause(nudge.everyMs, now - began)) {
      nudgedAt = now;
      await nudge.push().catch(notYet);
    }
    const pauseMs = nextPause(options.pollMs, world.now() - began);
    await world.pause(Math.min(pauseMs, world.remainingMs()));
  }
}
