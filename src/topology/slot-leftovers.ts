// What becomes of the logical slots of a former primary. Its consumers have their place on the new one; the slots stay where they
// were, and on 16 and later are copies for the way back, which the server invalidates where replay takes what they need.
// Others cannot serve: with the failover flag (17+) they keep the server from making copies of its own (synced is off), and
// before 16 nothing would tell that rows were vacuumed away on the new primary before it was told what to hold.

import { isAlive, isSameKind, wantedSlots } from "./kept-slots.ts";
import type { ReachedNode } from "./node.ts";
import { majorOf } from "./structure.ts";

/** Logical slots of the former primary whose consumers have their place on the new one. */
export function uselessCopies(former: ReachedNode, leader: ReachedNode): readonly string[] {
  const living = wantedSlots(leader, []).filter(isAlive);
  return wantedSlots(former, [])
    .filter(({ active, synced }) => !active && synced !== true)
    .filter((slot) => majorOf(former) < 16 || slot.failover === true)
    .filter((slot) =>
      living.some((other) => other.slotName === slot.slotName && isSameKind(other, slot)),
    )
    .map(({ slotName }) => slotName);
}
