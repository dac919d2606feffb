// Timelines: each promotion starts a new one, which shares its ancestor's log up to the switchpoint.
// A higher number proves nothing by itself (two standbys may both have taken "2"): only ancestry does.
// Source: src/backend/access/transam/timeline.c; the text is what TIMELINE_HISTORY n returns.

import { compareLsn, type Lsn, lsn, parseLsn } from "./lsn.ts";

/** A timeline number: 1 and up. */
export type TimelineId = number;

/** The stretch of an ancestor timeline that a timeline shares: up to, and not including, `end`. */
export interface TimelineEntry {
  readonly timeline: TimelineId;
  readonly end: Lsn;
}

/** A timeline with its ancestors, oldest first, their ends never falling. Timeline 1 has none. */
export interface TimelineHistory {
  readonly timeline: TimelineId;
  readonly ancestors: readonly TimelineEntry[];
}

/** Known histories by timeline number. */
export type TimelineHistories = ReadonlyMap<TimelineId, TimelineHistory>;

/** Where two timelines part: the last timeline and the last LSN that both have in common. */
export interface Fork {
  /** Null when the two have no timeline in common at all. */
  readonly timeline: TimelineId | null;
  /** Null: they never part (one and the same timeline). */
  readonly lsn: Lsn | null;
}

const largestTimeline = 0xffff_ffff;
const historyLine = /^\s*(\d{1,10})\s+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})(?:\s|$)/;

/** A timeline number from decimal text, or null where the text is none (1 to 2^32-1). */
export function parseTimelineId(text: string): TimelineId | null {
  if (!/^\d{1,10}$/.test(text)) return null;
  const timeline = Number(text);
  return timeline >= 1 && timeline <= largestTimeline ? timeline : null;
}

/**
 * The history of `timeline` from the text of its history file: lines `parent<TAB>switchpoint<TAB>reason`, comments
 * and blank lines. Null where the text is none, or its timelines do not rise to below `timeline`.
 *
 * A recovery that ended before the switchpoint of the timeline it aimed at leaves `1 0/5000000` and then `2 0/4000000`:
 * what is shared ends at the least of the switchpoints from a line on, and that is what `end` says here.
 */
export function parseTimelineHistory(timeline: TimelineId, text: string): TimelineHistory | null {
  const entries: TimelineEntry[] = [];
  for (const line of text.split("\n")) {
    if (/^\s*(#|$)/.test(line)) continue;
    const entry = parseEntry(line);
    const last = entries.at(-1)?.timeline ?? 0;
    if (entry === null || entry.timeline <= last || entry.timeline >= timeline) return null;
    entries.push(entry);
  }
  return { timeline, ancestors: withRisingEnds(entries) };
}

function parseEntry(line: string): TimelineEntry | null {
  const match = historyLine.exec(line);
  if (match === null) return null;
  const timeline = parseTimelineId(match[1] ?? "");
  const end = parseLsn(match[2] ?? "");
  return timeline === null || end === null ? null : { timeline, end };
}

function withRisingEnds(entries: readonly TimelineEntry[]): readonly TimelineEntry[] {
  const rising: TimelineEntry[] = [];
  let least: Lsn | null = null;
  for (const entry of entries.toReversed()) {
    least = least === null || entry.end < least ? entry.end : least;
    rising.push({ timeline: entry.timeline, end: least });
  }
  return rising.reverse();
}

/** Whether two histories tell the same story: two servers that both took a timeline number tell different ones. */
export function sameHistory(a: TimelineHistory, b: TimelineHistory): boolean {
  return (
    a.timeline === b.timeline &&
    a.ancestors.length === b.ancestors.length &&
    a.ancestors.every(
      (entry, index) =>
        entry.timeline === b.ancestors[index]?.timeline && entry.end === b.ancestors[index].end,
    )
  );
}

/** Where two lines of ancestry part, from their own histories. */
export function forkOfHistories(a: TimelineHistory, b: TimelineHistory): Fork {
  const lineA = lineage(a);
  const lineB = lineage(b);
  let fork: Fork = { timeline: null, lsn: lsn(0n) };
  for (const [index, left] of lineA.entries()) {
    const right = lineB[index];
    if (right?.timeline !== left.timeline) return fork;
    fork = { timeline: left.timeline, lsn: lesserEnd(left.end, right.end) };
    if (left.end !== right.end) return fork;
  }
  return fork;
}

interface Stretch {
  readonly timeline: TimelineId;
  /** Null: open-ended. */
  readonly end: Lsn | null;
}

function lineage(history: TimelineHistory): readonly Stretch[] {
  return [...history.ancestors, { timeline: history.timeline, end: null }];
}

function lesserEnd(a: Lsn | null, b: Lsn | null): Lsn | null {
  if (a === null) return b;
  if (b === null) return a;
  return compareLsn(a, b) <= 0 ? a : b;
}

/**
 * Where two timelines part; null where a history that is needed is not known. The younger's history is enough when the
 * other is its ancestor; timeline 1 needs none.
 */
export function findFork(a: TimelineId, b: TimelineId, histories: TimelineHistories): Fork | null {
  if (a === b) return { timeline: a, lsn: null };
  const historyA = historyOf(a, histories);
  const historyB = historyOf(b, histories);
  if (historyA !== null && historyB !== null) return forkOfHistories(historyA, historyB);
  return ancestorFork(historyA, b) ?? ancestorFork(historyB, a);
}

/** The history of a timeline, that of timeline 1 included, or null where it is not known. */
export function historyOf(
  timeline: TimelineId,
  histories: TimelineHistories,
): TimelineHistory | null {
  const known = histories.get(timeline);
  if (known !== undefined) return known;
  return timeline === 1 ? { timeline: 1, ancestors: [] } : null;
}

function ancestorFork(history: TimelineHistory | null, ancestor: TimelineId): Fork | null {
  const entry = history?.ancestors.find((each) => each.timeline === ancestor);
  return entry === undefined ? null : { timeline: ancestor, lsn: entry.end };
}

/** All histories that a set of histories implies: each ancestor's own is the beginning of its descendant's. */
export function impliedHistories(history: TimelineHistory): readonly TimelineHistory[] {
  return [
    ...history.ancestors.map((entry, index) => ({
      timeline: entry.timeline,
      ancestors: history.ancestors.slice(0, index),
    })),
    history,
  ];
}
