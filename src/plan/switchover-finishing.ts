// Decides what is left of a switchover that was cut short. Behind its promotion: the old primary is to come back, siblings are
// to be settled. Between the shutdown and the promotion: nobody leads, and whoever has everything may be promoted; the old
// primary cannot take writes as long as its next start is that of a standby. Before, a switchover begins anew.

import { type DemotedNode, findDemoted, hasAllOf } from "../topology/demoted.ts";
import type { Finding } from "../topology/finding.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { isOfBefore } from "../topology/former-slot.ts";
import { settingText } from "../topology/settings.ts";
import { reachedNode, standbysOf } from "../topology/structure.ts";
import { streamsFrom, type Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import { checkBelongs, checkReachable, checkRights, checkSettings } from "./checks.ts";
import { findUnfollowing } from "./following.ts";
import { isPhysical } from "./made-slots.ts";
import { checkNothingPending, toldOf } from "./pending.ts";
import type { Decision, Stage } from "./plan.ts";
import { closedPrimaries, openStages } from "./new-slots.ts";
import { checkMayLead } from "./promote.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { checkNoRivals } from "./rivals.ts";
import { isKeptForSibling } from "./sibling-slots.ts";
import { findMovable, type Move, movesOf, repointStages } from "./siblings.ts";

/** Null where nothing is left of an earlier one, or where something else is wanted than what it was about. */
export function finishSwitchover(topology: Topology, wanted: string | null): Decision | null {
  if (topology.primaries.length === 0) return promoteAfterAll(topology, wanted);
  const leader = soleLeader(topology) ?? leaderToOpen(topology);
  if (leader === null || (wanted !== null && wanted !== leader.name)) return null;
  const { stages, findings } = settleUnder(topology, leader, wanted);
  return stages.length === 0 ? null : decidePlan("switchover", topology, { stages, findings });
}

/** The one that takes writes; a former one that is fenced takes none. */
export function soleLeader(topology: Topology): ReachedNode | null {
  const open = topology.primaries
    .map((name) => reachedNode(topology, name))
    .filter((node) => node?.marks.fenced === false);
  const [only, second] = open;
  return second === undefined ? (only ?? null) : null;
}

/** The one that was promoted and is closed for the slots that it is to get: whoever led before is fenced. */
export function leaderToOpen(topology: Topology): ReachedNode | null {
  const [only, second] = closedPrimaries(topology);
  if (only === undefined || second !== undefined) return null;
  const others = topology.primaries.filter((name) => name !== only.name);
  const areFenced = others.every((name) => reachedNode(topology, name)?.marks.fenced === true);
  return areFenced ? only : null;
}

/** What follows the promotion. */
function settleUnder(
  topology: Topology,
  leader: ReachedNode,
  wanted: string | null,
): { readonly stages: readonly Stage[]; readonly findings: readonly Finding[] } {
  const { name: to } = leader;
  const names = [...findDemoted(topology).map(({ name }) => name), ...stillFenced(topology)];
  const back = [...new Set(names)].map((node) =>
    planned(topology, { verb: "rejoin", node, to }, { required: true }),
  );
  const closed = topology.primaries
    .filter((name) => name !== to)
    .map((of) => planned(topology, { verb: "unfence", node: to, of }, { required: true }));
  // Who asks for a change of the lead means no standby that went astray by itself.
  const astray = wanted === null ? [] : findUnfollowing(topology, to);
  const { able, findings } = findMovable(topology, leader);
  const all = movesOf(topology, able, { candidate: to, torn: new Set() });
  const returning = back.map(({ step }) => step.node);
  const unsettled = all.filter(({ node }) => {
    const { name, marks } = node;
    if (returning.includes(name)) return false;
    // A mark that was left behind on one that follows for good.
    return toldOf(topology, node) === to || astray.includes(name) || marks.demoted === true;
  });
  const stages = [
    ...(leader.marks.awaits === undefined ? [] : openStages(topology, to)),
    ...stage("bring the old primary back as a standby", back),
    ...stage(`give ${to} back what the fence took away`, closed),
    ...repointStages(topology, unsettled, {
      until: "follow",
      reason: (upstream) => `see them follow ${upstream}`,
    }),
  ];
  if (stages.length === 0 && wanted === null) return { stages, findings: [] };
  return {
    stages: [...stages, ...leftSlotStages(topology, leader, directly(all, to))],
    findings: unsettled.length > 0 || back.length > 0 ? findings : [],
  };
}

/** Former primaries that are standbys by now, and would lead fenced: their fence was not lifted to the end. */
function stillFenced(topology: Topology): readonly string[] {
  return standbysOf(topology)
    .filter(({ marks }) => marks.fenced && marks.awaits === undefined)
    .map(({ name }) => name);
}

/** Slots on standbys of nodes that follow the leader, or are it, which were last used before it led. */
function leftSlotStages(
  topology: Topology,
  leader: ReachedNode,
  below: readonly ReachedNode[],
): readonly Stage[] {
  const down = findDemoted(topology).filter(({ isDown }) => isDown);
  const isLeft = (slot: Slot): boolean => isOfBefore(slot, leader);
  return [...down.map(({ name }) => name), ...standbysOf(topology).map(({ name }) => name)].flatMap(
    (name) => staleSlotStage(topology, name, { leaving: [leader, ...below], isLeft }),
  );
}

/** Nobody leads: whom the old primary was handing over to may, if it has everything. */
function promoteAfterAll(topology: Topology, wanted: string | null): Decision | null {
  const [demoted, another] = findDemoted(topology);
  if (demoted === undefined || another !== undefined) return null;
  const { to } = demoted;
  if (to === null || (wanted !== null && wanted !== to)) {
    return refuseOn([handedToAnother(demoted, wanted)]);
  }
  const next = observationOf(topology, to);
  if (!next.reachable) return refuseOn(checkReachable(next));
  const refusal = refuseOn([
    ...checkBelongs(topology, next),
    ...checkMayLead(next),
    ...checkNothingPending(topology, to),
    ...checkNoRivals(topology, { name: to, except: [demoted.name], handedTo: null }),
    ...checkRights(next, "promotion"),
    ...checkSettings(next),
    ...checkHasAll(topology, next, demoted),
  ]);
  if (refusal !== null) return refusal;
  return decidePlan("switchover", topology, {
    stages: promotionStages(topology, next, demoted),
    noReturn: "promote",
  });
}

function promotionStages(
  topology: Topology,
  next: ReachedNode,
  demoted: DemotedNode,
): readonly Stage[] {
  const [node, to] = [demoted.name, next.name];
  const { able } = findMovable(topology, next);
  const siblings = able.filter(({ name }) => name !== node);
  const all = movesOf(topology, siblings, { candidate: to, torn: new Set() });
  const moves = all.filter(
    (move) => toldOf(topology, move.node) !== null || !streamsFrom(topology, move.node.name, to),
  );
  const isClosed = next.marks.awaits !== undefined;
  const one = (reason: string, step: Parameters<typeof planned>[1]) =>
    stage(reason, [planned(topology, step, { required: true })]);
  return [
    ...one(`make ${to} the primary, on a new timeline`, {
      verb: "promote",
      node: to,
      require: null,
      ...(isClosed ? { closed: true as const } : {}),
    }),
    ...(isClosed ? openStages(topology, to) : []),
    ...one(`bring ${node} back as a standby`, { verb: "rejoin", node, to }),
    ...repointStages(topology, moves, {
      until: "follow",
      reason: (upstream) => `see them follow ${upstream}`,
    }),
    ...staleSlotStage(topology, node, { leaving: [next, ...directly(all, to)] }),
  ];
}

/** Those that are to stream from the node itself. */
function directly(moves: readonly Move[], upstream: string): readonly ReachedNode[] {
  return moves.filter(({ to }) => to === upstream).map(({ node }) => node);
}

/** The slots on the old primary of those who have left it: as a standby it would hold WAL for them for ever. Of one that is
 * down it is not known which are there. */
export function staleSlotStage(
  topology: Topology,
  old: string,
  {
    leaving,
    isLeft = () => true,
  }: { readonly leaving: readonly ReachedNode[]; readonly isLeft?: (slot: Slot) => boolean },
): readonly Stage[] {
  const node = reachedNode(topology, old);
  const others = leaving.filter((each) => each.name !== old);
  const names = [...new Set(others.map((each) => settingText(each, "primary_slot_name") ?? ""))];
  const isThere = (name: string): boolean =>
    node?.slots.some((slot) => isPhysical(slot) && slot.slotName === name && isLeft(slot)) !==
      false &&
    (node === null || !isKeptForSibling(topology, node, name));
  const steps = names
    .filter((name) => name !== "" && isThere(name))
    .map((slot) => planned(topology, { verb: "drop-slot", node: old, slot }, { required: false }));
  return stage(`let go of the slots that ${old} has for them`, steps);
}

function handedToAnother({ name, to }: DemotedNode, wanted: string | null): Finding {
  const message =
    to === null
      ? `${name} was shut down to become a standby of a node that is not in the topology file`
      : `${name} handed over to ${to}, and not to ${wanted ?? "another node"}: ${to} may have been asked to lead`;
  const first = to === null ? "" : `\`remaster switchover --to ${to}\` goes on, `;
  return problem("not-handed-over", name, {
    message,
    hint: `${first}\`remaster undo\` makes ${name} the primary again`,
  });
}

function checkHasAll(topology: Topology, next: ReachedNode, demoted: DemotedNode): Finding[] {
  if (hasAllOf(topology, next, demoted)) return [];
  const { name, at } = demoted;
  const message =
    at === null
      ? `${name} was not shut down cleanly, or may come back as a primary: what it has beyond ${next.name} is not known`
      : `${next.name} has not replayed what ${name} had at its end, ${formatPosition(at)}`;
  return [
    problem("not-handed-over", next.name, {
      message,
      hint: `\`remaster undo\` makes ${name} the primary again`,
    }),
  ];
}
