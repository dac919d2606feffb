// The physical slots that a run makes for a node on its upstream to be, and their removal when the node is not to follow
// there after all: a slot that nobody uses holds WAL until the disk is full. One that was there before is left alone.

import type { Session } from "../postgres/session.ts";
import { dropSlot, ensureSlot, hasSlot, type SlotEnsured } from "../postgres/slots.ts";
import { waitFor } from "./acting.ts";
import { limitWorld } from "./limits.ts";
import type { MadeSlot, Memory } from "./memory.ts";
import type { Holding } from "./performer.ts";
import type { World } from "./world.ts";

/** A WAL sender goes on for some milliseconds after its receiver has ended, and a slot in use cannot be dropped. */
const releaseMs = 2000;

/** Makes sure that the slot is there, and keeps in mind where it was not. */
export async function makeSlot(
  node: string,
  slot: MadeSlot,
  { world, memory }: { readonly world: World; readonly memory: Memory },
): Promise<SlotEnsured> {
  const upstream = await world.session(slot.upstream);
  const before = memory.slots.get(node) ?? [];
  // Before anything is: where it is cut off, whether it was done is not known.
  memory.slots.set(node, [...before, slot]);
  const ensured = await ensureSlot(upstream, slot.slotName);
  if (!ensured.done || !ensured.made) memory.slots.set(node, before);
  return ensured;
}

/** Drops what `makeSlot` made for the node in this run. */
export async function dropMadeSlots(
  node: string,
  { world, memory }: { readonly world: World; readonly memory: Memory },
): Promise<void> {
  const made = memory.slots.get(node) ?? [];
  memory.slots.delete(node);
  for (const slot of made) {
    try {
      await untilDropped(slot, world);
    } catch (error) {
      const why = wordsOf(error);
      const { slotName, upstream } = slot;
      const left = `slot ${slotName} is left on ${upstream}`;
      const then = `\`remaster drop-slot ${upstream} --slot ${slotName}\` removes it`;
      throw new Error(`${left}, ${then}: ${why}`, { cause: error });
    }
  }
}

/** Waits for its sender to end, and drops it. Throws with the reason where it stays. */
export async function untilDropped(slot: MadeSlot, world: World): Promise<void> {
  const limited = limitWorld(world, releaseMs);
  await waitFor(() => dropped(slot, limited), limited, { pollMs: 5 });
}

/** Drops the slot where nobody uses it, and tells whether it is gone. A connection that is lost meanwhile is opened again
 * by the next look; where that fails, the node is gone. */
export async function dropped({ upstream, slotName }: MadeSlot, world: World): Promise<Holding> {
  let session: Session;
  try {
    session = await world.session(upstream);
  } catch (error) {
    return { holds: false, why: wordsOf(error), hopeless: true };
  }
  try {
    await dropSlot(session, slotName);
    if (!(await hasSlot(session, slotName))) return { holds: true, detail: null };
    return { holds: false, why: "it is in use" };
  } catch (error) {
    return { holds: false, why: wordsOf(error) };
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
