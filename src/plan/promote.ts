// Decides promote: the one act that cannot be taken back, so the one with most preconditions. A promotion that is asked
// for twice is harmless; a second node promoted beside the first is not.

import { rankCandidates } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import { hidesWal, mayHoldMore } from "../topology/hidden.ts";
import type { ReachedNode } from "../topology/node.ts";
import { reachedNode, standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { comparePositions, formatPosition, type Position } from "../wal/position.ts";
import {
  checkBelongs,
  checkNobodyReceives,
  checkOnLine,
  checkPrimaryGone,
  checkReachable,
  checkReplay,
  checkRights,
  checkSettings,
  checkStandbyMode,
} from "./checks.ts";
import type { Decision } from "./plan.ts";
import { checkLineKept } from "./given-up.ts";
import { checkNothingPending } from "./pending.ts";
import { isMarked } from "./quiesce.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

export interface PromoteRequest {
  readonly node: string;
  readonly require: Position | null;
  readonly patienceMs: number;
  /** The operator accepts that what other nodes have beyond this one is lost. */
  readonly acceptDataLoss: boolean;
  /** One that was closed for the slots that it is to get stays closed. */
  readonly closed?: true;
  /** Fenced primaries that are past the required position, with where the first record of a transaction is behind it: null
   * where there is none, and all of it is the server's own. Who could not be asked is not among them. */
  readonly past?: ReadonlyMap<string, Position | null>;
}

/** A fenced primary takes no more writes, so another may lead; what it writes by itself behind the required position, such as
 * checkpoints, is nobody's loss. */
function fencedAway(
  topology: Topology,
  { require, past }: Pick<PromoteRequest, "require" | "past">,
): readonly string[] {
  if (require === null) return [];
  const beyond = findFencedPast(topology, require).map(({ name }) => name);
  return topology.primaries.filter((name) => {
    if (reachedNode(topology, name)?.marks.fenced !== true) return false;
    return !beyond.includes(name) || past?.get(name) === null;
  });
}

/** Fenced primaries that are not at or below that position. */
export function findFencedPast(topology: Topology, require: Position): readonly ReachedNode[] {
  return topology.primaries
    .map((name) => reachedNode(topology, name))
    .filter((node) => node !== null)
    .filter(({ marks, received }) => {
      if (!marks.fenced) return false;
      if (received === null) return true;
      const { relation } = comparePositions(received, require, topology.histories);
      return relation !== "same" && relation !== "behind";
    });
}

/** Of one that was written to behind its fence, that is the reason. */
function checkGone(
  topology: Topology,
  request: PromoteRequest,
  allowed: readonly string[],
): Finding[] {
  return checkPrimaryGone(topology, allowed).map((finding) => {
    const name = finding.node ?? "";
    const at = request.past?.get(name) ?? null;
    if (at === null || request.require === null) return finding;
    return {
      ...finding,
      message: `${name} is fenced, and was written to behind ${formatPosition(request.require)}, at ${formatPosition(at)}`,
      hint: `find out who writes; then \`remaster fence ${name}\` gives the position that ${request.node} has to hold`,
    };
  });
}

function checkRequired(topology: Topology, node: ReachedNode, require: Position | null): Finding[] {
  if (require === null) return [];
  const relation =
    node.received === null
      ? "unknown"
      : comparePositions(node.received, require, topology.histories).relation;
  if (relation === "same" || relation === "ahead") return [];
  const at = node.received === null ? "an unknown position" : formatPosition(node.received);
  return [
    problem("position-not-held", node.name, {
      message: `${node.name} is at ${at} and does not hold ${formatPosition(require)} (${relation})`,
      hint: `bring it there first: remaster exchange --to ${node.name}`,
    }),
  ];
}

/** What others have and the node lacks; `source`: somebody can bring it there. */
interface Lack {
  readonly from: string;
  readonly bytes: bigint | null;
  readonly source: boolean;
}

function findLack(topology: Topology, name: string): Lack | null {
  const { exchange, ahead, ranking } = rankCandidates(topology, { to: name });
  if (exchange !== null) return { ...exchange, source: true };
  const ranked = ranking.find(({ node }) => node === name);
  if (ranked?.relation !== "behind" || ahead === null) return null;
  return { from: ahead, bytes: ranked.bytesBehind, source: false };
}

function checkNothingLost(topology: Topology, node: ReachedNode): Finding[] {
  const lack = findLack(topology, node.name);
  if (lack === null) return [];
  const nobody = lack.source ? "" : ", and nobody can bring it there";
  const accept = "--accept-data-loss to lose them";
  return [
    problem("others-are-ahead", node.name, {
      message: `${lack.from} has ${lack.bytes ?? "some"} bytes of WAL that ${node.name} lacks${nobody}`,
      hint: lack.source ? `remaster exchange --to ${node.name}, or ${accept}` : accept,
    }),
  ];
}

/** WAL that another node holds and does not show cannot be compared. */
export function checkNothingHidden(topology: Topology, node: ReachedNode): Finding[] {
  return standbysOf(topology)
    .filter((other) => other.name !== node.name && mayHoldMore(other))
    .map((other) => {
      const { name } = other;
      const held = hidesWal(other);
      const what = held
        ? `replay on ${name} is held up since its start`
        : `${name} still replays what it had at its start`;
      const first = held ? "let its replay go on" : "wait until it has";
      return problem("loss-not-excluded", name, {
        message: `${what}, and what it has beyond that does not show`,
        hint: `${first}, or --accept-data-loss to lose what only ${name} may have`,
      });
    });
}

export function checkMayLead(node: ReachedNode): Finding[] {
  if (node.promotable) return [];
  return [
    problem("not-promotable", node.name, {
      message: `${node.name} is not promotable`,
      hint: `remove \`promotable = false\` of ${node.name} from the topology file if it may lead after all`,
    }),
  ];
}

export function planPromote(topology: Topology, request: PromoteRequest): Decision {
  const node = observationOf(topology, request.node);
  if (!node.reachable) return refuseOn(checkReachable(node)) ?? { kind: "already", findings: [] };
  const fenced = fencedAway(topology, request);
  const gone = checkGone(topology, request, [...fenced, node.name]);
  if (node.role === "primary") {
    const refusal = refuseOn([
      ...checkBelongs(topology, node),
      ...gone,
      ...checkRequired(topology, node, request.require),
    ]);
    // What a run that was cut short left on it is cleared away.
    return (
      refusal ?? (isMarked(node) ? plan(topology, request) : { kind: "already", findings: [] })
    );
  }
  const refusal = refuseOn([
    ...checkBelongs(topology, node),
    ...checkOnLine(topology, node),
    ...gone,
    ...checkNothingPending(topology, node.name),
    ...checkNobodyReceives(topology, { patienceMs: request.patienceMs, except: fenced }),
    ...checkMayLead(node),
    ...checkRights(node, "promotion"),
    ...checkStandbyMode(node),
    ...checkReplay(node, { cancelQueries: false }),
    ...(node.marks.restoreQuiesced ? checkSettings(node) : []),
    ...checkRequired(topology, node, request.require),
    ...checkLineKept(topology, node),
    ...(request.acceptDataLoss
      ? []
      : [...checkNothingLost(topology, node), ...checkNothingHidden(topology, node)]),
  ]);
  return refusal ?? plan(topology, request);
}

/** What the operator accepts to lose stands in the plan, with its size. */
function lostBy(topology: Topology, request: PromoteRequest): readonly Finding[] {
  if (!request.acceptDataLoss) return [];
  const lack = findLack(topology, request.node);
  if (lack === null) return [];
  return [
    problem("others-are-ahead", request.node, {
      message: `${lack.bytes ?? "some"} bytes of WAL that only ${lack.from} has will be lost`,
      ...(lack.source ? { hint: `remaster exchange --to ${request.node} would keep them` } : {}),
    }),
  ];
}

function plan(topology: Topology, request: PromoteRequest): Decision {
  const { node, require, closed } = request;
  const leads = { verb: "promote", node, require, ...(closed === true ? { closed } : {}) } as const;
  const step = planned(topology, leads, { required: true });
  return decidePlan("promote", topology, {
    stages: stage(`make ${node} the primary, on a new timeline`, [step]),
    noReturn: "promote",
    findings: lostBy(topology, request),
  });
}
