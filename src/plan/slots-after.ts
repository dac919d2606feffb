// What a failover says of the logical slots of the primary that is gone: it refuses for none of them, and tells of each that is
// lost from where to where its consumer misses what was written; known is where the consumer was when it was last seen.

import type { Finding } from "../topology/finding.ts";
import type { KeptSlot } from "../topology/kept-slots.ts";
import { foreseeSlots, type RememberedSlots } from "../topology/slots-after.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import { formatLsn, type Lsn } from "../wal/lsn.ts";
import { ageText } from "./age.ts";
import { tellOfKept } from "./slots-kept.ts";

/** `end`: where the candidate will take over, as far as that is known. */
export function tellOfSlotsAfter(
  topology: Topology,
  remembered: RememberedSlots,
  { candidate, end }: { readonly candidate: ReachedNode; readonly end: Lsn | null },
): Finding[] {
  const fates = foreseeSlots(topology, remembered, candidate);
  const seen = seenText(remembered, candidate);
  return [
    ...fates.flatMap((fate) => tellOfLoss(fate, { end, seen })),
    ...tellOfKept(fates.filter(({ against }) => against === null)),
    ...fates.flatMap((fate) => tellOfAhead(fate, { end, seen })),
  ];
}

interface Frame {
  readonly end: Lsn | null;
  /** When the consumer was where it was. */
  readonly seen: string;
}

function seenText({ seenAt }: RememberedSlots, { observedAt }: ReachedNode): string {
  return seenAt === null
    ? "as its copies tell"
    : `as last seen ${ageText(observedAt - seenAt)} ago`;
}

function nameOf({ slotName, plugin, database }: Slot): string {
  return `logical slot ${slotName} (${plugin ?? "unknown plugin"} in ${database ?? "an unknown database"})`;
}

/** A copy that begins ahead of its consumer is there, and leaves out what is before it. */
function gapEnd({ copy, slot }: KeptSlot, end: Lsn | null): Lsn | null {
  const [has, wants] = [copy?.confirmedFlushLsn ?? null, slot.confirmedFlushLsn];
  return has !== null && wants !== null && has > wants ? has : end;
}

function tellOfLoss(fate: KeptSlot, { end, seen }: Frame): Finding[] {
  const { slot, node, primary, against } = fate;
  if (against === null) return [];
  const from = slot.confirmedFlushLsn;
  const to = gapEnd(fate, end);
  const gap = `${from === null ? "an unknown LSN" : formatLsn(from)}, ${seen}, to ${to === null ? "where it takes over" : formatLsn(to)}`;
  return [
    {
      code: "slot-would-be-lost",
      severity: "warning",
      node,
      message: `${nameOf(slot)} is lost with ${primary}: ${against.reason}; its consumer misses what was written from ${gap}`,
      hint: `before it goes on with ${node}, have it make up for that, as by a new copy of its tables`,
    },
  ];
}

/** It has seen what will be on no node. */
function tellOfAhead({ slot, node }: KeptSlot, { end, seen }: Frame): Finding[] {
  const { confirmedFlushLsn: has } = slot;
  if (has === null || end === null || has <= end) return [];
  return [
    {
      code: "consumer-ahead",
      severity: "warning",
      node,
      message: `the consumer of ${nameOf(slot)} had confirmed ${formatLsn(has)}, ${seen}, and ${node} takes over at ${formatLsn(end)}: what it got between them is on no node any more`,
      hint: "compare what it has with the new primary; on 17 and later synchronized_standby_slots keeps consumers from that",
    },
  ];
}
