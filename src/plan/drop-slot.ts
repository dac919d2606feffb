// Decides drop-slot: a physical slot that nobody uses holds WAL until the disk is full. One that a standby streams from, or
// names for that node, is left alone; so is a logical one, whose consumer would have to start anew.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { standbysOf } from "../topology/structure.ts";
import { settingText } from "../topology/settings.ts";
import { findNodeAt, type Topology } from "../topology/topology.ts";
import { checkBelongs, checkReachable, checkRights } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

export interface DropSlotRequest {
  readonly node: string;
  readonly slot: string;
}

/** Whether the standby, without marks, is to stream from that node. */
function belongsBelow(topology: Topology, standby: ReachedNode, node: string): boolean {
  const { configuredUpstream } = standby;
  return configuredUpstream !== null && findNodeAt(topology, configuredUpstream) === node;
}

function checkUnused(topology: Topology, node: ReachedNode, slotName: string): Finding[] {
  const slot = node.slots.find((each) => each.slotName === slotName);
  if (slot?.slotType === "logical") {
    return [
      problem("slot-in-use", node.name, {
        message: `slot ${slotName} on ${node.name} is a logical one`,
        hint: `if its consumer is gone for good: SELECT pg_drop_replication_slot('${slotName}') there`,
      }),
    ];
  }
  const user = standbysOf(topology).find(
    (standby) =>
      settingText(standby, "primary_slot_name") === slotName &&
      belongsBelow(topology, standby, node.name),
  );
  if (user === undefined && slot?.active !== true) return [];
  const who = user === undefined ? "somebody streams from it" : `${user.name} names it as its own`;
  return [
    problem("slot-in-use", node.name, {
      message: `slot ${slotName} on ${node.name} is in use: ${who}`,
      hint: "point its user elsewhere first: `remaster repoint`",
    }),
  ];
}

export function planDropSlot(topology: Topology, { node: name, slot }: DropSlotRequest): Decision {
  const node = observationOf(topology, name);
  const reach = refuseOn(checkReachable(node));
  if (reach !== null || !node.reachable) return reach ?? { kind: "already", findings: [] };
  const refusal = refuseOn([
    ...checkBelongs(topology, node),
    ...checkUnused(topology, node, slot),
    ...checkRights(node, "slots"),
  ]);
  if (refusal !== null) return refusal;
  if (!node.slots.some((each) => each.slotName === slot)) return { kind: "already", findings: [] };
  const step = planned(topology, { verb: "drop-slot", node: name, slot }, { required: true });
  return decidePlan("drop-slot", topology, {
    stages: stage("let go of the WAL that it holds", [step]),
  });
}
