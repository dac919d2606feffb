// Keeps the physical slots that a standby holds for its siblings. The record of them (remaster.kept_slots) is written before one
// is made, and forgets one after it is gone: so that none is ever there of which nothing tells. A slot is moved on to what its
// sibling has flushed, as that was seen a moment ago, never past it; the server itself stops at what it has replayed.

import { planKeeping, type SlotKeeping } from "../plan/sibling-slots.ts";
import type { KeepSlotsStep } from "../plan/step.ts";
import type { Acted } from "../postgres/outcome.ts";
import type { Session } from "../postgres/session.ts";
import { alterMark, reload, resetMark } from "../postgres/settings.ts";
import { advanceSlot, dropSlot, ensureSlot } from "../postgres/slots.ts";
import { reachedNode } from "../topology/structure.ts";
import { buildTopology } from "../topology/topology.ts";
import { mustAct, mustFinish } from "./acting.ts";
import { NotDone, type Performer, Unfinished } from "./performer.ts";
import type { World } from "./world.ts";

async function lookAt({ node: name }: KeepSlotsStep, world: World) {
  const topology = buildTopology(world.config.name, await world.observe());
  const node = reachedNode(topology, name);
  if (node === null) throw new NotDone(`${name} cannot be reached`);
  return { node, keeping: planKeeping(topology, node) };
}

/** What is to be there, or not; that siblings get on meanwhile is nothing that can be waited for. */
function isSettled({ make, drop, record }: SlotKeeping): boolean {
  return make.length === 0 && drop.length === 0 && record === null;
}

async function writeRecord(session: Session, names: readonly string[]): Promise<Acted> {
  const written =
    names.length === 0
      ? await resetMark(session, "remaster.kept_slots")
      : await alterMark(session, "remaster.kept_slots", names.join(","));
  await reload(session);
  return written;
}

/** Gives what went wrong with it; null where nothing did. */
async function make(session: Session, slot: string): Promise<string | null> {
  const made = await ensureSlot(session, slot);
  return made.done ? null : made.refusal.message;
}

export function createKeepSlotsPerformer(): Performer<KeepSlotsStep> {
  const done = new Set<string>();
  return {
    pollMs: 20,

    async holds(step, world) {
      const { keeping } = await lookAt(step, world);
      const isLevel = keeping.advance.length === 0 || done.has(step.node);
      if (isSettled(keeping) && isLevel) return { holds: true, detail: null };
      return { holds: false, why: `slots for siblings of ${step.node} are not as they should be` };
    },

    async act(step, world) {
      const { node, keeping } = await lookAt(step, world);
      const session = await world.session(step.node);
      const before = node.keptSlots ?? [];
      const after = keeping.record ?? before;
      const all = [...new Set([...before, ...after])];
      if (all.length > before.length) mustAct(await writeRecord(session, all));
      const failures: string[] = [];
      for (const slot of keeping.make) {
        const failure = await make(session, slot);
        if (failure !== null) failures.push(failure);
      }
      for (const { slot, to } of keeping.advance) await advanceSlot(session, slot, to);
      for (const slot of keeping.drop) await dropSlot(session, slot);
      if (after.length < all.length) mustFinish(await writeRecord(session, after));
      done.add(step.node);
      if (failures.length > 0) throw new Unfinished(failures.join("; "));
    },
  };
}
