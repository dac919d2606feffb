// synchronized_standby_slots (17+) of a node that is to lead: logical consumers wait for the standbys behind those physical
// slots. One that names a slot that is not there holds up every consumer of a failover slot, for ever; empty, nothing keeps
// them from running ahead of the standbys.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { slotNamesOf, synchronizedSlots } from "../topology/slot-settings.ts";

/** `below`: the standbys that will stream from it; `former`: the primary before it, where it is reached. */
export function tellOfSynchronizedSlots(
  next: ReachedNode,
  {
    below,
    former,
  }: { readonly below: readonly ReachedNode[]; readonly former: ReachedNode | null },
): Finding[] {
  const hint = `\`remaster slot-sync --configure\`, now or once ${next.name} leads`;
  const named = synchronizedSlots(next);
  if (named.length === 0) {
    const before = former === null ? [] : synchronizedSlots(former);
    if (former === null || before.length === 0) return [];
    return [
      {
        code: "synchronized-slots-unfit",
        severity: "warning",
        node: next.name,
        message: `synchronized_standby_slots of ${next.name} is empty, that of ${former.name} names ${before.join(", ")}: logical consumers may run ahead of the standbys`,
        hint,
      },
    ];
  }
  const has = new Set([
    ...next.slots.filter(({ slotType }) => slotType === "physical").map((slot) => slot.slotName),
    ...slotNamesOf(below),
  ]);
  const missing = named.filter((name) => !has.has(name));
  if (missing.length === 0) return [];
  return [
    {
      code: "synchronized-slots-unfit",
      severity: "warning",
      node: next.name,
      message: `synchronized_standby_slots of ${next.name} names ${missing.join(", ")}, which it will not have: consumers of its failover slots get nothing until that is corrected`,
      hint,
    },
  ];
}
