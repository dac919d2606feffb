// Decides undo: take back what an interrupted run left before its point of no return. Reads the marks on the nodes and
// nothing else, so that anybody can do it from anywhere. Refuses where a promotion may have been asked for, unless the
// node shows that it was not: then taking the word back from its siblings would leave two lines to come true.

import { findDemoted } from "../topology/demoted.ts";
import type { Finding } from "../topology/finding.ts";
import { hasPlaceOn } from "../topology/former-slot.ts";
import type { ReachedNode } from "../topology/node.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { ourNodes, reachedNode, reachedNodes, standbysOf } from "../topology/structure.ts";
import { findNodeAt, type Topology, upstreamChain } from "../topology/topology.ts";
import { checkReachable, checkRights, checkSettings } from "./checks.ts";
import { type FoundSlot, isPhysical, madeSlots } from "./made-slots.ts";
import { closedPrimaries, closedStandbys } from "./new-slots.ts";
import { checkNotPending, toldOf } from "./pending.ts";
import type { Decision } from "./plan.ts";
import { isMarked } from "./quiesce.ts";
import { decidePlan, planned, problem, refuseOn, stage } from "./request.ts";
import { checkMayTakeWrites } from "./rivals.ts";
import { isKeptForSibling } from "./sibling-slots.ts";

/** A cascade that was about to be led below the primary can be led back; a sibling of a node that was promoted cannot. */
function stillHasUpstream(topology: Topology, node: ReachedNode, primary: string): boolean {
  const { configuredUpstream } = node;
  const own = configuredUpstream === null ? null : findNodeAt(topology, configuredUpstream);
  if (own === null) return false;
  if (own === primary) return true;
  if (!hasPlaceOn(topology, own, node)) return false;
  const above = [own, ...upstreamChain(topology, own).slice(0, -1)];
  const flows = above.every((name) => topology.edges.get(name)?.streaming === true);
  return flows && upstreamChain(topology, own).includes(primary);
}

/** Who leads by now, of those that the marks were made for. */
function checkNotPromoted(topology: Topology, marked: readonly ReachedNode[]): Finding[] {
  const leading = marked.flatMap((node) => {
    if (node.role === "primary") return [node.name];
    const told = toldOf(topology, node);
    if (told === null || !topology.primaries.includes(told)) return [];
    return stillHasUpstream(topology, node, told) ? [] : [told];
  });
  return [...new Set(leading)].map((name) =>
    problem("promotion-done", name, {
      message: `${name} leads: what was done for its promotion cannot be taken back`,
      hint: "finish it: the same verb once more",
    }),
  );
}

/** A mark that leads to no node of the topology file: what its maker was about to do there cannot be seen. An exchange is
 * about to do nothing. */
function checkKnown(topology: Topology, marked: readonly ReachedNode[]): Finding[] {
  return marked.flatMap((node) => {
    const { repointing, exchanging } = node.marks;
    if (repointing === null || exchanging === true) return [];
    if (findNodeAt(topology, repointing) !== null) return [];
    return [
      problem("promotion-may-be-pending", node.name, {
        message: `${node.name} was told to follow ${repointing.host}:${repointing.port}, which is no node of the topology file`,
        hint: `make sure that nothing there is about to lead, then \`remaster unquiesce ${node.name}\``,
      }),
    ];
  });
}

/** Slots by our own name for a standby that neither streams from there nor is to: made for a word that was never said, or
 * that was said anew of another node. */
function forgottenSlots(topology: Topology): readonly FoundSlot[] {
  return ourNodes(topology).flatMap((node) =>
    standbysOf(topology).flatMap((standby) => {
      const { name, configuredUpstream, marks } = standby;
      const own = configuredUpstream === null ? null : findNodeAt(topology, configuredUpstream);
      const users = [own, topology.edges.get(name)?.upstream, nodeToldOf(topology, marks)];
      if (own === null || name === node.name || users.includes(node.name)) return [];
      return node.slots
        .filter(
          (slot) =>
            isPhysical(slot) && !slot.active && slot.slotName === physicalSlotName(name, null),
        )
        .filter(({ slotName }) => !isKeptForSibling(topology, node, slotName))
        .map((slot) => ({ node, slot: slot.slotName }));
    }),
  );
}

/** A primary that was about to hand over, or did, and is not followed by another one yet. */
function handingOver(topology: Topology): readonly string[] {
  const about = ourNodes(topology).filter(
    ({ role, marks }) => role === "primary" && marks.demoted === true,
  );
  return [...about, ...findDemoted(topology)].map(({ name }) => name);
}

/** Who leads by now in its place; or which of several led last cannot be told. */
function checkNotHandedOver(topology: Topology, handing: readonly string[]): Finding[] {
  const over = handing.filter((name) => !topology.primaries.includes(name));
  if (over.length > 0 && topology.primaries.length > 0) {
    return topology.primaries.map((name) =>
      problem("promotion-done", name, {
        message: `${name} leads: what was done for its promotion cannot be taken back`,
        hint: `finish it: \`remaster switchover --to ${name}\``,
      }),
    );
  }
  if (handing.length <= 1) return [];
  return [
    problem("not-handed-over", null, {
      message: `${handing.join(", ")} bear the mark of a demotion: which of them led last is not certain`,
      hint: "`remaster status` shows their timelines and positions; `remaster reinstate NODE` makes one the primary again",
    }),
  ];
}

/** Who leads closed, for the slots that it is to get, leads for good. */
function checkNotClosed(topology: Topology): Finding[] {
  return closedPrimaries(topology).map(({ name }) =>
    problem("promotion-done", name, {
      message: `${name} leads, closed until it has its logical slots: what was done for its promotion cannot be taken back`,
      hint: `finish it: \`remaster switchover --to ${name}\``,
    }),
  );
}

/** What was made for one that is down: its own word on it cannot be asked for. */
function slotsForDemoted(topology: Topology): readonly FoundSlot[] {
  return findDemoted(topology).flatMap(({ name, to }) => {
    const node = to === null ? null : reachedNode(topology, to);
    if (node === null) return [];
    return node.slots
      .filter(({ active, slotName }) => !active && slotName === physicalSlotName(name, null))
      .map(({ slotName: slot }) => ({ node, slot }));
  });
}

function distinct(slots: readonly FoundSlot[]): readonly FoundSlot[] {
  return slots.filter(
    ({ node, slot }, at) =>
      slots.findIndex((each) => each.node.name === node.name && each.slot === slot) === at,
  );
}

function nodeToldOf(topology: Topology, { repointing }: ReachedNode["marks"]): string | null {
  return repointing === null ? null : findNodeAt(topology, repointing);
}

/** What a node bears that lets nobody in is not known. */
function unseen(topology: Topology): readonly Finding[] {
  return [...topology.nodes.values()].flatMap((node): Finding[] => {
    if (node.reachable) return [];
    const { name, reason } = node;
    const message = `${name} cannot be reached, so whether it bears a mark is not known: ${reason}`;
    const hint = "when it is back: `remaster undo` once more";
    return [{ code: "node-unreachable", severity: "warning", node: name, message, hint }];
  });
}

export function planUndo(topology: Topology): Decision {
  const nobody = reachedNodes(topology).length === 0;
  const silence = nobody ? refuseOn([...topology.nodes.values()].flatMap(checkReachable)) : null;
  if (silence !== null) return silence;
  const handing = handingOver(topology);
  const isHanding = ({ name }: ReachedNode): boolean => handing.includes(name);
  const marked = ourNodes(topology).filter((node) => isMarked(node) && !isHanding(node));
  const fenced = ourNodes(topology).filter(
    (node) => node.marks.fenced && node.role === "primary" && !isHanding(node),
  );
  const slots = distinct([
    ...madeSlots(topology, [...marked, ...ourNodes(topology).filter(isHanding)]),
    ...forgottenSlots(topology),
    ...slotsForDemoted(topology),
  ]);
  const closed = closedStandbys(topology).map(({ name }) => name);
  // One that is down may have been fenced before, which does not show.
  const covered = handing.filter(
    (name) => closed.length > 0 || reachedNode(topology, name)?.marks.fenced === true,
  );
  const left = [...marked, ...fenced, ...closed, ...handing, ...slots];
  if (left.length === 0) return { kind: "already", findings: unseen(topology) };
  const refusal =
    refuseOn(checkNotClosed(topology)) ??
    refuseOn(checkNotHandedOver(topology, handing)) ??
    refuseOn(checkNotPromoted(topology, marked)) ??
    refuseOn(
      [...handing, ...fenced.map(({ name }) => name)].flatMap((name) =>
        checkMayTakeWrites(topology, name),
      ),
    ) ??
    refuseOn([...checkNotPending(topology), ...checkKnown(topology, marked)]) ??
    refuseOn([
      ...marked.flatMap(checkSettings),
      ...[...new Set(slots.map(({ node }) => node))].flatMap((node) => checkRights(node, "slots")),
    ]);
  if (refusal !== null) return refusal;
  const required = { required: true };
  return decidePlan("undo", topology, {
    stages: [
      ...stage(
        "let the one lead again that was about to hand over",
        handing.map((node) => planned(topology, { verb: "reinstate", node }, required)),
      ),
      ...stage(
        "let writes back",
        [...covered, ...fenced.map(({ name }) => name)].map((node) =>
          planned(topology, { verb: "unfence", node }, required),
        ),
      ),
      ...stage(
        "have nobody lead closed",
        closed.map((node) => planned(topology, { verb: "unfence", node }, required)),
      ),
      ...stage(
        "give the nodes the values back that they had",
        marked.map(({ name: node }) => planned(topology, { verb: "unquiesce", node }, required)),
      ),
      ...stage(
        "drop the slots that were made for it",
        slots.map(({ node, slot }) =>
          planned(topology, { verb: "drop-slot", node: node.name, slot }, required),
        ),
      ),
    ],
    findings: unseen(topology),
  });
}
