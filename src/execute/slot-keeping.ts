// Brings a standby's copies of logical slots level, each by the method that its server and its slot allow. One that cannot be
// copied holds up no other: what went wrong with it is told, and whether it is ready is judged by what the servers show then.

import type { SlotSyncStep } from "../plan/step.ts";
import { findKeptSlots, type KeptSlot, type SlotMethod } from "../topology/kept-slots.ts";
import { buildTopology } from "../topology/topology.ts";
import { keepFailoverSlots } from "./failover-slots.ts";
import { type Holding, NotDone, type Performer } from "./performer.ts";
import { keepSlotFiles } from "./slot-files.ts";
import type { SlotKeeper } from "./slot-keeper.ts";
import { keepStandbySlots } from "./standby-slots.ts";
import type { World } from "./world.ts";

const keepers: Readonly<Record<SlotMethod, SlotKeeper>> = {
  "failover-slot": keepFailoverSlots,
  "standby-slot": keepStandbySlots,
  "slot-file": keepSlotFiles,
};

/** How they stand now, by fresh looks at all nodes. */
async function lookAtKept(step: SlotSyncStep, world: World): Promise<readonly KeptSlot[]> {
  const topology = buildTopology(world.config.name, await world.observe());
  return findKeptSlots(topology, { standbys: [step.node], patterns: step.slots });
}

function isLevel({ against, repeatBytes }: KeptSlot): boolean {
  return against === null && repeatBytes === 0n;
}

/** The pass is over once each slot was seen to; a slot that is not ready then is the report's to tell of. */
function outcome(kept: readonly KeptSlot[]): Holding {
  const ready = kept.filter(({ against }) => against === null).length;
  return { holds: true, detail: `${ready} of ${kept.length} ready` };
}

export function createSlotSyncPerformer(): Performer<SlotSyncStep> {
  const done = new Set<string>();
  return {
    pollMs: 20,

    async holds(step, world) {
      const kept = await lookAtKept(step, world);
      if (kept.every(isLevel) || done.has(step.node)) return outcome(kept);
      return { holds: false, why: `copies on ${step.node} are not level` };
    },

    async act(step, world) {
      const kept = await lookAtKept(step, world);
      const [first] = kept;
      if (first === undefined) throw new NotDone("none of these slots is on the primary any more");
      const works = (Object.keys(keepers) as SlotMethod[]).map(async (method) => {
        const slots = kept.filter((each) => each.method === method && !isLevel(each));
        if (slots.length === 0) return;
        const task = {
          standby: step.node,
          primary: first.primary,
          slots,
          allowRestart: step.allowRestart === true,
        };
        for (const [slot, why] of await keepers[method](task, world)) {
          world.note({
            code: "slot-not-synced",
            severity: "warning",
            node: step.node,
            message: `slot ${slot} could not be brought level on ${step.node}: ${why}`,
          });
        }
      });
      await Promise.all(works);
      done.add(step.node);
    },
  };
}
