// Candidates: every node ranked, with reasons; never a bare winner. Received decides who is ahead, replayed decides
// who diverged. What may not lead is still a source of WAL.
// An exchange brings to the candidate whatever it lacks, so among those that may lead priority decides, then position,
// then the order of the topology file. A standby whose replay is held up obeys neither a repoint nor a promotion while
// it is (15, 18): it is no candidate.

import { type Comparison, compareHeld, type Position, type Relation } from "../wal/position.ts";
import { type Case, findSource, objectionsTo } from "./eligibility.ts";
import { counted } from "./counted.ts";
import { hidesWal } from "./hidden.ts";
import { findReference, type Reference } from "./lines.ts";
import type { Observation, ReachedNode } from "./node.ts";
import {
  clusterMajor,
  isOurs,
  majorOf,
  type Structure,
  solePrimary,
  standbysOf,
} from "./structure.ts";

export interface RankedNode {
  readonly node: string;
  readonly position: Position | null;
  /** Against the node that is ahead (the reference itself is `same`). */
  readonly relation: Relation;
  /** Bytes of WAL that the reference has and this node has not; null when that cannot be said. */
  readonly bytesBehind: bigint | null;
  readonly promotable: boolean;
  /** May it be promoted now: promotable, reachable, not diverged, not held up, of this cluster. */
  readonly eligible: boolean;
  /** Why it stands where it stands, and what speaks against it. */
  readonly reasons: readonly string[];
  /** Those of the reasons that keep it from being promoted now; empty when it is eligible. */
  readonly objections: readonly string[];
}

export interface Ranking {
  /** The reachable standby that has most; null when nobody's position is known. */
  readonly ahead: string | null;
  /** The standby that would be promoted; null when none may be. */
  readonly candidate: string | null;
  /** What the candidate lacks; null when nothing. */
  readonly exchange: { readonly from: string; readonly to: string; readonly bytes: bigint } | null;
  /** Every node, best first: those that may lead, then by position, then those that did not let us in. */
  readonly ranking: readonly RankedNode[];
}

/** How many logical slots a standby would keep, by its name. */
export type SlotsKept = ReadonlyMap<string, { readonly ready: number; readonly of: number }>;

export interface RankingOptions {
  /** The operator's choice of candidate. Where standbys diverged, its line of ancestry is the reference. */
  readonly to?: string;
  /** The sessions that block replay will be ended: a node that they hold up may lead. */
  readonly cancelQueries?: boolean;
  /** What nobody can bring to a node does not keep it from leading; then who lacks least goes first, whatever its priority. */
  readonly acceptLoss?: boolean;
  /** Between standbys that are equal in all else, the one that keeps more logical slots. */
  readonly slotsKept?: SlotsKept;
}

/** How a node stands, and to whom. */
interface Measured {
  readonly comparison: Comparison;
  readonly against: string;
}

/** A node with all that its place depends on. */
interface Standing {
  readonly observation: Observation;
  readonly comparison: Comparison;
  readonly ranked: RankedNode;
}

/** What everyone is measured against. */
interface Frame {
  readonly structure: Structure;
  readonly options: RankingOptions;
  readonly primary: ReachedNode | null;
  /** Whose line of ancestry counts: the primary's, else that of the operator's choice; null when neither is there. */
  readonly anchor: ReachedNode | null;
  readonly reference: Reference | null;
  readonly sources: readonly ReachedNode[];
}

const incomparable: Comparison = { relation: "unknown", bytes: null, switchpoint: null };

/** Everyone ranked, best first, and who would lead. Works while the primary is dead, and is deterministic.
 * The reference is the standby that received most on the cluster's line: the primary's line while one, and only one, answers, else
 * the line of `to`, else what the evidence says (lines.ts). When standbys diverged and the evidence leaves it open,
 * nobody is eligible until the operator names one. */
export function rankCandidates(structure: Structure, options: RankingOptions = {}): Ranking {
  const frame = findFrame(structure, options);
  const standings = [...structure.nodes.values()]
    .map((observation) => standingOf(observation, frame))
    .toSorted((a, b) => compareStandings(a, b, options));
  const candidate = chooseCandidate(standings, options);
  return {
    ahead: frame.reference?.node.name ?? null,
    candidate: candidate?.name ?? null,
    exchange: candidate === null ? null : exchangeFor(candidate, frame),
    ranking: standings.map((standing) => standing.ranked),
  };
}

function findFrame(structure: Structure, options: RankingOptions): Frame {
  const { histories } = structure;
  const major = clusterMajor(structure);
  const standbys = standbysOf(structure).filter(
    (node) =>
      node.received !== null && majorOf(node) === major && !structure.strays.includes(node.name),
  );
  // Of several primaries none says whose line is the cluster's.
  const leader = solePrimary(structure);
  const primary = leader?.received === null ? null : leader;
  const anchor = primary ?? standbys.find((node) => node.name === options.to) ?? null;
  const onLine = standbys.filter(
    (node) =>
      anchor === null ||
      !["diverged", "unknown"].includes(compareHeld(node, anchor, histories).relation),
  );
  const reference = findReference(onLine, histories);
  const sources =
    reference === null
      ? []
      : onLine.filter((node) => compareHeld(node, reference.node, histories).relation === "same");
  return {
    structure,
    options,
    primary,
    anchor,
    reference,
    sources: referenceFirst(sources, reference),
  };
}

function referenceFirst(
  sources: readonly ReachedNode[],
  reference: Reference | null,
): readonly ReachedNode[] {
  if (reference === null) return sources;
  return [reference.node, ...sources.filter((node) => node.name !== reference.node.name)];
}

function standingOf(observation: Observation, frame: Frame): Standing {
  const { structure, options, reference } = frame;
  const { comparison, against } = measure(observation, frame);
  const given: Case = {
    structure,
    comparison,
    against,
    decided: reference?.decided ?? true,
    sources: frame.sources,
    cancelQueries: options.cancelQueries ?? false,
    acceptLoss: options.acceptLoss ?? false,
  };
  const objections = objectionsTo(observation, given);
  const ranked: RankedNode = {
    node: observation.name,
    position: observation.reachable ? observation.received : null,
    relation: comparison.relation,
    bytesBehind: bytesBehind(comparison),
    promotable: observation.promotable,
    eligible: objections.length === 0,
    reasons: [...remarksOn(observation, comparison, frame), ...objections],
    objections,
  };
  return { observation, comparison, ranked };
}

/** Against the reference; but who left the line that counts has diverged, however little the reference has. */
function measure(observation: Observation, frame: Frame): Measured {
  const { anchor, structure } = frame;
  const nobody: Measured = { comparison: incomparable, against: "the others" };
  if (!observation.reachable || !isOurs(structure, observation)) return nobody;
  const to = (node: ReachedNode): Measured => ({
    comparison: compareHeld(observation, node, structure.histories),
    against: node.name,
  });
  const line = anchor === null ? null : to(anchor);
  if (line?.comparison.relation === "diverged") return line;
  return frame.reference === null ? (line ?? nobody) : to(frame.reference.node);
}

function bytesBehind({ relation, bytes }: Comparison): bigint | null {
  return relation === "ahead" ? 0n : bytes;
}

function remarksOn(
  observation: Observation,
  comparison: Comparison,
  frame: Frame,
): readonly string[] {
  if (!observation.reachable || !isOurs(frame.structure, observation)) return [];
  return [
    ...remarkOnPlace(observation, comparison, frame),
    ...remarkOnPrimary(observation, frame),
    ...(hidesWal(observation) ? ["may hold more than it shows since its start"] : []),
    ...(observation.priority === 0 ? [] : [`priority ${observation.priority}`]),
    ...remarkOnSlots(observation, frame),
  ];
}

function remarkOnPlace(
  node: ReachedNode,
  { relation, bytes }: Comparison,
  { reference }: Frame,
): readonly string[] {
  if (reference === null) return [];
  const { name } = reference.node;
  if (node.name === name) {
    return ["no reachable standby has more", ...reference.evidence];
  }
  switch (relation) {
    case "same":
      return [`has all that ${name} has`];
    case "ahead":
      return bytes === null ? [] : [`${bytes} bytes ahead of ${name}`];
    case "behind":
      return bytes === null ? [] : [`${bytes} bytes behind ${name}`];
    case "diverged":
    case "unknown":
      return [];
  }
}

function remarkOnPrimary(node: ReachedNode, { primary, structure }: Frame): readonly string[] {
  if (primary === null || node.role === "primary") return [];
  const { relation, bytes } = compareHeld(node, primary, structure.histories);
  switch (relation) {
    case "same":
    case "ahead":
      return [`has all that the primary ${primary.name} has written`];
    case "behind":
      return bytes === null ? [] : [`${bytes} bytes behind the primary ${primary.name}`];
    case "diverged":
    case "unknown":
      return [];
  }
}

function remarkOnSlots({ name }: ReachedNode, { options }: Frame): readonly string[] {
  const kept = options.slotsKept?.get(name);
  return kept === undefined ? [] : [`keeps ${kept.ready} of ${counted(kept.of, "logical slot")}`];
}

function compareStandings(a: Standing, b: Standing, options: RankingOptions): number {
  const keptBy = ({ ranked }: Standing) => options.slotsKept?.get(ranked.node)?.ready ?? 0;
  return (
    groupOf(a) - groupOf(b) ||
    Number(b.ranked.node === options.to) - Number(a.ranked.node === options.to) ||
    (options.acceptLoss === true ? compareDistance(distanceOf(a), distanceOf(b)) : 0) ||
    (groupOf(a) === 0 ? b.observation.priority - a.observation.priority : 0) ||
    placeOf(a) - placeOf(b) ||
    compareDistance(distanceOf(a), distanceOf(b)) ||
    keptBy(b) - keptBy(a)
  );
}

/** Those that may lead, those whose position is known, those that let us in, the rest. */
function groupOf({ ranked, observation }: Standing): 0 | 1 | 2 | 3 {
  if (ranked.eligible) return 0;
  if (!observation.reachable) return 3;
  return ranked.relation === "unknown" ? 2 : 1;
}

function placeOf({ comparison }: Standing): 0 | 1 {
  return comparison.relation === "diverged" ? 1 : 0;
}

/** Bytes behind the reference, negative when ahead of it. */
function distanceOf({ comparison }: Standing): bigint {
  const bytes = comparison.bytes ?? 0n;
  return comparison.relation === "ahead" ? -bytes : bytes;
}

function compareDistance(a: bigint, b: bigint): -1 | 0 | 1 {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function chooseCandidate(
  standings: readonly Standing[],
  { to }: RankingOptions,
): ReachedNode | null {
  const chosen = standings.find(
    ({ ranked }) => ranked.eligible && (to === undefined || ranked.node === to),
  );
  return chosen?.observation.reachable === true ? chosen.observation : null;
}

function exchangeFor(candidate: ReachedNode, frame: Frame): Ranking["exchange"] {
  const { relation, bytes } = measure(candidate, frame).comparison;
  const source = findSource(candidate, frame.sources);
  if (relation !== "behind" || bytes === null || source === null) return null;
  return { from: source.name, to: candidate.name, bytes };
}
