// What a failover can promise about acknowledged commits, and on what that rests; what it refuses where it can promise
// too little. Rests on what was seen of the lost primary itself, with its date: nothing that a standby says of settings is
// evidence. Without such a sight, and with a known standby out of reach, loss cannot be excluded.

import type { Ranking } from "../topology/candidates.ts";
import {
  type NamedStandby,
  onlyWrites,
  type Proof,
  proveDurability,
} from "../topology/durability-proof.ts";
import type { Finding } from "../topology/finding.ts";
import { hidesWal } from "../topology/hidden.ts";
import {
  type LastSeen,
  type SeenPrimary,
  wasAhead,
  whyOutdated,
  withSeenHistory,
} from "../topology/last-seen.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import { receiverNameOf } from "../topology/senders.ts";
import { reachedNode, standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { comparePositions, formatPosition } from "../wal/position.ts";
import { presumedPrimaries } from "./checks.ts";
import { ageText } from "./age.ts";
import type { Guarantee } from "./guarantee.ts";
import { problem } from "./request.ts";

export interface Evidence {
  readonly topology: Topology;
  readonly ranking: Ranking;
  /** What was seen of the cluster before; null where nothing was. */
  readonly lastSeen: LastSeen | null;
}

/** The nodes of a failover as far as data is concerned. */
interface Sides {
  /** Standbys that are, or can be brought, on the line that goes on. */
  readonly counted: readonly ReachedNode[];
  /** The counted standby that has most. */
  readonly farthest: ReachedNode | null;
  /** The lost primary; null where several nodes may be it, or none is in the topology file. */
  readonly lost: string | null;
  /** Nodes but the lost primary that were not reached as standbys. */
  readonly away: readonly string[];
  /** Those of them that may hold what nobody reached has. */
  readonly missing: readonly string[];
  /** Standbys that were reached and may hold more than they show. */
  readonly hiding: readonly string[];
  readonly seen: LastSeen | null;
  readonly primary: SeenPrimary | null;
  /** Why nothing that was seen of a primary counts; null where something does. */
  readonly why: string | null;
}

function findSides({ topology, ranking, lastSeen }: Evidence): Sides {
  const onLine = new Set(
    ranking.ranking
      .filter(
        ({ relation }) => relation === "same" || relation === "ahead" || relation === "behind",
      )
      .map(({ node }) => node),
  );
  const standbys = standbysOf(topology);
  const counted = standbys.filter(
    (node) => onLine.has(node.name) && node.received !== null && !hidesWal(node),
  );
  const farthest = ranking.ahead === null ? null : reachedNode(topology, ranking.ahead);
  const seen = lastSeen?.systemIdentifier === topology.systemIdentifier ? lastSeen : null;
  const why =
    seen === null
      ? "no primary of this cluster was seen from here before"
      : whyOutdated(seen, topology, farthest);
  const primary = why === null ? (seen?.primary ?? null) : null;
  const presumed = presumedPrimaries(topology);
  const lost = primary?.node ?? (presumed.length === 1 ? (presumed[0] ?? null) : null);
  // A node in point-in-time recovery is no standby, but what it has is known.
  const known = ranking.ranking.filter(
    ({ node, relation }) =>
      ["same", "behind", "diverged"].includes(relation) && reachedNode(topology, node) !== null,
  );
  const reached = new Set([...standbys.map(({ name }) => name), ...known.map(({ node }) => node)]);
  const away = [...topology.nodes.keys()].filter((name) => name !== lost && !reached.has(name));
  // One of those that did not let us in was the primary, though it cannot be told which.
  const all = lost === null && away.length === 1 && presumed.length > 0 ? [] : away;
  const missing = all.filter((name) => primary?.absent.includes(name) !== true);
  const hiding = standbys.filter(hidesWal).map(({ name }) => name);
  return { counted, farthest, lost, away, missing, hiding, seen, primary, why };
}

function named(node: ReachedNode): NamedStandby {
  return { node: node.name, applicationName: receiverNameOf(node) };
}

/** Whether what the standby confirmed is still there: nothing it had is gone, and what was only written no restart took. */
function keepsConfirmed(node: ReachedNode, { seen, primary }: Sides, topology: Topology): boolean {
  const before = seen?.nodes.get(node.name) ?? null;
  if (primary !== null && onlyWrites(primary)) {
    if (before?.startedAt === null || before?.startedAt !== node.startedAt) return false;
  }
  if (before === null || node.received === null) return true;
  return !wasAhead(before, node.received, withSeenHistory(topology.histories, primary));
}

/** What a node that is away calls itself. One that was down and followed nobody is taken to bear its own name. */
function nameOf(node: Observation, { seen, primary }: Sides): string | null {
  if (node.reachable) return receiverNameOf(node);
  const known = seen?.nodes.get(node.name)?.applicationName ?? null;
  return known ?? (primary?.absent.includes(node.name) === true ? node.name : null);
}

function proofOf(sides: Sides, primary: SeenPrimary, topology: Topology): Proof {
  const kept = sides.counted.filter((node) => keepsConfirmed(node, sides, topology));
  const names = new Set(kept.map(({ name }) => name));
  const away = [...topology.nodes.values()].filter(
    ({ name }) => name !== primary.node && !names.has(name),
  );
  return proveDurability({
    setting: primary,
    reached: kept.map(named),
    away: away.map((node) => ({ node: node.name, applicationName: nameOf(node, sides) })),
  });
}

/** What was acknowledged before the settings were first seen may have been so by other ones: that must be there itself. */
function holdsTheStart({ farthest }: Sides, primary: SeenPrimary, topology: Topology): boolean {
  if (farthest?.received == null) return false;
  const { relation } = comparePositions(
    farthest.received,
    primary.since.position,
    withSeenHistory(topology.histories, primary),
  );
  return relation === "same" || relation === "ahead";
}

function distanceOf({ farthest }: Sides, primary: SeenPrimary, topology: Topology): bigint | null {
  if (farthest?.received == null) return null;
  const { relation, bytes } = comparePositions(
    primary.position,
    farthest.received,
    withSeenHistory(topology.histories, primary),
  );
  return relation === "behind" || relation === "same" ? 0n : bytes;
}

/** Nodes out of reach that had more, when they were last seen, than anybody who was reached has now. */
function findAhead(
  { away, seen, farthest, primary }: Sides,
  topology: Topology,
): readonly string[] {
  const position = farthest?.received ?? null;
  if (position === null) return [];
  const histories = withSeenHistory(topology.histories, primary);
  return away.filter((name) => {
    const before = seen?.nodes.get(name);
    return before !== undefined && wasAhead(before, position, histories);
  });
}

/** When the cluster was looked at. */
export function nowOf(topology: Topology): number {
  return Math.max(...[...topology.nodes.values()].map((node) => node.observedAt));
}

export function list(names: readonly string[]): string {
  return names.join(", ");
}

function settingText({ synchronousStandbyNames, synchronousCommit }: SeenPrimary): string {
  return `synchronous_standby_names = '${synchronousStandbyNames ?? ""}' and synchronous_commit = ${synchronousCommit ?? ""}`;
}

function provenBasis(
  proof: Extract<Proof, { kind: "proven" }>,
  primary: SeenPrimary,
  age: string,
): string {
  const unseen =
    proof.unseen.length === 0
      ? "and every standby that could have confirmed was reached"
      : `and of those that could have confirmed only ${list(proof.unseen)} ${proof.unseen.length === 1 ? "was" : "were"} not reached`;
  return `${primary.node} had ${settingText(primary)} when it was seen ${age} ago: ${proof.demanded} of ${list(proof.names)} had to confirm each commit, ${unseen}; sessions that lower synchronous_commit are not covered`;
}

/** What was last seen of the distance, in words. */
function distanceText(bytes: bigint | null, primary: SeenPrimary, age: string): string {
  const seen = `when ${primary.node} was seen ${age} ago`;
  if (bytes === null) return `${seen} its distance cannot be told`;
  if (bytes === 0n) return `all that ${primary.node} had written ${seen} is there`;
  return `${seen} it had ${bytes} bytes more than the standbys that were reached`;
}

/** Why it is not proven, in words. */
function unprovenWhy(primary: SeenPrimary, proof: Proof): string {
  if (proof.kind !== "proven") return proof.why;
  return `since ${formatPosition(primary.since.position)} ${settingText(primary)}, and no standby that was reached has all from before that`;
}

function missingText({ missing, hiding, away, primary }: Sides): string {
  const absent = away.filter((name) => !missing.includes(name) && primary?.absent.includes(name));
  const down = absent.length === 0 ? "" : `; ${list(absent)} followed nobody then`;
  const held =
    hiding.length === 0
      ? ""
      : `; replay on ${list(hiding)} is held up since its start, and what it has beyond that does not show`;
  if (missing.length > 0)
    return `${list(missing)} ${missing.length === 1 ? "was" : "were"} not reached${down}${held}`;
  return `every standby was reached${down}${held}`;
}

/** Commits waited for somebody; whoever that was, he may have what nobody else has. */
function waitedFor(proof: Proof, primary: SeenPrimary | null): boolean | null {
  if (proof.kind === "asynchronous") return false;
  const names = primary?.synchronousStandbyNames ?? null;
  return names === null ? null : names.trim() !== "";
}

/** What holds of acknowledged commits, from what is reached now and what was seen before. */
export function judgeLoss(evidence: Evidence): Guarantee {
  const { topology } = evidence;
  const sides = findSides(evidence);
  const { primary, missing, hiding } = sides;
  const ahead = findAhead(sides, topology);
  const age = primary === null ? "" : ageText(nowOf(topology) - primary.observedAt);
  const proof = primary === null ? null : proofOf(sides, primary, topology);
  const distanceBytes = primary === null ? null : distanceOf(sides, primary, topology);
  const base = {
    primary: primary?.node ?? null,
    observedAt: primary?.observedAt ?? null,
    distanceBytes,
    synchronous: proof === null ? null : waitedFor(proof, primary),
    unreached: [...missing, ...hiding],
    confirmers: null,
  };
  if (ahead.length > 0) {
    const basis = `${list(ahead)}, which cannot be reached, had more when it was last seen than any standby that was reached has now`;
    return { ...base, kind: "ahead-unreachable", basis, unreached: ahead };
  }
  if (primary === null || proof === null) {
    const basis = `${missingText(sides)}; ${sides.why ?? "no primary was seen from here before"}, so whether commits waited for a standby is not known`;
    return { ...base, kind: "unproven", basis };
  }
  if (proof.kind === "proven" && holdsTheStart(sides, primary, topology)) {
    const basis = provenBasis(proof, primary, age);
    return { ...base, kind: "proven", basis, confirmers: proof.confirmers };
  }
  const why = unprovenWhy(primary, proof);
  const basis = `${missingText(sides)}; ${why}; ${distanceText(distanceBytes, primary, age)}`;
  return { ...base, kind: "unproven", basis };
}

/** Refuses where somebody out of reach may have what would be lost. Where every standby was reached, and commits are not
 * known to have waited for one, nothing better is to be had: the operator's word that the primary is dead says as much. */
export function checkLoss(
  guarantee: Guarantee,
  request: { readonly acceptDataLoss: boolean },
): Finding[] {
  if (request.acceptDataLoss || !mayLose(guarantee)) return [];
  const { unreached, basis } = guarantee;
  const first =
    unreached.length === 0
      ? "bring back what else confirmed commits"
      : `bring ${list(unreached)} back (where replay is held up, let it go on)`;
  const hint = `${first}, or give up what only it may have with --accept-data-loss`;
  if (guarantee.kind === "ahead-unreachable") {
    return [problem("more-was-seen", unreached[0] ?? null, { message: basis, hint })];
  }
  const message = `acknowledged commits may be missing: ${basis}`;
  return [problem("loss-not-excluded", unreached[0] ?? null, { message, hint })];
}

export function mayLose({ kind, unreached, synchronous }: Guarantee): boolean {
  if (kind !== "unproven") return kind === "ahead-unreachable";
  return unreached.length > 0 || synchronous === true;
}

/** The side of a partition that has fewer standbys is likely the wrong one: the others may follow a primary that lives. */
export function checkMinority(
  evidence: Evidence,
  request: { readonly acceptMinority: boolean },
): Finding[] {
  const { topology } = evidence;
  const { missing } = findSides(evidence);
  const reached = standbysOf(topology).length;
  if (request.acceptMinority || reached * 2 >= reached + missing.length) return [];
  return [
    problem("minority-reached", missing[0] ?? null, {
      message: `only ${reached} of ${reached + missing.length} standbys can be reached from here, not ${list(missing)}: this may be the smaller side of a divided network, with a living primary on the other`,
      hint: "look from another place; if they are gone indeed, say --accept-minority",
    }),
  ];
}

/** What the operator accepts to lose stands in the plan. */
export function acceptedLoss(guarantee: Guarantee): readonly Finding[] {
  return checkLoss(guarantee, { acceptDataLoss: false }).map(({ code, node, message }) => ({
    code,
    severity: "warning",
    ...(node === undefined ? {} : { node }),
    message,
  }));
}
