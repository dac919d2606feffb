// Drops a physical slot that nobody uses. One in use cannot be dropped; the sender of a standby that was just led away
// goes on for some milliseconds, so its end is waited for.

import type { DropSlotStep } from "../plan/step.ts";
import { hasSlot } from "../postgres/slots.ts";
import { waitFor } from "./acting.ts";
import { limitWorld } from "./limits.ts";
import type { Performer } from "./performer.ts";
import { dropped } from "./slots.ts";

/** For a sender to end, milliseconds. */
const releaseMs = 3_000;

export const dropSlotPerformer: Performer<DropSlotStep> = {
  pollMs: 5,

  async holds({ node, slot }, world) {
    const there = await hasSlot(await world.session(node), slot);
    return there
      ? { holds: false, why: `${node} has slot ${slot}` }
      : { holds: true, detail: null };
  },

  async act({ node, slot }, world) {
    const made = { upstream: node, slotName: slot };
    await waitFor(() => dropped(made, world), limitWorld(world, releaseMs), { pollMs: 5 });
  },
};
