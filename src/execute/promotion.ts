// Promotes one node. The request is made once; what follows is looking, with a reload every 5 ms: a request that lands
// between the receiver's end and the startup process's retry wait would else sleep out wal_retrieve_retry_interval
// (5 s). Never answers "failed" for a promotion that was asked for: it may come any time later.

import type { PromoteStep } from "../plan/step.ts";
import { unpoint } from "../postgres/follow.ts";
import { readWritePosition, requestPromotion } from "../postgres/promote.ts";
import { giveBackRestoreCommand, unquiesce } from "../postgres/quiesce.ts";
import { reload } from "../postgres/settings.ts";
import { formatPosition } from "../wal/position.ts";
import { mustFinish } from "./acting.ts";
import { NotDone, type Performer } from "./performer.ts";
import type { World } from "./world.ts";

export const promotePerformer: Performer<PromoteStep> = {
  pollMs: 1,
  nudge: {
    everyMs: 5,
    push: async (step, world) => {
      await reload(await world.session(step.node));
    },
  },

  async holds(step, world) {
    const position = await readWritePosition(await world.session(step.node));
    return position === null
      ? { holds: false, why: `${step.node} is still in recovery` }
      : { holds: true, detail: formatPosition(position) };
  },

  async act(step, world) {
    const session = await world.session(step.node);
    // Without its restore_command it cannot see the archive's history files, and would take a timeline a second time.
    const released = await giveBackRestoreCommand(session, { timeoutMs: world.remainingMs() });
    if (!released.done) throw new NotDone(released.refusal.message);
    const refusal = await requestPromotion(session);
    if (refusal !== null) throw new NotDone(refusal.message);
  },

  /** On a primary the setting rests, but a mark left there would still it when it is a standby again. */
  async settle(step, world) {
    await clearMarks(step.node, world);
  },
};

async function clearMarks(node: string, world: World): Promise<void> {
  const session = await world.session(node);
  mustFinish(await unpoint(session, null));
  mustFinish(await unquiesce(session, { timeoutMs: 1000 }));
}
