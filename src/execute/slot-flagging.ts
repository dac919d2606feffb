// Gives a logical slot the failover flag (17+). Never waits for a consumer: one that holds the slot is named instead, and the
// slot stays as it is.

import type { SlotFailoverStep } from "../plan/step.ts";
import { readFlag, setFailoverFlag } from "../postgres/failover-flag.ts";
import { mustAct } from "./acting.ts";
import { NotDone, type Performer } from "./performer.ts";
import { nodeConfig } from "./world.ts";

/** The command itself takes a few; what is over it is somebody's who took the slot at that moment. */
const limitMs = 2_000;

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
    const heldBy = (await readFlag(session, slot))?.heldBy ?? null;
    if (heldBy !== null) throw new NotDone(`slot ${slot} is in use by ${heldBy}`);
    const timeoutMs = Math.max(100, Math.min(limitMs, world.remainingMs()));
    const { conninfo } = nodeConfig(world, node);
    mustAct(await setFailoverFlag(session, slot, { conninfo, timeoutMs }));
  },
};
