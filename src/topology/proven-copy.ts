// When a copy that is kept by decoding on the standby (16+) is proven to be whole. The server breaks such a copy itself once replay
// comes to the removal of a row that it needs; so one that looks whole may still be broken by what the primary wrote before it held
// those rows, and the standby has not replayed yet.

import type { Lsn } from "../wal/lsn.ts";
import type { CopyMark } from "./copy-mark.ts";
import type { ReachedNode, Slot } from "./node.ts";
import { settingText } from "./settings.ts";
import { reachedNode } from "./structure.ts";
import { type Topology, upstreamChain } from "./topology.ts";
import { isAtMost } from "./transaction-id.ts";

/** One step of the way down from the primary: whose feedback, into which slot. */
export interface HoldingLink {
  readonly below: string;
  readonly above: string;
  readonly slotName: string;
}

/** From the standby up to the primary; null where the way is not known, or a node on it uses no slot. */
export function holdingLinks(
  topology: Topology,
  standby: string,
  primary: string,
): readonly HoldingLink[] | null {
  const path = [standby, ...upstreamChain(topology, standby)];
  const end = path.indexOf(primary);
  if (end === -1) return null;
  const links = path.slice(0, end).map((below, index) => {
    const node = reachedNode(topology, below);
    const slotName = node === null ? null : settingText(node, "primary_slot_name");
    return { below, above: path[index + 1] ?? primary, slotName: slotName ?? "" };
  });
  return links.some(({ slotName }) => slotName === "") ? null : links;
}

/** Whether the slot of each link holds the catalogue rows back to that transaction; null: to whichever. */
export function linksHold(
  topology: Topology,
  links: readonly HoldingLink[],
  needs: number | null,
): boolean {
  return links.every(({ above, slotName }) => {
    const slots = reachedNode(topology, above)?.slots ?? [];
    const held = slots.find((slot) => slot.slotName === slotName)?.catalogXmin ?? null;
    return held !== null && (needs === null || isAtMost(held, needs));
  });
}

interface Place {
  readonly primary: Pick<ReachedNode, "timeline">;
  readonly standby: ReachedNode;
}

/** Up to where the standby has to replay for the copy to be proven, if it is whole then: what it needs was held from there on.
 * Null where slot-sync has not seen to that under this primary. */
export function provenAt({ primary, standby }: Place, slotName: string): Lsn | null {
  const mark = copyMarkOf(standby, slotName);
  return mark?.timeline === primary.timeline ? mark.heldFrom : null;
}

/** Nothing that the standby has still to replay can break the copy: that was held when it was written. Or the slot on the primary
 * itself needs the same rows, and has since before the copy was made. */
export function isProven(place: Place, slot: Slot, copy: Slot): boolean {
  const from = provenAt(place, slot.slotName);
  const { replayLsn } = place.standby;
  if (from !== null && replayLsn !== null && replayLsn >= from) return true;
  const [held, needs] = [slot.catalogXmin, copy.catalogXmin];
  return held !== null && needs !== null && isAtMost(held, needs);
}

export function copyMarkOf({ marks }: ReachedNode, slotName: string): CopyMark | null {
  return marks.copies?.find((mark) => mark.slotName === slotName) ?? null;
}
