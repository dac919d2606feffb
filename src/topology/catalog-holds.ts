// Physical slots that hold catalogue rows on the primary for a standby's copies of slot files (13 to 15): what they vouch for, and
// which hold rows for nobody, so that the primary's catalogues grow. One of a node out of reach is never taken for such a one.

import type { ReachedNode, Slot } from "./node.ts";
import { holdSlotName, isHoldSlotName } from "./slot-name.ts";
import { majorOf, reachedNode } from "./structure.ts";
import type { Topology } from "./topology.ts";
import { isAtMost } from "./transaction-id.ts";

/** The oldest transaction whose catalogue rows the primary holds for a standby's copies; null where it holds none. */
export function holdFor(
  { slots, timeline }: Pick<ReachedNode, "slots" | "timeline">,
  standby: string,
): number | null {
  if (timeline === null) return null;
  const name = holdSlotName(standby, timeline);
  const slot = slots.find((each) => each.slotName === name && each.slotType === "physical");
  return slot === undefined || slot.walStatus === "lost" ? null : slot.catalogXmin;
}

/** Whether the hold on the primary vouches for that slot of the standby, which is a copy then: what was made before, or came
 * there otherwise, was dropped when the hold began, and no logical slot is made on a standby of these majors but by us. */
export function isUnderHold(
  primary: Pick<ReachedNode, "slots" | "timeline">,
  standby: ReachedNode,
  { slotType, catalogXmin }: Slot,
): boolean {
  const hold = holdFor(primary, standby.name);
  return (
    majorOf(standby) < 16 &&
    slotType === "logical" &&
    hold !== null &&
    catalogXmin !== null &&
    isAtMost(hold, catalogXmin)
  );
}

/** The holds on that node which hold rows for no copy any more: on a primary those of a standby that has none, or of another
 * timeline; on a standby all of them, since its feedback would ask for these rows. */
export function idleHolds(topology: Topology, node: ReachedNode): readonly string[] {
  const holds = node.slots.filter(
    ({ slotName, slotType, active }) =>
      slotType === "physical" && !active && isHoldSlotName(slotName),
  );
  return holds
    .map(({ slotName }) => slotName)
    .filter((name) => node.role === "standby" || isIdleOnPrimary(topology, node, name));
}

function isIdleOnPrimary(topology: Topology, primary: ReachedNode, name: string): boolean {
  const { timeline } = primary;
  const owner = ownerOf(topology, name);
  // What was left there of making copies, before it led.
  if (owner === primary.name) return true;
  const standby = owner === undefined ? null : reachedNode(topology, owner);
  if (timeline === null || standby?.role !== "standby") return false;
  if (name !== holdSlotName(standby.name, timeline)) return true;
  return !standby.slots.some((slot) => isUnderHold(primary, standby, slot));
}

/** Those of nodes that left the topology file. */
export function orphanedHolds(topology: Topology, { slots }: ReachedNode): readonly string[] {
  return slots
    .filter(({ slotType, active }) => slotType === "physical" && !active)
    .map(({ slotName }) => slotName)
    .filter((name) => isHoldSlotName(name) && ownerOf(topology, name) === undefined);
}

/** The node whose copies the hold is for, by its exact name. */
function ownerOf(topology: Topology, name: string): string | undefined {
  const timeline = Number(/_t(\d+)$/.exec(name)?.[1] ?? "0");
  return [...topology.nodes.keys()].find((node) => name === holdSlotName(node, timeline));
}
