// What speaks against promoting a node, as a table: each row is one reason, in the words that a report gives.
// Rows do not stop at the first: an operator wants to know everything that stands in the way.

import { formatLsn } from "../wal/lsn.ts";
import { type Comparison, formatPosition } from "../wal/position.ts";
import type { Observation, ReachedNode } from "./node.ts";
import { settingInteger, stillHasWalFor } from "./settings.ts";
import {
  clusterMajor,
  isInPointInTimeRecovery,
  isOurs,
  majorOf,
  type Structure,
} from "./structure.ts";

/** Everything that the question "may it lead?" rests on. */
export interface Case {
  readonly structure: Structure;
  readonly comparison: Comparison;
  /** The name of the node that `comparison` is against. */
  readonly against: string;
  /** False: standbys diverged, and the evidence does not say whose line is the cluster's. */
  readonly decided: boolean;
  /** The standbys that have as much as the one that is ahead. */
  readonly sources: readonly ReachedNode[];
  readonly cancelQueries: boolean;
  readonly acceptLoss: boolean;
}

type Objection = (node: ReachedNode, given: Case) => string | null;

/** Why a node may not lead now; empty when it may. */
export function objectionsTo(node: Observation, given: Case): readonly string[] {
  if (!node.reachable) return [`cannot be reached: ${node.reason}`, ...unwilling(node)];
  if (!isOurs(given.structure, node)) return [otherCluster(node)];
  if (node.role === "primary") return ["is a primary"];
  return [
    ...unwilling(node),
    ...objections.map((objection) => objection(node, given)).filter((reason) => reason !== null),
  ];
}

function unwilling(node: Observation): readonly string[] {
  return node.promotable ? [] : ["not promotable by the topology file"];
}

function otherCluster(node: ReachedNode): string {
  return `belongs to another cluster (system identifier ${node.systemIdentifier})`;
}

const objections: readonly Objection[] = [
  runsAnotherMajor,
  hasNoPosition,
  isStray,
  isDiverged,
  cannotBeCompared,
  standsOnAnUndecidedLine,
  isNoStandby,
  isHeldUp,
  cannotBeBroughtLevel,
];

function runsAnotherMajor(node: ReachedNode, { structure }: Case): string | null {
  const major = clusterMajor(structure);
  if (major === null || major === majorOf(node)) return null;
  return `runs PostgreSQL ${node.versionText}, and the cluster ${major}`;
}

function hasNoPosition(node: ReachedNode): string | null {
  if (node.received !== null) return null;
  const rights = node.missingRights.length === 0 ? "" : ` without ${node.missingRights.join(", ")}`;
  return `its position cannot be known${rights}`;
}

function isStray(node: ReachedNode, { structure }: Case): string | null {
  const { accepted, strays } = structure;
  if (accepted === null || !strays.includes(node.name)) return null;
  return `left the line of timeline ${accepted.timeline}, which was accepted`;
}

function isDiverged(node: ReachedNode, { comparison, against, structure }: Case): string | null {
  if (comparison.relation !== "diverged" || structure.strays.includes(node.name)) return null;
  const { switchpoint } = comparison;
  const at = switchpoint === null ? "" : ` after ${formatPosition(switchpoint)}`;
  return `went another way than ${against}${at}: it replayed what is not in that history`;
}

function cannotBeCompared(node: ReachedNode, { comparison, against }: Case): string | null {
  if (comparison.relation !== "unknown" || node.received === null) return null;
  return `cannot be compared with ${against}: a timeline history is not known`;
}

function standsOnAnUndecidedLine(_node: ReachedNode, { decided }: Case): string | null {
  if (decided) return null;
  return "standbys went different ways, and nothing says whose is the cluster's: name the line to keep with --accept-timeline";
}

function isNoStandby(node: ReachedNode): string | null {
  return isInPointInTimeRecovery(node) ? "is in point-in-time recovery, not in standby mode" : null;
}

function isHeldUp(node: ReachedNode, { cancelQueries }: Case): string | null {
  switch (node.replay) {
    case "running":
      return node.pauseRequested ? "a pause of its replay was asked for" : delayOf(node);
    case "paused":
      return "its replay is paused";
    case "delayed":
      return "its replay is delayed (recovery_min_apply_delay)";
    case "blocked":
      return cancelQueries ? null : `its replay is blocked${blockersOf(node)}`;
  }
}

/** One that waits for nothing at this moment would wait for what an exchange brings it. */
function delayOf(node: ReachedNode): string | null {
  const delay = settingInteger(node, "recovery_min_apply_delay") ?? 0;
  return delay > 0 ? `delays its replay (recovery_min_apply_delay = ${delay} ms)` : null;
}

function blockersOf(node: ReachedNode): string {
  const sessions = node.blockers.map(
    (each) => `pid ${each.pid} of ${each.user ?? "a user unknown"}`,
  );
  return sessions.length === 0 ? "" : ` by ${sessions.join(", ")}`;
}

function cannotBeBroughtLevel(node: ReachedNode, given: Case): string | null {
  const { comparison, sources, acceptLoss } = given;
  if (acceptLoss || comparison.relation !== "behind" || comparison.bytes === null) return null;
  if (findSource(node, sources) !== null) return null;
  const from = node.replayLsn === null ? "" : ` from ${formatLsn(node.replayLsn)} on`;
  const names = sources.map((source) => source.name).join(", ");
  return `lacks ${comparison.bytes} bytes, and nobody who has them (${names}) still has the WAL${from} and may send it`;
}

/** Who can bring a node level: the first that has everything, still holds what the node lacks and may send. */
export function findSource(node: ReachedNode, sources: readonly ReachedNode[]): ReachedNode | null {
  const able = sources.find(
    (source) =>
      source.name !== node.name &&
      source.settings.max_wal_senders?.value !== "0" &&
      stillHasWalFor(source, node) !== "no",
  );
  return able ?? null;
}
