// What is to be done about a copy that is kept by decoding on the standby (16+), and which copies are left over (13+): those whose
// original was dropped. A slot that somebody uses on the standby, or that is of another kind, is never touched.

import { isUnderHold } from "./catalog-holds.ts";
import type { CopyMark } from "./copy-mark.ts";
import { type KeptSlot, type SlotWish, wantedSlots } from "./kept-slots.ts";
import type { ReachedNode, Slot } from "./node.ts";
import { copyMarkOf } from "./proven-copy.ts";
import { majorOf, solePrimary, standbysOf } from "./structure.ts";
import type { Topology } from "./topology.ts";

export type CopyWork =
  | { readonly kind: "make" }
  /** Drop what is there and make it anew. */
  | { readonly kind: "remake" }
  /** Bring it to its consumer's position, and see that what it needs is held. */
  | { readonly kind: "advance" }
  /** Nothing that could be done; null: the judgement says why already. */
  | { readonly kind: "leave"; readonly why: string | null };

/** `mark`: what remaster.slots says of it. */
export function decideCopyWork(
  { slot, copy, node, against }: KeptSlot,
  mark: CopyMark | null,
): CopyWork {
  if (against?.of === "source") return { kind: "leave", why: null };
  if (copy === null) {
    return against?.of === "settings" ? { kind: "leave", why: null } : { kind: "make" };
  }
  const isOurs =
    copy.slotType === "logical" && copy.plugin === slot.plugin && copy.database === slot.database;
  if (!isOurs) return { kind: "leave", why: null };
  if (copy.synced === true) {
    return { kind: "leave", why: "the server still keeps it there as a failover slot" };
  }
  if (copy.active || copy.temporary) {
    return { kind: "leave", why: `somebody uses the slot of that name on ${node}` };
  }
  // Of a two-phase slot that was made and not proven it is not known which prepared transactions its consumer has already.
  const isUnsure = slot.twoPhase === true && mark?.heldFrom === null;
  if (!isPastMending(copy) && copy.twoPhase === slot.twoPhase && !isUnsure) {
    return { kind: "advance" };
  }
  return against?.of === "settings" ? { kind: "leave", why: null } : { kind: "remake" };
}

function isPastMending(copy: Slot): boolean {
  return (
    copy.invalidationReason !== null ||
    copy.conflicting === true ||
    copy.walStatus === "lost" ||
    copy.confirmedFlushLsn === null
  );
}

/** A copy of ours whose original is gone. */
export interface LeftCopy {
  readonly node: string;
  readonly copy: Slot;
  /** It was dropped under the primary that leads now; else it may have been lost when the lead changed. */
  readonly dropped: boolean;
}

/** Copies that slot-sync made or kept on standbys, and whose original is not on the primary any more. */
export function findLeftCopies(topology: Topology, wish: SlotWish): readonly LeftCopy[] {
  const primary = solePrimary(topology);
  if (primary === null) return [];
  const there = new Set(primary.slots.map(({ slotName }) => slotName));
  const wanted = wish.standbys ?? [];
  return standbysOf(topology)
    .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
    .flatMap((standby) =>
      wantedSlots(standby, wish.patterns ?? []).flatMap((copy) => {
        if (there.has(copy.slotName) || copy.active) return [];
        const dropped = wasDropped(primary, standby, copy);
        return dropped === null ? [] : [{ node: standby.name, copy, dropped }];
      }),
    );
}

/** Whether the original was there under this primary; null where the slot is no copy that we know of. Before 16 a mark is not
 * needed: what the hold of this timeline vouches for was a copy of a slot of this primary. */
function wasDropped(primary: ReachedNode, standby: ReachedNode, copy: Slot): boolean | null {
  // The server has it go the next time that it keeps its copies level (17+), and nobody else may drop it.
  if (copy.synced === true) return true;
  if (majorOf(standby) < 16) return isUnderHold(primary, standby, copy);
  const mark = copyMarkOf(standby, copy.slotName);
  return mark === null ? null : mark.timeline === primary.timeline;
}
