// The physical slots that a standby which may lead holds for its siblings: what they lack when it is promoted must still be
// there, and they ask for it by the name of their own slot. slot-sync makes them, moves them on as the siblings get on, so
// that no WAL piles up, and keeps a record of those that it made (remaster.kept_slots); what is not recorded, nor named by our
// own rule, belongs to somebody else and is left alone.

import { idleHolds, orphanedHolds } from "../topology/catalog-holds.ts";
import type { Finding } from "../topology/finding.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { reachedNodes, standbysOf } from "../topology/structure.ts";
import { findNodeAt, type Topology, upstreamChain } from "../topology/topology.ts";
import type { Lsn } from "../wal/lsn.ts";
import { isPhysical } from "./made-slots.ts";
import { movesOf } from "./siblings.ts";

/** What a sibling would ask for, were the node promoted. */
export interface SiblingSlot {
  readonly sibling: string;
  readonly slot: string;
  /** What the sibling has: the slot may let go of all before it. Null where it cannot be compared. */
  readonly upTo: Lsn | null;
}

/** What is to be done to a node's slots for its siblings. */
export interface SlotKeeping {
  readonly make: readonly string[];
  readonly advance: readonly { readonly slot: string; readonly to: Lsn }[];
  /** Made for a node that would not ask for it here any more, or to hold catalogue rows for copies that are gone. */
  readonly drop: readonly string[];
  /** The record as it is to be then; null: as it is. */
  readonly record: readonly string[] | null;
  readonly findings: readonly Finding[];
}

export function wantedSlots(topology: Topology, node: ReachedNode): readonly SiblingSlot[] {
  const standbys = standbysOf(topology).filter(({ name }) => !topology.strays.includes(name));
  if (!node.promotable || !standbys.includes(node)) return [];
  const siblings = standbys.filter(({ name }) => name !== node.name);
  return movesOf(topology, siblings, { candidate: node.name, torn: new Set() })
    .filter(({ to, node: { name } }) => to === node.name && !isBelow(topology, name, node.name))
    .map(({ node: sibling }) => ({
      sibling: sibling.name,
      slot: physicalSlotName(sibling.name, settingText(sibling, "primary_slot_name")),
      upTo: positionFor(sibling, node),
    }));
}

/** It streams from there already, through that very slot. */
function isBelow(topology: Topology, name: string, upstream: string): boolean {
  return upstreamChain(topology, name)[0] === upstream;
}

/** What was flushed on another timeline may lie behind the point where the lines part. */
function positionFor({ received }: ReachedNode, node: ReachedNode): Lsn | null {
  return received !== null && received.timeline === node.timeline ? received.lsn : null;
}

/** Whether slot-sync keeps that slot there on purpose. */
export function isKeptForSibling(topology: Topology, node: ReachedNode, slot: string): boolean {
  return (
    recordOf(node).includes(slot) && wantedSlots(topology, node).some((each) => each.slot === slot)
  );
}

function recordOf({ keptSlots = [] }: ReachedNode): readonly string[] {
  return keptSlots;
}

/** WAL is kept and removed by whole segments: within one there is nothing to let go of. */
function isBehind(node: ReachedNode, { restartLsn }: Slot, upTo: Lsn): boolean {
  const { replayLsn } = node;
  const to = replayLsn !== null && replayLsn < upTo ? replayLsn : upTo;
  return restartLsn === null || to / segmentOf(node) > restartLsn / segmentOf(node);
}

function segmentOf(node: ReachedNode): bigint {
  const value = settingText(node, "wal_segment_size") ?? "";
  return /^\d+$/.test(value) && value !== "0" ? BigInt(value) : 16n << 20n;
}

export function planKeeping(topology: Topology, node: ReachedNode): SlotKeeping {
  const wanted = wantedSlots(topology, node);
  const record = recordOf(node);
  const found = (slot: string): Slot | undefined =>
    node.slots.find(({ slotName }) => slotName === slot);
  const mayKeep = ({ slot, sibling }: SiblingSlot): boolean =>
    found(slot) === undefined || record.includes(slot) || slot === physicalSlotName(sibling, null);
  const ours = wanted.filter((each) => mayKeep(each) && !isTaken(found(each.slot)));
  const drop = [...noLongerWanted(topology, node, wanted), ...idleHolds(topology, node)];
  const after = [
    ...new Set([...record.filter((slot) => found(slot) !== undefined), ...namesOf(ours)]),
  ].filter((slot) => !drop.includes(slot) && node.role === "standby");
  return {
    make: namesOf(ours.filter(({ slot }) => found(slot) === undefined)),
    advance: ours.flatMap(({ slot, upTo }) => {
      const there = found(slot);
      if (upTo === null || there?.active === true) return [];
      return there === undefined || isBehind(node, there, upTo) ? [{ slot, to: upTo }] : [];
    }),
    drop,
    record: isSame(after, record) ? null : after,
    findings: wanted
      .filter((each) => !ours.includes(each))
      .map((each) => tellOfForeign(node, each, found(each.slot))),
  };
}

function namesOf(slots: readonly SiblingSlot[]): readonly string[] {
  return [...new Set(slots.map(({ slot }) => slot))];
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each) => others.includes(each));
}

function isTaken(slot: Slot | undefined): boolean {
  return slot !== undefined && !isPhysical(slot);
}

/** Recorded, and by its name that of a node which was seen and would not ask for it here. One of a node out of reach stays:
 * its name is not known now. */
function noLongerWanted(
  topology: Topology,
  node: ReachedNode,
  wanted: readonly SiblingSlot[],
): readonly string[] {
  if (node.role !== "standby") return [];
  return recordOf(node).filter((slot) => {
    const there = node.slots.find(({ slotName }) => slotName === slot);
    if (there === undefined || there.active || !isPhysical(there)) return false;
    if (wanted.some((each) => each.slot === slot)) return false;
    const owners = reachedNodes(topology).filter((each) => isNamedFor(each, slot));
    return owners.length > 0 && !owners.some((owner) => mayUse(topology, owner, node.name));
  });
}

function isNamedFor(node: ReachedNode, slot: string): boolean {
  return [null, settingText(node, "primary_slot_name")].some(
    (existing) => physicalSlotName(node.name, existing) === slot,
  );
}

/** It streams from there, is configured to, or was told to. */
function mayUse(topology: Topology, standby: ReachedNode, upstream: string): boolean {
  if (standby.role === "primary") return false;
  const { configuredUpstream, marks } = standby;
  const places = [configuredUpstream, marks.repointing].filter((place) => place !== null);
  return (
    (marks.slotsAt !== undefined && marks.slotsAt.length > 0) ||
    isBelow(topology, standby.name, upstream) ||
    places.some((place) => findNodeAt(topology, place) === upstream)
  );
}

function tellOfForeign(
  { name }: ReachedNode,
  { slot, sibling }: SiblingSlot,
  there: Slot | undefined,
): Finding {
  const why = isTaken(there) ? "it is no physical slot" : "slot-sync did not make it";
  return {
    code: "slot-not-kept",
    severity: isTaken(there) ? "warning" : "note",
    node: name,
    message: `slot ${slot} on ${name}, which ${sibling} would use once ${name} leads, is left as it is: ${why}`,
    hint: isTaken(there)
      ? `give it or the slot of ${sibling} (primary_slot_name) another name`
      : "it holds WAL until somebody moves it on; where nobody else does, drop it, and slot-sync makes its own",
  };
}

/** Slots of ours that nobody needs: of nodes that left the topology file, of standbys that stream elsewhere. */
export function findPrunable(topology: Topology, node: ReachedNode): readonly string[] {
  return [...orphanedHolds(topology, node), ...prunableSiblings(topology, node)];
}

function prunableSiblings(topology: Topology, node: ReachedNode): readonly string[] {
  const wanted = wantedSlots(topology, node).map(({ slot }) => slot);
  const names = [...topology.nodes.values()].map(({ name }) => physicalSlotName(name, null));
  const reached = reachedNodes(topology);
  const allReached = reached.length === topology.nodes.size;
  return node.slots
    .filter((slot) => {
      const { slotName: name } = slot;
      if (!isPhysical(slot) || slot.active || wanted.includes(name)) return false;
      const owners = reached.filter((each) => isNamedFor(each, name));
      if (owners.some((owner) => mayUse(topology, owner, node.name))) return false;
      if (owners.length > 0) return isOurs(node, name);
      const isGone = name.startsWith("remaster_") && !names.includes(name);
      return isGone || (allReached && recordOf(node).includes(name));
    })
    .map(({ slotName }) => slotName);
}

function isOurs(node: ReachedNode, slot: string): boolean {
  return slot.startsWith("remaster_") || recordOf(node).includes(slot);
}
