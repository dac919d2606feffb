// Decides what is left of a switchover that was cut short. Behind its promotion: the old primary is to come back, siblings are
// to be settled. Between the shutdown and the promotion: nobody leads, and whoever has everything may be promoted; the old
// primary cannot take writes as long as its next start is that of a standby. Before, a switchover begins anew.

import { type DemotedNode, findDemoted, hasAllOf } from "../topology/demoted.ts";
import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { reachedNode, standbysOf } from "../topology/structure.ts";
import { streamsFrom, type Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import { checkBelongs, checkReachable, checkRights, checkSettings } from "./checks.ts";
import { checkNothingPending, toldOf } from "./pending.ts";
import type { Decision, Stage } from "./plan.ts";
import { checkMayLead } from "./promote.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { findMovable, movesOf, repointStages } from "./siblings.ts";

/** Null where nothing is left of an earlier one, or where something else is wanted than what it was about. */
export function finishSwitchover(topology: Topology, wanted: string | null): Decision | null {
  if (topology.primaries.length === 0) return promoteAfterAll(topology, wanted);
  const leader = soleLeader(topology);
  if (leader === null || (wanted !== null && wanted !== leader.name)) return null;
  const { stages, findings } = settleUnder(topology, leader);
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

/** What follows the promotion. */
function settleUnder(
  topology: Topology,
  leader: ReachedNode,
): { readonly stages: readonly Stage[]; readonly findings: readonly Finding[] } {
  const { name: to } = leader;
  const back = findDemoted(topology).map(({ name: node }) =>
    planned(topology, { verb: "rejoin", node, to }, { required: true }),
  );
  const closed = topology.primaries
    .filter((name) => name !== to)
    .map((of) => planned(topology, { verb: "unfence", node: to, of }, { required: true }));
  const told = standbysOf(topology).filter((node) => toldOf(topology, node) === to);
  const { able, findings } = findMovable(topology, leader);
  const unsettled = movesOf(topology, able, { candidate: to, torn: new Set() }).filter(
    ({ node }) => told.includes(node) && node.marks.demoted !== true,
  );
  return {
    stages: [
      ...stage(`bring the old primary back as a standby`, back),
      ...stage(`give ${to} back what the fence took away`, closed),
      ...repointStages(topology, unsettled, {
        until: "follow",
        reason: (upstream) => `see them follow ${upstream}`,
      }),
    ],
    findings: unsettled.length > 0 || back.length > 0 ? findings : [],
  };
}

/** Nobody leads: whom the old primary was handing over to may, if it has everything. */
function promoteAfterAll(topology: Topology, wanted: string | null): Decision | null {
  const [demoted, another] = findDemoted(topology);
  if (demoted === undefined || another !== undefined) return null;
  const to = wanted ?? demoted.to;
  if (to === null) return refuseOn([nobodyTold(demoted)]);
  const next = observationOf(topology, to);
  if (!next.reachable) return refuseOn(checkReachable(next));
  const refusal = refuseOn([
    ...checkBelongs(topology, next),
    ...checkMayLead(next),
    ...checkNothingPending(topology, to),
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
  const moves = movesOf(topology, siblings, { candidate: to, torn: new Set() }).filter(
    (move) => toldOf(topology, move.node) !== null || !streamsFrom(topology, move.node.name, to),
  );
  const one = (reason: string, step: Parameters<typeof planned>[1]) =>
    stage(reason, [planned(topology, step, { required: true })]);
  return [
    ...one(`make ${to} the primary, on a new timeline`, {
      verb: "promote",
      node: to,
      require: null,
    }),
    ...one(`bring ${node} back as a standby`, { verb: "rejoin", node, to }),
    ...repointStages(topology, moves, {
      until: "follow",
      reason: (upstream) => `see them follow ${upstream}`,
    }),
  ];
}

function nobodyTold({ name }: DemotedNode): Finding {
  return problem("not-handed-over", name, {
    message: `${name} was shut down to become a standby of a node that is not in the topology file`,
    hint: "name the one that is to lead: --to NODE, or `remaster undo` makes it the primary again",
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
