// The slots that matter in a tree: logical ones, whose consumers a failover must not lose, and those that hold WAL for
// nobody or have lost it. A physical slot with its standby on it is how it should be, and is not shown.

import type { Observation, Slot } from "../topology/node.ts";
import { formatLsn } from "../wal/lsn.ts";

export interface SlotNote {
  readonly text: string;
  /** Its WAL is lost, or about to be. */
  readonly failing: boolean;
}

export function slotNotes(node: Observation): readonly SlotNote[] {
  if (!node.reachable) return [];
  return node.slots
    .filter(matters)
    .map((slot) => ({ text: noteOf(slot), failing: isFailing(slot) }));
}

function matters(slot: Slot): boolean {
  if (slot.temporary) return false;
  return slot.slotType === "logical" || !slot.active || isFailing(slot);
}

function isFailing(slot: Slot): boolean {
  return (
    slot.invalidationReason !== null || slot.walStatus === "lost" || slot.walStatus === "unreserved"
  );
}

function noteOf(slot: Slot): string {
  const lsn = slot.slotType === "logical" ? slot.confirmedFlushLsn : slot.restartLsn;
  const at = lsn === null ? [] : [`at ${formatLsn(lsn)}`];
  return [
    `slot ${slot.slotName}: ${slot.slotType}`,
    slot.active ? "in use" : "not in use",
    ...at,
    ...(slot.failover === true ? ["failover"] : []),
    ...(slot.synced === true ? ["synced"] : []),
    ...(isFailing(slot) ? [slot.invalidationReason ?? slot.walStatus ?? ""] : []),
  ].join(", ");
}
