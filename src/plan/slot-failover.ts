// Decides slot-failover: give a logical slot of a primary the flag by which its server's standbys keep copies of it (17+). A slot that
// is in use cannot be changed, and the command waits for its consumer for ever (17, 18): where that one does not let go, it
// is named, with what ends that for a moment. A subscription has a flag of its own, which has to say the same.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { majorOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkBelongs, checkReachable, checkRights } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

export interface SlotFailoverRequest {
  readonly node: string;
  readonly slot: string;
}

/** What ends its use for a moment: a subscription is known by its plugin, and its worker bears its name. */
export function howToPause(slot: Pick<Slot, "plugin" | "slotName" | "heldBy">): string {
  if (slot.plugin !== "pgoutput") return "stop its consumer for a moment, then once more";
  const name = /^[^,]+(?=, pid )/.exec(slot.heldBy ?? "")?.[0] ?? slot.slotName;
  return `where it is a subscription, there: ALTER SUBSCRIPTION ${name} DISABLE, then SET (failover = true), then ENABLE; else stop its consumer for a moment`;
}

/** The one who reads from it, and what to do about it. Who is there now may be gone in a moment. */
export function tellOfHolder({ name }: Pick<ReachedNode, "name">, slot: Slot): Finding[] {
  if (!slot.active) return [];
  const who = slot.heldBy == null || slot.heldBy === "" ? "somebody" : slot.heldBy;
  return [
    {
      code: "slot-in-use",
      severity: "note",
      node: name,
      message: `logical slot ${slot.slotName} on ${name} is in use by ${who}: as long as that is so it cannot get the failover flag`,
      hint: howToPause(slot),
    },
  ];
}

/** Whether the flag is wanting on a slot that could have it. */
export function lacksFlag(node: ReachedNode, slot: Slot): boolean {
  const isWhole = slot.invalidationReason === null && slot.walStatus !== "lost";
  return majorOf(node) >= 17 && slot.failover === false && !slot.temporary && isWhole;
}

/** The server would keep the copies itself, which needs less of everybody. */
export function tellOfUnflagged(node: ReachedNode, slots: readonly Slot[]): Finding[] {
  const names = slots.filter((slot) => lacksFlag(node, slot)).map(({ slotName }) => slotName);
  if (names.length === 0) return [];
  return [
    {
      code: "slot-without-failover",
      severity: "note",
      node: node.name,
      message: `without the failover flag on ${node.name}: ${names.join(", ")}`,
      hint: "`remaster slot-sync --enable-failover` sets it, where no consumer holds the slot",
    },
  ];
}

/** A subscription that is away, or disabled, takes the flag from the slot again where its own does not say the same. */
export function tellOfFlagging(node: ReachedNode, slot: Slot): Finding[] {
  const { plugin, slotName } = slot;
  if (slot.active) return tellOfHolder(node, slot);
  if (plugin !== "pgoutput") return [];
  return [
    {
      code: "slot-without-failover",
      severity: "note",
      node: node.name,
      message: `slot ${slotName} may be a subscription's, which has a failover flag of its own`,
      hint: `there, while it is disabled: ALTER SUBSCRIPTION ${slotName} SET (failover = true)`,
    },
  ];
}

function checkSlot(node: ReachedNode, name: string): Finding[] {
  const slot = node.slots.find(({ slotName }) => slotName === name);
  if (majorOf(node) < 17) {
    const message = `${node.name} runs PostgreSQL ${node.versionText}: failover slots came with 17`;
    return [problem("needs-major", node.name, { message })];
  }
  if (node.role !== "primary") {
    const message = `${node.name} is a standby: the flag is the primary's to set`;
    return [problem("not-a-primary", node.name, { message, hint: "see `remaster status`" })];
  }
  if (slot?.slotType !== "logical" || slot.temporary) {
    const message = `${node.name} has no lasting logical slot ${name}`;
    return [problem("no-slot", node.name, { message, hint: "`remaster status` shows its slots" })];
  }
  return [];
}

export function planSlotFailover(
  topology: Topology,
  { node: name, slot: slotName }: SlotFailoverRequest,
): Decision {
  const node = observationOf(topology, name);
  const reach = refuseOn(checkReachable(node));
  if (reach !== null || !node.reachable) return reach ?? { kind: "already", findings: [] };
  const refusal = refuseOn([
    ...checkBelongs(topology, node),
    ...checkSlot(node, slotName),
    ...checkRights(node, "slots"),
  ]);
  if (refusal !== null) return refusal;
  const slot = node.slots.find((each) => each.slotName === slotName);
  if (slot === undefined || slot.failover === true) return { kind: "already", findings: [] };
  const step = { verb: "slot-failover", node: name, slot: slotName } as const;
  return decidePlan("slot-failover", topology, {
    stages: stage("have the standbys keep copies of it", [
      planned(topology, step, { required: true }),
    ]),
    findings: tellOfFlagging(node, slot),
  });
}
