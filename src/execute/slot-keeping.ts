// Brings a standby's copies of logical slots level, each by the method that its server and its slot allow. One that cannot be
// copied holds up no other: what went wrong with it is told, and whether it is ready is judged by what the servers show then.

import type { SlotSyncStep } from "../plan/step.ts";
import { findKeptSlots, type KeptSlot, type SlotMethod } from "../topology/kept-slots.ts";
import type { Slot } from "../topology/node.ts";
import { findLeftCopies } from "../topology/standby-copy.ts";
import { solePrimary } from "../topology/structure.ts";
import { buildTopology } from "../topology/topology.ts";
import { dropLeftCopies } from "./copy-marks.ts";
import { dropObsoleteCopies, keepFailoverSlots } from "./failover-slots.ts";
import { type Holding, NotDone, type Performer } from "./performer.ts";
import { keepSlotFiles } from "./slot-files.ts";
import type { SlotKeeper } from "./slot-keeper.ts";
import { noteFailures, readyWorld, untilReady } from "./slots-ready.ts";
import { keepStandbySlots } from "./standby-slots.ts";
import type { World } from "./world.ts";

const keepers: Readonly<Record<SlotMethod, SlotKeeper>> = {
  "failover-slot": keepFailoverSlots,
  "standby-slot": keepStandbySlots,
  "slot-file": keepSlotFiles,
};

interface Look {
  /** Whose slots are meant is known. */
  readonly isLed: boolean;
  readonly kept: readonly KeptSlot[];
  /** Copies to be dropped. */
  readonly left: readonly Slot[];
}

/** How they stand now, by fresh looks at all nodes. */
async function look(step: SlotSyncStep, world: World): Promise<Look> {
  const topology = buildTopology(world.config.name, await world.observe());
  const wish = { standbys: [step.node], patterns: step.slots };
  const left = findLeftCopies(topology, wish).filter(({ dropped }) => dropped);
  return {
    isLed: solePrimary(topology) !== null,
    kept: findKeptSlots(topology, wish),
    left: left.map(({ copy }) => copy),
  };
}

function isLevel({ against, repeatBytes }: KeptSlot): boolean {
  return against === null && repeatBytes === 0n;
}

/** The pass is over once each slot was seen to; a slot that is not ready then is the report's to tell of. */
function outcome(kept: readonly KeptSlot[]): Holding {
  const ready = kept.filter(({ against }) => against === null).length;
  return { holds: true, detail: `${ready} of ${kept.length} ready` };
}

/** Gives those that stay, with the reason. */
async function dropLeft(
  node: string,
  left: readonly Slot[],
  world: World,
): Promise<readonly (readonly [string, string])[]> {
  const synced = left.filter((copy) => copy.synced === true).map(({ slotName }) => slotName);
  const others = left.filter((copy) => copy.synced !== true).map(({ slotName }) => slotName);
  await dropLeftCopies(node, others, world);
  const why = synced.length === 0 ? null : await dropObsoleteCopies(node, world);
  return why === null ? [] : synced.map((name) => [name, why] as const);
}

export function createSlotSyncPerformer(): Performer<SlotSyncStep> {
  const done = new Set<SlotSyncStep>();
  return {
    pollMs: 20,

    async holds(step, world) {
      const { isLed, kept, left } = await look(step, world);
      if (!isLed) return { holds: false, why: "no primary can be reached", hopeless: true };
      if ((kept.every(isLevel) && left.length === 0) || done.has(step)) return outcome(kept);
      return { holds: false, why: `copies on ${step.node} are not level` };
    },

    async act(step, world) {
      const { kept, left } = await look(step, world);
      const failures = new Map(await dropLeft(step.node, left, world));
      const [first] = kept;
      if (first === undefined && left.length === 0) {
        throw new NotDone("none of these slots is on the primary any more");
      }
      const works = (Object.keys(keepers) as SlotMethod[]).map(async (method) => {
        const slots = kept.filter((each) => each.method === method && !isLevel(each));
        if (first === undefined || slots.length === 0) return;
        const task = {
          standby: step.node,
          primary: first.primary,
          slots,
          allowRestart: step.allowRestart === true,
        };
        const limited = step.ready === undefined ? world : readyWorld(world);
        for (const [slot, why] of await keepers[method](task, limited)) failures.set(slot, why);
      });
      await Promise.all(works);
      if (step.ready === undefined) noteFailures(step.node, failures, world);
      else {
        const lookAgain = async () => (await look(step, world)).kept;
        await untilReady(step, { before: kept, failures, look: lookAgain }, world);
      }
      done.add(step);
    },
  };
}
