// Decides failover: the primary is gone, and its standbys go on without it. The exchange is in every plan, because
// what each node holds is certain only once all are still; where nothing is missing it does nothing. Siblings are told
// of their new upstream before the promotion, so that they follow it to the new timeline by themselves.

import { rankCandidates, type Ranking } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { findNodeAt, type Topology, upstreamChain } from "../topology/topology.ts";
import {
  checkChangeable,
  checkNobodyReceives,
  checkPrimaryGone,
  checkReachable,
  checkSettings,
  presumedPrimaries,
} from "./checks.ts";
import { standbysOf } from "../topology/structure.ts";
import type { Decision, Stage } from "./plan.ts";
import { checkAncestry } from "./repoint.ts";
import { decidePlan, planned, problem, refuseOn, stage } from "./request.ts";

export interface FailoverRequest {
  /** Null: the best candidate. */
  readonly to: string | null;
  /** The operator's word that the primary is dead. */
  readonly primaryIsDead: boolean;
  /** How old the last message of an upstream must be to count as silence, milliseconds. */
  readonly patienceMs: number;
}

/** A sibling with the node that it will follow. */
interface Move {
  readonly node: ReachedNode;
  readonly to: string;
}

/** Presumed primaries that nothing vouches for: not the operator's word, and no control that could stop them. */
function checkVouched(topology: Topology, request: FailoverRequest): Finding[] {
  if (request.primaryIsDead) return [];
  const presumed = presumedPrimaries(topology);
  const unvouched = presumed.filter((name) => topology.nodes.get(name)?.hasControl !== true);
  if (presumed.length > 0 && unvouched.length === 0) return [];
  const who = unvouched.length === 0 ? "the old primary" : unvouched.join(" and ");
  return [
    problem("not-vouched", unvouched[0] ?? null, {
      message: `nothing vouches that ${who} stays dead`,
      hint: "make sure of it, then say so with --primary-is-dead; or give the node a `control.stop`",
    }),
  ];
}

/** The node that the others were told to follow by a run that did not finish. */
function pendingCandidate(topology: Topology): string | null {
  for (const node of standbysOf(topology)) {
    const target = node.marks.repointing;
    const name = target === null ? null : findNodeAt(topology, target);
    const found = name === null ? undefined : topology.nodes.get(name);
    if (found?.reachable === true && found.promotable) return found.name;
  }
  return null;
}

function checkCandidate(topology: Topology, ranking: Ranking, to: string | null): Finding[] {
  const named = to === null ? undefined : topology.nodes.get(to);
  if (named !== undefined && !named.reachable) return checkReachable(named);
  if (ranking.candidate !== null) return [];
  const considered = ranking.ranking.filter((ranked) => to === null || ranked.node === to);
  const reasons = considered.map((ranked) => `${ranked.node}: ${ranked.reasons.join(", ")}`);
  return [
    problem("no-candidate", to, {
      message: `no standby may be promoted (${reasons.join("; ")})`,
      hint: "see `remaster compare-lsn`",
    }),
  ];
}

/** Each sibling goes to the candidate, but one that streams from another sibling stays below it. */
function siblingMoves(
  topology: Topology,
  candidate: ReachedNode,
): { readonly moves: readonly Move[]; readonly findings: readonly Finding[] } {
  const siblings = standbysOf(topology).filter((node) => node.name !== candidate.name);
  const findings: Finding[] = [];
  const able = siblings.filter((node) => {
    const against = [...checkSettings(node), ...checkAncestry(topology, node, candidate)].filter(
      // What a sibling has beyond the candidate, the exchange brings to the candidate first.
      (finding) => finding.code !== "ahead-of-upstream",
    );
    findings.push(...against);
    return against.length === 0;
  });
  const names = new Set(able.map((node) => node.name));
  const moves = able.map((node) => {
    const [upstream] = upstreamChain(topology, node.name);
    const stays =
      upstream !== undefined &&
      names.has(upstream) &&
      !upstreamChain(topology, upstream).includes(node.name);
    return { node, to: stays ? upstream : candidate.name };
  });
  return { moves, findings };
}

function repointStages(
  moves: readonly Move[],
  until: "set" | "follow",
  reason: (to: string) => string,
): readonly Stage[] {
  const upstreams = [...new Set(moves.map((move) => move.to))];
  return upstreams.flatMap((to) =>
    stage(
      reason(to),
      moves
        .filter((move) => move.to === to)
        // Held-up replay keeps a node from following for as long as it lasts: it is told, and reported.
        .filter((move) => until === "set" || move.node.replay === "running")
        .map((move) =>
          planned(
            { verb: "repoint", node: move.node.name, to, until },
            { required: false, before: move.node },
          ),
        ),
    ),
  );
}

function stopStage(topology: Topology, request: FailoverRequest): readonly Stage[] {
  if (request.primaryIsDead) return [];
  return stage(
    "make sure that the old primary stays away",
    presumedPrimaries(topology).map((node) =>
      planned({ verb: "stop", node }, { required: true, before: null }),
    ),
  );
}

function quiesceStage(topology: Topology, candidate: string): readonly Stage[] {
  const steps = standbysOf(topology)
    .filter((node) => checkChangeable(node, { cancelQueries: false }).length === 0)
    .map((node) =>
      planned(
        { verb: "quiesce", node: node.name, cancelQueries: false },
        { required: node.name === candidate, before: node },
      ),
    );
  return stage("still every standby, so that what each one has is certain", steps);
}

function heldUp(moves: readonly Move[]): Finding[] {
  return moves
    .filter((move) => move.node.replay !== "running")
    .map((move) =>
      problem("replay-held-up", move.node.name, {
        message: `replay on ${move.node.name} is ${move.node.replay}: it follows ${move.to} once it has replayed`,
        hint: `then run \`remaster repoint ${move.node.name} --to ${move.to}\``,
      }),
    );
}

/** A node leads already: what is left is to bring those to it that do not follow yet. */
function finish(topology: Topology, primary: ReachedNode, request: FailoverRequest): Decision {
  const lost = [...topology.nodes.values()].some((node) => !node.reachable);
  const { moves, findings } = siblingMoves(topology, primary);
  const stragglers = moves.filter(({ node }) => {
    const edge = topology.edges.get(node.name);
    return edge?.streaming !== true || node.marks.repointing !== null;
  });
  const wanted = request.to === null || request.to === primary.name;
  if (!wanted || (!lost && stragglers.length === 0)) {
    return refuseOn(checkPrimaryGone(topology)) ?? { kind: "already", findings };
  }
  const alone = refuseOn(
    checkNobodyReceives(topology, { patienceMs: request.patienceMs, except: [primary.name] }),
  );
  if (alone !== null) return alone;
  if (stragglers.length === 0) return { kind: "already", findings };
  const stages = repointStages(stragglers, "follow", (to) => `have them follow ${to}`);
  return decidePlan("failover", topology, {
    stages,
    findings: [...findings, ...heldUp(stragglers)],
  });
}

export function planFailover(topology: Topology, request: FailoverRequest): Decision {
  const [leader, second] = topology.primaries;
  if (leader !== undefined) {
    const primary = topology.nodes.get(leader);
    if (second !== undefined || primary?.reachable !== true) {
      return refuseOn(checkPrimaryGone(topology)) ?? { kind: "already", findings: [] };
    }
    return finish(topology, primary, request);
  }
  const pending = pendingCandidate(topology);
  if (pending !== null && request.to !== null && request.to !== pending) {
    const message = `the standbys were told to follow ${pending}, whose promotion may be pending`;
    const hint = `finish it with \`remaster failover --to ${pending}\`, or stop ${pending} first`;
    return {
      kind: "refused",
      outcome: "refused",
      findings: [problem("promotion-may-be-pending", pending, { message, hint })],
    };
  }
  const to = request.to ?? pending;
  const ranking = rankCandidates(topology, to === null ? {} : { to });
  const refusal =
    refuseOn([
      ...checkPrimaryGone(topology),
      ...checkNobodyReceives(topology, request),
      ...checkCandidate(topology, ranking, to),
    ]) ?? refuseOn(checkVouched(topology, request));
  if (refusal !== null) return refusal;
  const candidate = topology.nodes.get(ranking.candidate ?? "");
  if (candidate?.reachable !== true) throw new Error("the candidate is not reachable");
  const blocked = refuseOn(checkChangeable(candidate, { cancelQueries: false }));
  if (blocked !== null) return blocked;
  return decidePlan("failover", topology, composeFailover(topology, candidate, request));
}

function composeFailover(topology: Topology, candidate: ReachedNode, request: FailoverRequest) {
  const { name } = candidate;
  const { moves, findings } = siblingMoves(topology, candidate);
  const exchange = planned(
    { verb: "exchange", node: name, from: null },
    { required: true, before: candidate },
  );
  const promote = planned(
    { verb: "promote", node: name, require: null },
    { required: true, before: candidate },
  );
  const stages = [
    ...stopStage(topology, request),
    ...quiesceStage(topology, name),
    ...stage(`bring ${name} what any reachable node has and it lacks`, [exchange]),
    ...repointStages(moves, "set", (to) => `tell them of ${to} before it leads`),
    ...stage(`make ${name} the primary, on a new timeline`, [promote]),
    ...repointStages(moves, "follow", (to) => `see them follow ${to}`),
  ];
  return { stages, noReturn: "promote" as const, findings: [...findings, ...heldUp(moves)] };
}
