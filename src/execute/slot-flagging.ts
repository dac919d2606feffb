// Gives a logical slot the failover flag (17+). One who reads from it for a moment is waited for; a consumer that holds on to it
// is named instead, with what ends that, and the slot stays as it is.

import type { SlotFailoverStep } from "../plan/step.ts";
import { readFlag, setFailoverFlag } from "../postgres/failover-flag.ts";
import { howToPause } from "../plan/slot-failover.ts";
import { mustAct, waitFor } from "./acting.ts";
import { limitWorld } from "./limits.ts";
import { type Holding, NotDone, type Performer } from "./performer.ts";
import { nodeConfig } from "./world.ts";

/** For one who reads in turns to let go, milliseconds. */
const patienceMs = 1_000;
/** For the command itself; what is over a few is somebody's who took the slot at that moment. */
const limitMs = 1_000;

export const slotFailoverPerformer: Performer<SlotFailoverStep> = {
  pollMs: 5,

  async holds({ node, slot }, world) {
    const state = await readFlag(await world.session(node), slot);
    if (state === null) {
      return { holds: false, why: `${node} has no logical slot ${slot}`, hopeless: true };
    }
    return state.failover
      ? { holds: true, detail: null }
      : { holds: false, why: `slot ${slot} of ${node} has not got the flag` };
  },

  async act({ node, slot }, world) {
    const session = await world.session(node);
    const isFree = async (): Promise<Holding> => {
      const { plugin = null, heldBy = null } = (await readFlag(session, slot)) ?? {};
      if (heldBy === null) return { holds: true, detail: null };
      const pause = howToPause({ plugin, slotName: slot, heldBy });
      return { holds: false, why: `slot ${slot} is in use by ${heldBy}: ${pause}` };
    };
    await waitFor(isFree, limitWorld(world, patienceMs), { pollMs: 2 }).catch((error: unknown) => {
      throw new NotDone(error instanceof Error ? error.message : String(error), { cause: error });
    });
    const timeoutMs = Math.max(100, Math.min(limitMs, world.remainingMs()));
    const { conninfo } = nodeConfig(world, node);
    mustAct(await setFailoverFlag(session, slot, { conninfo, timeoutMs }));
  },
};
