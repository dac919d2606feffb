// Decides slot-sync: which copies of logical slots are to be made, or brought level, on which standbys. A slot that nothing can
// be done for is told of and holds up no other; what needs a setting or a restart waits for the operator's word.

import type { Finding } from "../topology/finding.ts";
import { findKeptSlots, type KeptSlot, type SlotWish } from "../topology/kept-slots.ts";
import { findLeftCopies, type LeftCopy } from "../topology/standby-copy.ts";
import { solePrimary } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkReachable } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

export interface SlotSyncRequest extends SlotWish {
  /** Standbys may be stopped and started, where a copy cannot come to be without. */
  readonly allowRestart: boolean;
}

/** What a failover to that standby would lose. */
export function tellOfUnready(
  { slot, node, primary, against }: KeptSlot,
  severity: Finding["severity"],
): Finding[] {
  if (against === null) return [];
  const { slotName, plugin, database } = slot;
  const what = `${plugin ?? "unknown plugin"} in ${database ?? "an unknown database"}`;
  return [
    {
      code: "slot-would-be-lost",
      severity,
      node: primary,
      message: `logical slot ${slotName} (${what}) would be lost by a failover to ${node}: ${against.reason}`,
      ...(against.remedy === null ? {} : { hint: against.remedy }),
    },
  ];
}

export function checkSolePrimary(topology: Topology): Finding[] {
  if (solePrimary(topology) !== null) return [];
  const [first, second] = topology.primaries;
  const message =
    first !== undefined && second !== undefined
      ? `${topology.primaries.join(" and ")} both take writes`
      : "no primary can be reached: whose slots are meant is not known";
  return [problem("no-primary", null, { message, hint: "see `remaster status`" })];
}

/** One that went with the slot's drop is dropped; of the others nobody knows whether they are all that is left of a slot. */
export function tellOfLeftCopy({ node, copy, dropped }: LeftCopy): Finding[] {
  if (dropped) return [];
  return [
    {
      code: "slot-copy-left",
      severity: "warning",
      node,
      message: `${node} has a copy of logical slot ${copy.slotName}, which was on the primary before the lead changed and is not on this one`,
      hint: `where its consumer is gone: SELECT pg_drop_replication_slot('${copy.slotName}') on ${node}`,
    },
  ];
}

/** A copy that is ready and level needs nothing. One that misses a setting is brought along, so that it holds up no WAL. */
function needsWork({ slot, copy, method, against, repeatBytes }: KeptSlot): boolean {
  if (against === null) return repeatBytes !== 0n;
  if (against.of !== "settings" || method !== "standby-slot") return against.of === "copy";
  const [has, wants] = [copy?.confirmedFlushLsn ?? null, slot.confirmedFlushLsn];
  return has !== null && wants !== null && has < wants;
}

export function planSlotSync(topology: Topology, request: SlotSyncRequest): Decision {
  const refusal = refuseOn([
    ...checkSolePrimary(topology),
    ...(request.standbys ?? []).flatMap((name) => checkReachable(observationOf(topology, name))),
  ]);
  if (refusal !== null) return refusal;
  const kept = findKeptSlots(topology, request).filter(needsWork);
  const left = findLeftCopies(topology, request);
  const work = [
    ...kept.map(({ node, slot }) => ({ node, slotName: slot.slotName })),
    ...left.filter(({ dropped }) => dropped).map(({ node, copy }) => ({ node, ...copy })),
  ];
  const findings = left.flatMap(tellOfLeftCopy);
  if (work.length === 0) return { kind: "already", findings };
  const nodes = [...new Set(work.map(({ node }) => node))];
  const steps = nodes.map((node) => {
    const slots = work.filter((each) => each.node === node).map(({ slotName }) => slotName);
    const restart = request.allowRestart ? ({ allowRestart: true } as const) : {};
    const step = { verb: "slot-sync", node, slots, ...restart } as const;
    return planned(topology, step, { required: false });
  });
  return decidePlan("slot-sync", topology, {
    stages: stage("bring the standbys' copies of the slots level", steps),
    findings,
  });
}
