// A standby's slot on a node that led before: a switchover lets go of it when it is over, and leads the standby away before. One
// that was last used before the present primary led belongs to the past; one of a cascade has moved on since.

import type { ReachedNode, Slot } from "./node.ts";
import { settingText } from "./settings.ts";
import { reachedNode, solePrimary, type Structure } from "./structure.ts";

/** Last used before that node led, or, of one that never took over from anybody, never mind when. */
export function isOfBefore({ active, restartLsn }: Slot, leader: ReachedNode): boolean {
  const since = leader.history?.ancestors.at(-1)?.end ?? null;
  return since !== null && !active && (restartLsn ?? since) <= since;
}

/** Whether the standby could stream from that node as it is: it asks for no slot there, or for one that is in its use. One that was
 * last used before is not, where the node led before, or the standby has another by that name on the leader by now; a cascade
 * that stood still while the lead changed has none there. */
export function hasPlaceOn(structure: Structure, upstream: string, standby: ReachedNode): boolean {
  const name = settingText(standby, "primary_slot_name") ?? "";
  const above = reachedNode(structure, upstream);
  if (name === "" || above === null) return true;
  const isNamed = ({ slotName }: Slot): boolean => slotName === name;
  const slot = above.slots.find(isNamed);
  const leader = solePrimary(structure);
  if (slot === undefined || leader === null) return slot !== undefined;
  const isElsewhere = above.marks.demoted === true || leader.slots.some(isNamed);
  return !(isElsewhere && isOfBefore(slot, leader));
}
