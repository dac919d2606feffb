// Whether a logical slot would survive a failover to a standby: it has a copy there which is proven. That is the only judgement
// of it; slot-sync, status, failover and switchover all ask here. A copy that looks fine is not enough: it must not be ahead of
// its consumer (what is between them would be left out), and the catalogue rows that it needs must be held on the primary, which
// takes hot_standby_feedback and a physical slot at each step of the way down.

import { formatLsn, type Lsn } from "../wal/lsn.ts";
import { holdFor, isUnderHold } from "./catalog-holds.ts";
import type { ReachedNode, Slot } from "./node.ts";
import { majorOf, reachedNode, solePrimary, standbysOf } from "./structure.ts";
import { holdingLinks, isProven, linksHold, provenAt } from "./proven-copy.ts";
import { oldestWalOf } from "./settings.ts";
import { lackingSettings, standbysUpwards } from "./slot-settings.ts";
import { type Topology, upstreamChain } from "./topology.ts";
import { isAtMost } from "./transaction-id.ts";

/** How the copy comes to be: the server's own (17+, slots with the failover flag), decoding on the standby (16+), or a copy of
 * the slot's file (13 to 15). */
export type SlotMethod = "failover-slot" | "standby-slot" | "slot-file";

/** Why a copy does not count, and what will make it count. */
export interface SlotObstacle {
  /** `source`: the slot on the primary itself; `settings`: what copies need on the way; `copy`: the copy. */
  readonly of: "source" | "settings" | "copy";
  readonly reason: string;
  readonly remedy: string | null;
}

/** One logical slot of the primary, on one standby that may lead. */
export interface KeptSlot {
  /** As it is on the primary. */
  readonly slot: Slot;
  readonly primary: string;
  /** The standby. */
  readonly node: string;
  readonly method: SlotMethod;
  /** The slot by that name on the standby, whatever it is. */
  readonly copy: Slot | null;
  /** Null: ready, a failover to that standby would keep it. */
  readonly against: SlotObstacle | null;
  /** What a consumer would get once more after a failover, bytes; null where the copy is not ready. */
  readonly repeatBytes: bigint | null;
  /** By how much the consumer has confirmed what the standby has not received: what would be missing there; null: nothing. */
  readonly aheadBytes: bigint | null;
}

/** What is asked about: all of it where a part is absent. */
export interface SlotWish {
  /** Names of standbys. */
  readonly standbys?: readonly string[];
  /** Slot names, with `*` for any characters. */
  readonly patterns?: readonly string[];
}

/** Every wanted logical slot of the sole primary on every wanted standby that may lead, in the order of the topology file. */
export function findKeptSlots(topology: Topology, wish: SlotWish = {}): readonly KeptSlot[] {
  const primary = solePrimary(topology);
  if (primary === null) return [];
  const slots = wantedSlots(primary, wish.patterns ?? []);
  return wantedStandbys(topology, wish).flatMap((standby) =>
    slots.map((slot) => judgeSlot(topology, { primary, standby, slot })),
  );
}

/** The standbys that were named, or all that may lead. */
export function wantedStandbys(topology: Topology, wish: SlotWish): readonly ReachedNode[] {
  return standbysOf(topology).filter(({ name, promotable }) =>
    (wish.standbys ?? []).length === 0 ? promotable : wish.standbys?.includes(name),
  );
}

/** The primary's logical slots that outlive their session. */
export function wantedSlots(
  { slots }: Pick<ReachedNode, "slots">,
  patterns: readonly string[],
): readonly Slot[] {
  return slots.filter(
    ({ slotType, temporary, slotName }) =>
      slotType === "logical" &&
      !temporary &&
      (patterns.length === 0 || patterns.some((pattern) => matches(slotName, pattern))),
  );
}

function matches(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

interface Case {
  readonly primary: Pick<ReachedNode, "name" | "slots" | "timeline">;
  readonly standby: ReachedNode;
  readonly slot: Slot;
  /** The primary is gone, and its slots are as they were last seen: what copies need in future counts no more. */
  readonly remembered?: true;
}

export function judgeSlot(topology: Topology, each: Case): KeptSlot {
  const { primary, standby, slot } = each;
  const method = slotMethod(topology, standby, slot);
  const copy = standby.slots.find(({ slotName }) => slotName === slot.slotName) ?? null;
  const against =
    obstacleAtSource(each) ??
    obstacleOnTheWay(topology, each, method) ??
    (copy === null
      ? { of: "copy", reason: `${standby.name} has no copy of it`, remedy: anew(each) }
      : obstacleOfCopy(topology, each, { copy, method }));
  return {
    slot,
    primary: primary.name,
    node: standby.name,
    method,
    copy,
    against,
    repeatBytes: against === null ? between(copy?.confirmedFlushLsn, slot.confirmedFlushLsn) : null,
    aheadBytes: aheadOf(standby, slot),
  };
}

/** The server keeps no copies below another standby: it refuses to ask one that is in recovery (17, 18). */
export function slotMethod(
  topology: Topology,
  standby: ReachedNode,
  { failover }: Pick<Slot, "failover">,
): SlotMethod {
  const major = majorOf(standby);
  if (major >= 17 && failover === true && !cascades(topology, standby)) return "failover-slot";
  return major >= 16 ? "standby-slot" : "slot-file";
}

function cascades(topology: Topology, { name }: ReachedNode): boolean {
  const [upstream] = upstreamChain(topology, name);
  return upstream !== undefined && reachedNode(topology, upstream)?.role === "standby";
}

function again({ standby, slot }: Case): string {
  return `\`remaster slot-sync --standby ${standby.name} --slot ${slot.slotName}\``;
}

/** A copy that has to be made. */
function anew(each: Case): string {
  const { standby, slot } = each;
  if (majorOf(standby) >= 16) return again(each);
  return `\`remaster slot-sync --allow-restart --standby ${standby.name} --slot ${slot.slotName}\``;
}

function between(from: Lsn | null | undefined, to: Lsn | null): bigint | null {
  return from == null || to === null ? null : to - from;
}

function aheadOf(standby: ReachedNode, { confirmedFlushLsn }: Slot): bigint | null {
  const ahead = between(standby.received?.lsn, confirmedFlushLsn);
  return ahead !== null && ahead > 0n ? ahead : null;
}

function brokenBy(slot: Slot): string | null {
  if (slot.invalidationReason !== null) return slot.invalidationReason;
  if (slot.conflicting === true) return "conflicts with replay";
  return slot.walStatus === "lost" ? "its WAL is gone" : null;
}

export function isAlive(slot: Slot): boolean {
  return brokenBy(slot) === null;
}

function obstacleAtSource({ primary, slot }: Case): SlotObstacle | null {
  const broken = brokenBy(slot);
  if (broken !== null) {
    return {
      of: "source",
      reason: `it is lost on ${primary.name} itself: ${broken}`,
      remedy: `its consumer has to start anew; then drop it: SELECT pg_drop_replication_slot('${slot.slotName}')`,
    };
  }
  return slot.confirmedFlushLsn === null
    ? { of: "source", reason: `nobody has read from it on ${primary.name} yet`, remedy: null }
    : null;
}

/** What keeps the rows that a copy needs: settings of the standby, and its slot above it. */
function obstacleOnTheWay(
  topology: Topology,
  { standby, remembered }: Case,
  method: SlotMethod,
): SlotObstacle | null {
  // The server itself invalidates a copy whose rows are gone.
  if (remembered === true && method !== "slot-file") return null;
  const remedy = `\`remaster slot-sync --configure --standby ${standby.name}\``;
  const missing = missingSettings(topology, standby, method);
  const [first] = missing;
  return first === undefined ? null : { of: "settings", reason: first, remedy };
}

/** Settings that copies on this standby need, there and on the way up, and that are not so, each as a clause. */
export function missingSettings(
  topology: Topology,
  standby: ReachedNode,
  method: SlotMethod,
): readonly string[] {
  return standbysUpwards(topology, standby).flatMap((node) => {
    const database = node === standby && method === "failover-slot";
    return lackingSettings(topology, node, { database }).clauses;
  });
}

function obstacleOfCopy(
  topology: Topology,
  each: Case,
  { copy, method }: { readonly copy: Slot; readonly method: SlotMethod },
): SlotObstacle | null {
  const { standby, slot } = each;
  const { name } = standby;
  if (!isSameKind(copy, slot) && isUnderHold(each.primary, standby, copy)) {
    return {
      of: "copy",
      reason: `its copy on ${name} is of a slot that had its name before (${kindOf(copy)})`,
      remedy: anew(each),
    };
  }
  if (!isSameKind(copy, slot)) {
    return {
      of: "copy",
      reason: `${name} has another slot of that name (${kindOf(copy)})`,
      remedy: "give one of them another name",
    };
  }
  const broken = brokenBy(copy);
  if (broken !== null) {
    return { of: "copy", reason: `its copy on ${name} is lost: ${broken}`, remedy: anew(each) };
  }
  if (method === "failover-slot" && copy.synced !== true) {
    return {
      of: "copy",
      reason: `${name} has a slot of that name which the server does not keep level (synced is off)`,
      remedy: again(each),
    };
  }
  const [has, wants] = [copy.confirmedFlushLsn ?? copy.restartLsn, slot.confirmedFlushLsn];
  // The server never takes a copy of its own past the consumer, of whose last steps nobody knows.
  const follows = each.remembered === true && method === "failover-slot" && !copy.temporary;
  if (!follows && has !== null && wants !== null && has > wants)
    return unconfirmed(each, has, wants);
  if (has !== null && standby.received !== null && has > standby.received.lsn) {
    const reason = `its copy on ${name} begins at ${formatLsn(has)}, which ${name} has not received: what is written there after a failover would be left out`;
    return { of: "copy", reason, remedy: `${name} must receive it first` };
  }
  if (method === "slot-file" && lacksWal(standby, copy)) {
    const reason = `${name} has not the WAL any more that its copy needs`;
    return { of: "copy", reason, remedy: anew(each) };
  }
  if (copy.temporary) {
    return {
      of: "copy",
      reason: `its copy on ${name} is not ready for use yet`,
      remedy: again(each),
    };
  }
  if (copy.confirmedFlushLsn === null) {
    return { of: "copy", reason: `its copy on ${name} is not consistent yet`, remedy: again(each) };
  }
  if (!isHeld(topology, each, copy)) {
    return {
      of: "copy",
      reason: `the catalogue rows that its copy on ${name} needs are not held on the primary`,
      remedy: again(each),
    };
  }
  if (method !== "standby-slot" || isProven(each, slot, copy)) return null;
  const from = provenAt(each, slot.slotName);
  return {
    of: "copy",
    reason: `its copy on ${name} may still be broken by what ${name} has yet to replay`,
    remedy: from === null ? again(each) : `${name} must replay past ${formatLsn(from)}`,
  };
}

function unconfirmed({ standby }: Case, has: Lsn, wants: Lsn): SlotObstacle {
  return {
    of: "copy",
    reason: `its copy on ${standby.name} begins at ${formatLsn(has)}, ahead of its consumer`,
    remedy: `its consumer must confirm past ${formatLsn(has)}; ${(has - wants).toString()} bytes to go`,
  };
}

export function isSameKind(copy: Slot, slot: Slot): boolean {
  return (
    copy.slotType === "logical" &&
    copy.plugin === slot.plugin &&
    copy.database === slot.database &&
    copy.twoPhase === slot.twoPhase
  );
}

function kindOf({ slotType, plugin, database, twoPhase }: Slot): string {
  if (slotType === "physical") return "a physical one";
  return `${plugin ?? "unknown plugin"} in ${database ?? "an unknown database"}${twoPhase === true ? ", two-phase" : ""}`;
}

/** At each step up to the primary the physical slot holds the catalogue rows back to where the copy needs them; or nothing that
 * the copy needs can have gone, because the slot on the primary itself needs it too. A copy that the server keeps needs no more
 * than its original did when it was synced, which is what the standby has held for it; it may show an older catalog_xmin, of
 * where it begins to read, for which nothing is held any more (17). */
function isHeld(topology: Topology, each: Case, copy: Slot): boolean {
  const { primary, standby, slot } = each;
  const needs = copy.catalogXmin;
  if (needs === null) return false;
  const method = slotMethod(topology, standby, slot);
  if (method === "slot-file") return isHeldForFile({ primary, standby }, needs);
  if (each.remembered === true) return true;
  if (slot.catalogXmin !== null && isAtMost(slot.catalogXmin, needs)) return true;
  const enough = method === "failover-slot" ? (slot.catalogXmin ?? needs) : needs;
  const links = holdingLinks(topology, standby.name, primary.name);
  return links !== null && linksHold(topology, links, enough);
}

/** Before 16 a server does not notice that rows which a copy needs were vacuumed away, and feedback that was off for a while and is on
 * again asks for the old rows as if nothing had been. So neither what the physical slot of the standby shows proves anything, nor
 * the consumer's own slot, which takes such a horizon over when it is made. What does is a slot of ours: it is made when every
 * copy on that standby is right, goes forward only, and its name tells the timeline. Whoever drops it takes the proof away. */
function isHeldForFile(
  { primary, standby }: Pick<Case, "primary" | "standby">,
  needs: number,
): boolean {
  const hold = holdFor(primary, standby.name);
  return hold !== null && isAtMost(hold, needs);
}

/** wal_status of a slot that was there when its server started says nothing of what was removed before (13 to 15). */
function lacksWal(standby: ReachedNode, { restartLsn }: Slot): boolean {
  const oldest = oldestWalOf(standby);
  return oldest !== null && restartLsn !== null && oldest > restartLsn;
}
