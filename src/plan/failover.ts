// Decides failover: the primary is gone, and its standbys go on without it. The exchange is in every plan, because
// what each node holds is certain only once all are still; where nothing is missing it does nothing. Siblings are told
// of their new upstream before the promotion, so that they follow it to the new timeline by themselves; whoever finds
// them told knows of a promotion that may have been asked for, and goes on from there.

import type { Ranking } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import type { LastSeen } from "../topology/last-seen.ts";
import type { ReachedNode } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import {
  checkChangeable,
  checkNobodyReceives,
  checkPrimaryGone,
  checkReachable,
  checkRights,
  presumedPrimaries,
} from "./checks.ts";
import { tellOfDurabilityBefore } from "./durability-kept.ts";
import { reachedNode, reachedNodes, standbysOf } from "../topology/structure.ts";
import { countKept, foreseeSlots, rememberSlots } from "../topology/slots-after.ts";
import { foreseeTorn } from "../topology/torn.ts";
import { checkNothingPending, pendingPromotions, toldOf } from "./pending.ts";
import { finishFailover, leftBehind } from "./finishing.ts";
import {
  checkLineKept,
  findGivenUp,
  hintWithoutCandidate,
  lessGivenUp,
  rankFor,
} from "./given-up.ts";
import { acceptedLoss, checkLoss, checkMinority, judgeLoss, mayLose } from "./loss.ts";
import { checkVouched, findStilled, stopStage, tellOfStilled } from "./vouching.ts";
import type { Decision, Stage } from "./plan.ts";
import { checkNothingHidden } from "./promote.ts";
import { decidePlan, planned, problem, refuseOn, stage } from "./request.ts";
import {
  checkFit,
  type FitAcceptance,
  overridable,
  type Pairing,
  tellOfFit,
} from "./settings-fit.ts";
import { tellOfSlotsAfter } from "./slots-after.ts";
import { tellOfSynchronizedSlots } from "./synchronized-slots.ts";
import {
  findingsOn,
  findMovable,
  healStages,
  isHeldUp,
  type Move,
  movesOf,
  repointStages,
} from "./siblings.ts";

export interface FailoverRequest {
  /** Null: the best candidate. */
  readonly to: string | null;
  /** The operator's word that the primary is dead. */
  readonly primaryIsDead: boolean;
  /** How old the last message of an upstream must be to count as silence, milliseconds. */
  readonly patienceMs: number;
  /** The operator gives up what only nodes out of reach may have, and what nobody can bring to the candidate. */
  readonly acceptDataLoss: boolean;
  /** The operator goes on though fewer than half of the known standbys were reached. */
  readonly acceptMinority: boolean;
  /** What the operator accepts of settings that do not fit; nothing when not given. */
  readonly fit?: FitAcceptance;
  /** What was seen of the cluster before; null where nothing was. */
  readonly lastSeen: LastSeen | null;
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
      hint: hintWithoutCandidate(topology, to),
    }),
  ];
}

/** Who will not follow is left alone: what it has is on another line, or its settings are out of reach. */
function quiesceStage(
  topology: Topology,
  name: string,
  { moves, goesOn, stilled }: Composition,
): readonly Stage[] {
  const concerned = new Set([name, ...moves.map(({ node }) => node.name)]);
  const steps = standbysOf(topology)
    .filter((node) => concerned.has(node.name))
    .filter((node) => checkChangeable(node, { cancelQueries: false }).length === 0)
    .filter((node) => goesOn === "anew" || !isTold(topology, node, name))
    .map((node) =>
      planned(
        topology,
        { verb: "quiesce", node: node.name, cancelQueries: false },
        { required: node.name === name || stilled.includes(node.name) },
      ),
    );
  return stage("still every standby, so that what each one has is certain", steps);
}

/** `promotion`: from where an earlier run had told the siblings, so that the candidate lacked nothing and may have been
 * asked to promote itself. It must not be stilled again: without its restore_command it would take a timeline anew. */
type GoesOn = "anew" | "promotion";

interface Composition {
  readonly moves: readonly Move[];
  readonly goesOn: GoesOn;
  /** Who streams from a standby whose end is torn catches that end: there the telling has to wait. */
  readonly candidateTorn: boolean;
  /** Standbys whose rest is what keeps the old primary from acknowledging anything. */
  readonly stilled: readonly string[];
  /** True: what others have beyond the candidate cannot be brought to it, and is given up. */
  readonly lossy: boolean;
  /** True: the promotion has to be told that loss is accepted. */
  readonly lossAccepted: boolean;
}

function isTold(topology: Topology, node: ReachedNode, candidate: string): boolean {
  return node.name === candidate || toldOf(topology, node) !== null;
}

export function planFailover(topology: Topology, request: FailoverRequest): Decision {
  const nobody = reachedNodes(topology).length === 0;
  const silence = nobody ? refuseOn([...topology.nodes.values()].flatMap(checkReachable)) : null;
  if (silence !== null) return silence;
  const [leader, second] = topology.primaries;
  if (leader !== undefined) {
    const primary = topology.nodes.get(leader);
    if (second !== undefined || primary?.reachable !== true) {
      return refuseOn(checkPrimaryGone(topology)) ?? { kind: "already", findings: [] };
    }
    return finishFailover(topology, primary, request);
  }
  const [pending] = pendingPromotions(topology).filter(
    (name) => reachedNode(topology, name) !== null,
  );
  const to = request.to ?? pending ?? null;
  const decided = refuseOn(checkNothingPending(topology, to));
  if (decided !== null) return decided;
  const { ahead } = rankFor(topology, to, request);
  const farthest = ahead === null ? null : reachedNode(topology, ahead);
  const slots = rememberSlots(topology, request.lastSeen, farthest);
  const slotsKept = countKept(topology, (node) => foreseeSlots(topology, slots, node));
  const ranking = rankFor(topology, to, { ...request, slotsKept });
  const refusal = refuseOn([
    ...checkPrimaryGone(topology),
    ...checkNobodyReceives(topology, request),
    ...checkCandidate(topology, ranking, to),
  ]);
  if (refusal !== null) return refusal;
  const candidate = reachedNode(topology, ranking.candidate ?? "");
  if (candidate === null) throw new Error("the candidate is not reachable");
  const evidence = { topology, ranking, lastSeen: request.lastSeen };
  const guarantee = judgeLoss(evidence);
  const stilled = request.primaryIsDead ? [] : findStilled(evidence, guarantee, candidate);
  const unsafe = refuseOn([
    ...checkLineKept(topology, candidate),
    ...checkVouched(topology, request, stilled),
    ...checkMinority(evidence, request),
    ...checkLoss(guarantee, request),
    // Whoever goes on with a promotion compares no more: what was not there before must show first.
    ...(candidate.name === pending && !request.acceptDataLoss
      ? checkNothingHidden(topology, candidate)
      : []),
  ]);
  if (unsafe !== null) return unsafe;
  const blocked = refuseOn([
    ...checkChangeable(candidate, { cancelQueries: false }),
    ...checkRights(candidate, "promotion"),
    ...checkRights(candidate, "slots"),
  ]);
  if (blocked !== null) return blocked;
  const { name } = candidate;
  const lost = findGivenUp(topology, ranking);
  const { able: movable, findings: unmoved } = findMovable(topology, candidate);
  const able = movable.filter((node) => !lost.nodes.includes(node.name));
  const { candidateTorn, torn } = foreseeTorn(candidate, able);
  const moves = movesOf(topology, able, { candidate: name, torn });
  const goesOn = name === pending && ranking.exchange === null ? "promotion" : "anew";
  const pairing = pairingOf(candidate, moves);
  const fit = request.fit ?? nothingAccepted;
  const isFixed = ({ code }: Finding): boolean => code === "target-timeline-fixed";
  const misfit = refuseOn([
    ...checkFit(pairing, fit),
    ...(fit.strandedStandbys ? [] : unmoved.filter(isFixed).map(overridable)),
  ]);
  if (misfit !== null) return misfit;
  return decidePlan("failover", topology, {
    stages: [
      ...stopStage(topology, request),
      ...composeStages(topology, name, {
        moves,
        goesOn,
        candidateTorn,
        stilled,
        lossy: lost.findings.length > 0,
        lossAccepted: lost.findings.length > 0 || mayLose(guarantee),
      }),
    ],
    noReturn: "promote",
    guarantee: lessGivenUp(guarantee, lost),
    findings: [
      ...acceptedLoss(guarantee),
      ...lost.findings,
      ...tellOfStilled(topology, stilled),
      ...unmoved,
      ...findingsOn(topology, moves),
      ...tellOfFit(pairing, fit),
      ...tellOfSlotsAfter(topology, slots, { candidate, end: farthest?.received?.lsn ?? null }),
      ...tellOfSynchronizedSlots(candidate, { below: directlyBelow(moves, name), former: null }),
      ...tellOfDurabilityBefore(topology, request.lastSeen, candidate),
      ...leftBehind(
        topology,
        presumedPrimaries(topology),
        (gone) => `when it is back: \`remaster repoint ${gone} --to ${name}\``,
      ),
    ],
  });
}

const nothingAccepted: FitAcceptance = { strandedStandbys: false, blockedCommits: false };

function directlyBelow(moves: readonly Move[], leader: string): readonly ReachedNode[] {
  return moves.filter(({ to }) => to === leader).map(({ node }) => node);
}

/** The candidate with those that would stream from it, and those below them. */
function pairingOf(leader: ReachedNode, moves: readonly Move[]): Pairing {
  const below = moves.filter(({ to }) => to !== leader.name).map(({ node }) => node);
  return { leader, standbys: directlyBelow(moves, leader.name), below };
}

function composeStages(
  topology: Topology,
  name: string,
  composition: Composition,
): readonly Stage[] {
  const { moves, goesOn, candidateTorn, lossy, lossAccepted } = composition;
  const required = { required: true };
  const exchange = planned(topology, { verb: "exchange", node: name, from: null }, required);
  const given = lossAccepted ? { acceptDataLoss: true as const } : {};
  const promote = planned(
    topology,
    { verb: "promote", node: name, require: null, ...given },
    required,
  );
  const tell = (late: readonly Move[], reason: (to: string) => string): readonly Stage[] =>
    repointStages(topology, late, { until: "set", reason });
  return [
    ...quiesceStage(topology, name, composition),
    ...(goesOn === "promotion" || lossy
      ? []
      : stage(`bring ${name} what any reachable node has and it lacks`, [exchange])),
    ...tell(candidateTorn ? [] : moves, (to) => `tell them of ${to} before it leads`),
    ...stage(`make ${name} the primary, on a new timeline`, [promote]),
    ...tell(candidateTorn ? moves.filter(isHeldUp) : [], (to) => `tell them of ${to}`),
    ...repointStages(topology, moves, { until: "follow", reason: (to) => `see them follow ${to}` }),
    ...healStages(topology, moves),
  ];
}
