// What becomes of the slot that remaster made for a standby, once that standby has been led away from the node that has it:
// nobody uses it any more, and it holds WAL until the disk is full. Only a slot by our own name for the very standby is
// meant; somebody else's is left alone. Dropped last, when the standby has been seen to follow: until then the way back
// needs it.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { settingText } from "../topology/settings.ts";
import { reachedNode } from "../topology/structure.ts";
import { findNodeAt, type Topology } from "../topology/topology.ts";
import { checkRights } from "./checks.ts";
import { stepCommandLine } from "./command-line.ts";
import type { PlannedStep } from "./plan.ts";
import { observationOf, planned } from "./request.ts";

export interface LeftSlots {
  readonly steps: readonly PlannedStep[];
  /** Slots that will be left, and why. */
  readonly findings: readonly Finding[];
}

/** The standbys' slots on the nodes that they leave for `to`. */
export function leftSlots(
  topology: Topology,
  standbys: readonly ReachedNode[],
  to: string,
): LeftSlots {
  const left = standbys.flatMap((standby) => {
    const slot = physicalSlotName(standby.name, null);
    const { configuredUpstream, marks } = standby;
    const node = configuredUpstream === null ? null : findNodeAt(topology, configuredUpstream);
    if (node === null || node === to || node === standby.name) return [];
    // A standby that was told already may have got the name with that: of a node out of reach nothing is known then.
    const there = marks.repointing === null || hasPhysical(topology, { node, slot });
    return there && settingText(standby, "primary_slot_name") === slot ? [{ node, slot }] : [];
  });
  const findings = left.flatMap((each) => whyLeft(topology, each));
  const kept = new Set(findings.map(({ node }) => node));
  const steps = left
    .filter((each) => !kept.has(each.node) && hasPhysical(topology, each))
    .map(({ node, slot }) =>
      planned(topology, { verb: "drop-slot", node, slot }, { required: false }),
    );
  return { steps, findings };
}

interface LeftSlot {
  readonly node: string;
  readonly slot: string;
}

function hasPhysical(topology: Topology, { node, slot }: LeftSlot): boolean {
  const slots = reachedNode(topology, node)?.slots ?? [];
  return slots.some((each) => each.slotName === slot && each.slotType === "physical");
}

function whyLeft(topology: Topology, left: LeftSlot): readonly Finding[] {
  const node = observationOf(topology, left.node);
  if (!node.reachable) return [tellOfLeft(left, node.reason)];
  if (!hasPhysical(topology, left)) return [];
  return checkRights(node, "slots").length === 0
    ? []
    : [tellOfLeft(left, "the role may not drop it")];
}

export function tellOfLeft({ node, slot }: LeftSlot, why: string): Finding {
  return {
    code: "slot-left",
    severity: "note",
    node,
    message: `slot ${slot} is left on ${node}: ${why}`,
    hint: `\`${stepCommandLine({ verb: "drop-slot", node, slot })}\``,
  };
}
