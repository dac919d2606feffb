// Which logical slots a failover keeps, once the primary is gone: its slots as they were last seen, against the copies as they
// are now. A slot that nobody saw is known from the copies that the server itself makes (17+), and drops with the slot.

import type { SlotsKept } from "./candidates.ts";
import { isAlive, judgeSlot, type KeptSlot, wantedSlots } from "./kept-slots.ts";
import { type LastSeen, whyOutdated } from "./last-seen.ts";
import type { ReachedNode, Slot } from "./node.ts";
import { solePrimary, standbysOf } from "./structure.ts";
import type { Topology } from "./topology.ts";

/** What is known of the slots of a primary that is gone. */
export interface RememberedSlots {
  readonly primary: Pick<ReachedNode, "name" | "slots" | "timeline">;
  /** Its logical slots that were alive, with where their consumers were. */
  readonly slots: readonly Slot[];
  /** When it was last seen, milliseconds since 1970; null where it never was, and the copies alone tell. */
  readonly seenAt: number | null;
}

export function rememberSlots(
  topology: Topology,
  lastSeen: LastSeen | null,
  farthest: ReachedNode | null,
): RememberedSlots {
  const seen =
    lastSeen !== null && whyOutdated(lastSeen, topology, farthest) === null
      ? lastSeen.primary
      : null;
  const known = wantedSlots({ slots: seen?.slots ?? [] }, []);
  const names = new Set(known.map(({ slotName }) => slotName));
  const copies = standbysOf(topology).flatMap(({ slots }) =>
    wantedSlots({ slots }, []).filter(({ synced }) => synced === true),
  );
  const unseen = new Map(
    copies.filter(({ slotName }) => !names.has(slotName)).map((copy) => [copy.slotName, copy]),
  );
  const slots = [...known, ...unseen.values()].filter(
    (slot) => isAlive(slot) && slot.confirmedFlushLsn !== null,
  );
  return {
    primary: {
      name: seen?.node ?? "the lost primary",
      slots: [...(seen?.slots ?? []), ...unseen.values()],
      timeline: seen?.position.timeline ?? null,
    },
    slots,
    seenAt: seen?.observedAt ?? null,
  };
}

/** How each of them would fare if that standby were promoted. */
export function foreseeSlots(
  topology: Topology,
  { primary, slots }: RememberedSlots,
  standby: ReachedNode,
): readonly KeptSlot[] {
  return slots.map((slot) => judgeSlot(topology, { primary, standby, slot, remembered: true }));
}

/** How many slots each standby would keep, by its name; empty where there are none. */
export function countKept(
  topology: Topology,
  keptOn: (standby: ReachedNode) => readonly KeptSlot[],
): SlotsKept {
  const counts = standbysOf(topology).map((standby) => {
    const kept = keptOn(standby);
    const ready = kept.filter(({ against }) => against === null).length;
    return [standby.name, { ready, of: kept.length }] as const;
  });
  return new Map(counts.filter(([, { of }]) => of > 0));
}

/** Logical slots of the primary whose consumers have gone on since an earlier look. */
export function findConsuming(before: Topology, now: Topology): readonly string[] {
  const known = new Map(
    wantedSlots(solePrimary(before) ?? { slots: [] }, []).map((slot) => [
      slot.slotName,
      slot.confirmedFlushLsn,
    ]),
  );
  return wantedSlots(solePrimary(now) ?? { slots: [] }, [])
    .filter(({ slotName, active, confirmedFlushLsn }) => {
      const was = known.get(slotName) ?? null;
      return active || (was !== null && confirmedFlushLsn !== null && confirmedFlushLsn > was);
    })
    .map(({ slotName }) => slotName);
}
