// The slots that were made for standbys, as the standbys' own marks tell: dropped before, or with, the mark itself. One on the
// standby's own upstream is left: the standby is to stream through it.

import { findSlotPlace } from "../topology/edges.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { reachedNode } from "../topology/structure.ts";
import { findNodeAt, type Topology } from "../topology/topology.ts";

export interface FoundSlot {
  readonly node: ReachedNode;
  readonly slot: string;
}

/** Those that are there now, on nodes that let us in. */
export function madeSlots(
  topology: Topology,
  marked: readonly ReachedNode[],
): readonly FoundSlot[] {
  return marked.flatMap((standby) => {
    const { configuredUpstream, marks } = standby;
    const own = configuredUpstream === null ? null : findNodeAt(topology, configuredUpstream);
    // A name that is written and not in force yet is the one of our own rule.
    const slot = physicalSlotName(standby.name, settingText(standby, "primary_slot_name"));
    return (marks.slotsAt ?? []).flatMap((place) => {
      const node = reachedNode(topology, findSlotPlace(topology.nodes, place) ?? "");
      if (node === null || node.name === own) return [];
      const there = node.slots.some((each) => isPhysical(each) && each.slotName === slot);
      return there ? [{ node, slot }] : [];
    });
  });
}

export function isPhysical(slot: Slot): boolean {
  return slot.slotType === "physical" && !slot.temporary;
}
