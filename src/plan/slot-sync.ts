// Decides slot-sync: which copies of logical slots are to be made, or brought level, on which standbys. A slot that nothing can
// be done for is told of and holds up no other; what needs a setting or a restart waits for the operator's word.

import type { Finding } from "../topology/finding.ts";
import { findKeptSlots, type KeptSlot, type SlotWish } from "../topology/kept-slots.ts";
import { solePrimary } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkReachable } from "./checks.ts";
import { keepingOf, type Keeping, pruneStages } from "./keep-slots.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

export interface SlotSyncRequest extends SlotWish {
  /** `keep`: the standbys' physical slots for their siblings as well. `prune`: and drop those of ours that nobody needs. */
  readonly physical?: "keep" | "prune";
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

/** A copy that is ready and level needs nothing. */
function needsWork({ against, repeatBytes }: KeptSlot): boolean {
  return against === null ? repeatBytes !== 0n : against.of === "copy";
}

function physicalStages(topology: Topology, { physical, standbys = [] }: SlotSyncRequest): Keeping {
  if (physical === undefined) return { stages: [], findings: [] };
  const { stages, findings } = keepingOf(topology, standbys);
  const pruned = physical === "prune" ? pruneStages(topology, standbys) : [];
  return { stages: [...stages, ...pruned], findings };
}

export function planSlotSync(topology: Topology, request: SlotSyncRequest): Decision {
  const refusal = refuseOn([
    ...checkSolePrimary(topology),
    ...(request.standbys ?? []).flatMap((name) => checkReachable(observationOf(topology, name))),
  ]);
  if (refusal !== null) return refusal;
  const kept = findKeptSlots(topology, request);
  const work = kept.filter(needsWork);
  const { stages: physical, findings } = physicalStages(topology, request);
  if (work.length + physical.length === 0) return { kind: "already", findings };
  const nodes = [...new Set(work.map(({ node }) => node))];
  const steps = nodes.map((node) => {
    const slots = work.filter((each) => each.node === node).map(({ slot }) => slot.slotName);
    const restart = request.allowRestart ? ({ allowRestart: true } as const) : {};
    const step = { verb: "slot-sync", node, slots, ...restart } as const;
    return planned(topology, step, { required: false });
  });
  return decidePlan("slot-sync", topology, {
    // What may take long comes last: the others do not wait for it.
    stages: [...physical, ...stage("bring the standbys' copies of the slots level", steps)],
    findings,
  });
}
