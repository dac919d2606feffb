// Rules about replication slots. A slot that is lost strands its consumer; one that nobody uses fills the disk.

import { maxLsn } from "../wal/lsn.ts";
import { aboutEach, type Said } from "./about.ts";
import type { Finding } from "./finding.ts";
import type { ReachedNode, Slot } from "./node.ts";
import { ourNodes, type Structure } from "./structure.ts";

/** From here on a slot without a consumer is worth a warning: 1 GiB. Sibling slots that stand ready hold less. */
const muchBytes = 1n << 30n;
/** And from here on a note: 128 MiB. */
const someBytes = 1n << 27n;

type SlotRule = (node: ReachedNode, slot: Slot) => Said | null;

function aboutSlots(structure: Structure, rule: SlotRule): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) =>
    node.slots.map((slot) => rule(node, slot)).filter((each) => each !== null),
  );
}

/** On a standby a synced or prepared copy can be made again; on a primary a consumer is stranded. */
export function lostSlots(structure: Structure): readonly Finding[] {
  return aboutSlots(structure, (node, slot) => {
    if (slot.walStatus !== "lost" && slot.invalidationReason === null) return null;
    const why = slot.invalidationReason === null ? "" : ` (${slot.invalidationReason})`;
    return {
      code: "slot-lost",
      severity: node.role === "primary" ? "problem" : "warning",
      message: `slot ${slot.slotName} on ${node.name} is lost${why}`,
      hint: `drop it there: SELECT pg_drop_replication_slot('${slot.slotName}'); its consumer must start anew`,
    };
  });
}

/** `unreserved`: the next checkpoint may remove what the consumer still needs. */
export function endangeredSlots(structure: Structure): readonly Finding[] {
  return aboutSlots(structure, (node, slot) => {
    if (slot.walStatus !== "unreserved" || slot.invalidationReason !== null) return null;
    return {
      code: "slot-unreserved",
      severity: "warning",
      message: `slot ${slot.slotName} on ${node.name} is about to be lost: it needs WAL beyond max_slot_wal_keep_size`,
      hint: "let its consumer catch up now, or raise max_slot_wal_keep_size",
    };
  });
}

/** Copies that slot sync keeps (17+) are inactive by nature and move along by themselves. */
export function idleSlots(structure: Structure): readonly Finding[] {
  return aboutSlots(structure, (node, slot) => {
    if (slot.active || slot.temporary || slot.synced === true || slot.walStatus === "lost") {
      return null;
    }
    const held = heldBytes(node, slot);
    if (held === null || held < someBytes) return null;
    return {
      code: "slot-inactive",
      severity: held >= muchBytes ? "warning" : "note",
      message: `slot ${slot.slotName} on ${node.name} has no consumer and holds ${held} bytes of WAL`,
      hint:
        node.keptSlots?.includes(slot.slotName) === true
          ? "slot-sync made it for a sibling, and moves it on with each pass; `remaster slot-sync --prune` drops those that nobody needs"
          : `if nobody comes back for it: SELECT pg_drop_replication_slot('${slot.slotName}') on ${node.name}`,
    };
  });
}

function heldBytes(node: ReachedNode, slot: Slot): bigint | null {
  const end = maxLsn(node.currentLsn, maxLsn(node.receiveLsn, node.replayLsn));
  return end === null || slot.restartLsn === null ? null : end - slot.restartLsn;
}
