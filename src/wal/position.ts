// A position: how far a node is, as timeline and LSN together. An LSN alone says nothing across a promotion.
// comparePositions is the only comparison there is: whoever ranks, promotes, repoints or rejoins calls it.
// F is the last LSN that two lines of ancestry have in common. Up to F positions compare by LSN; past it they part.

import { formatLsn, type Lsn, parseLsn } from "./lsn.ts";
import {
  type Fork,
  findFork,
  forkOfHistories,
  parseTimelineId,
  type TimelineHistories,
  type TimelineHistory,
  type TimelineId,
} from "./timeline.ts";

/** Written `3@16/B374D848`: the timeline in decimal, then the LSN. */
export interface Position {
  readonly timeline: TimelineId;
  readonly lsn: Lsn;
}

/** How one position stands to another. `unknown`: a position or a history that is needed is missing. */
export type Relation = "same" | "ahead" | "behind" | "diverged" | "unknown";

/** The answer to "how does a stand to b?". */
export interface Comparison {
  readonly relation: Relation;
  /** Bytes of write-ahead log between the two, never negative; null when diverged or unknown. */
  readonly bytes: bigint | null;
  /** Where the two lines part; null on one timeline, when unknown, and when they have nothing in common. */
  readonly switchpoint: Position | null;
}

/** What a node holds: `received` says how far it is, `replayed` what it has made its own. */
export interface Held {
  readonly received: Position | null;
  readonly replayed: Position | null;
  /** The history of the timeline it is on, as the node itself tells it; null where it could not be read. */
  readonly history: TimelineHistory | null;
}

const unknown: Comparison = { relation: "unknown", bytes: null, switchpoint: null };

/** A Position from `3@16/B374D848`, or null where the text is none. */
export function parsePosition(text: string): Position | null {
  const at = text.indexOf("@");
  if (at < 0) return null;
  const timeline = parseTimelineId(text.slice(0, at));
  const position = parseLsn(text.slice(at + 1));
  return timeline === null || position === null ? null : { timeline, lsn: position };
}

/** `3@16/B374D848`. */
export function formatPosition(position: Position): string {
  return `${position.timeline}@${formatLsn(position.lsn)}`;
}

/** How `a` stands to `b`, by ancestry: `ahead` when a holds everything that b holds and more. */
export function comparePositions(
  a: Position,
  b: Position,
  histories: TimelineHistories,
): Comparison {
  return compareAcross(a, b, findFork(a.timeline, b.timeline, histories));
}

function compareAcross(a: Position, b: Position, fork: Fork | null): Comparison {
  if (fork === null) return unknown;
  const switchpoint =
    fork.lsn === null || fork.timeline === null ? null : { timeline: fork.timeline, lsn: fork.lsn };
  const pastA = fork.lsn !== null && a.lsn > fork.lsn;
  const pastB = fork.lsn !== null && b.lsn > fork.lsn;
  if (pastA && pastB) return { relation: "diverged", bytes: null, switchpoint };
  if (a.lsn === b.lsn) return { relation: "same", bytes: 0n, switchpoint };
  return a.lsn > b.lsn
    ? { relation: "ahead", bytes: a.lsn - b.lsn, switchpoint }
    : { relation: "behind", bytes: b.lsn - a.lsn, switchpoint };
}

/**
 * How node `a` stands to node `b`. What they received decides who is ahead, what they replayed decides whether they
 * diverged: a standby that received past a switchpoint and has not replayed it still follows (measured on 15 and 18),
 * so it is `behind` the one that went on. When neither has replayed past the switchpoint and both received past it,
 * each holds what the other lacks: diverged.
 *
 * A node's own history goes before `histories`: two servers that both took one timeline number tell different ones.
 */
export function compareHeld(a: Held, b: Held, histories: TimelineHistories): Comparison {
  if (a.received === null || b.received === null) return unknown;
  const fork = forkOfHeld(a, b, histories);
  const received = compareAcross(a.received, b.received, fork);
  if (received.relation !== "diverged") return received;
  const ownA = isPast(a.replayed ?? a.received, fork);
  const ownB = isPast(b.replayed ?? b.received, fork);
  if (ownA === ownB) return received;
  return {
    relation: ownA ? "ahead" : "behind",
    bytes: distance((ownA ? a : b).received, fork),
    switchpoint: received.switchpoint,
  };
}

function forkOfHeld(a: Held, b: Held, histories: TimelineHistories): Fork | null {
  if (a.received === null || b.received === null) return null;
  const own = (held: Held, position: Position) =>
    held.history?.timeline === position.timeline ? held.history : null;
  const historyA = own(a, a.received) ?? histories.get(a.received.timeline) ?? null;
  const historyB = own(b, b.received) ?? histories.get(b.received.timeline) ?? null;
  if (historyA !== null && historyB !== null) return forkOfHistories(historyA, historyB);
  return findFork(a.received.timeline, b.received.timeline, histories);
}

function isPast(position: Position, fork: Fork | null): boolean {
  return fork !== null && fork.lsn !== null && position.lsn > fork.lsn;
}

function distance(position: Position | null, fork: Fork | null): bigint | null {
  if (position === null || fork === null || fork.lsn === null) return null;
  return position.lsn - fork.lsn;
}
