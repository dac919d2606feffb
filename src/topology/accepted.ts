// The timeline that an operator accepts as the cluster's, where several lines of ancestry are claimed: who is on its line,
// and who strayed from it. A number alone may be taken twice, in two promotions (13 to 18, without an archive that both
// see); then the place where the timeline began tells the two apart.

import { formatLsn, type Lsn, parseLsn } from "../wal/lsn.ts";
import { compareHeld, type Relation } from "../wal/position.ts";
import {
  parseTimelineId,
  sameHistory,
  type TimelineHistories,
  type TimelineHistory,
  type TimelineId,
} from "../wal/timeline.ts";
import type { ReachedNode } from "./node.ts";

/** What --accept-timeline names: `2`, or `2@0/5000060` for the timeline 2 that began there. */
export interface AcceptedTimeline {
  readonly timeline: TimelineId;
  readonly start: Lsn | null;
}

/** What became of the operator's choice. */
export interface AcceptedLine extends AcceptedTimeline {
  /** `unreported`: no node that was reached tells of it; `ambiguous`: nodes tell of several with that number. */
  readonly standing: "found" | "unreported" | "ambiguous";
  /** Nodes that left the line. */
  readonly strays: readonly string[];
}

/** An AcceptedTimeline from its text; null where the text is none. */
export function parseAcceptedTimeline(text: string): AcceptedTimeline | null {
  const at = text.indexOf("@");
  const timeline = parseTimelineId(at < 0 ? text : text.slice(0, at));
  if (timeline === null) return null;
  if (at < 0) return { timeline, start: null };
  const start = parseLsn(text.slice(at + 1));
  return start === null ? null : { timeline, start };
}

/** `2`, or `2@0/5000060`. */
export function formatAcceptedTimeline({ timeline, start }: AcceptedTimeline): string {
  return start === null ? String(timeline) : `${timeline}@${formatLsn(start)}`;
}

/** Where a timeline began: where it left its parent. The first one began nowhere. */
export function startOf(history: TimelineHistory | null): Lsn | null {
  return history?.ancestors.at(-1)?.end ?? null;
}

/**
 * Finds the accepted line among nodes. Its end is what the node on that timeline holds that went farthest: whoever
 * diverged from that has strayed; a standby that is behind it, or whoever went on from its end in a later promotion, has
 * not. But where a primary is on that timeline, no promotion went on from it; and a primary that is behind parts from it
 * with the next record that it writes.
 */
export function findAcceptedLine(
  accepted: AcceptedTimeline,
  nodes: readonly ReachedNode[],
  histories: TimelineHistories,
): AcceptedLine {
  const { timeline, start } = accepted;
  const own = nodes.filter(
    (node) =>
      node.received?.timeline === timeline && (start === null || startOf(node.history) === start),
  );
  const [first, ...others] = own;
  if (first === undefined) {
    const passed = histories.get(timeline);
    const known = passed !== undefined && (start === null || startOf(passed) === start);
    return { ...accepted, standing: known ? "found" : "unreported", strays: [] };
  }
  if (others.some((node) => !tellTheSame(node.history, first.history))) {
    return { ...accepted, standing: "ambiguous", strays: [] };
  }
  const end = own.reduce((best, node) => (holdsMore(node, best) ? node : best));
  const isLed = own.some((node) => node.role === "primary");
  const strays = nodes.filter((node) => {
    if (own.includes(node)) return false;
    const { relation } = compareHeld(node, end, histories);
    return relation === "diverged" || (relation === "ahead" ? isLed : leadsBehind(node, relation));
  });
  return { ...accepted, standing: "found", strays: strays.map((node) => node.name) };
}

function leadsBehind({ role }: ReachedNode, relation: Relation): boolean {
  return role === "primary" && relation !== "unknown";
}

/** A history that could not be read contradicts nobody. */
function tellTheSame(a: TimelineHistory | null, b: TimelineHistory | null): boolean {
  return a === null || b === null || sameHistory(a, b);
}

/** By what was replayed, and then by what was received. */
function holdsMore(a: ReachedNode, b: ReachedNode): boolean {
  const [ownA, ownB] = [
    (a.replayed ?? a.received)?.lsn ?? 0n,
    (b.replayed ?? b.received)?.lsn ?? 0n,
  ];
  if (ownA !== ownB) return ownA > ownB;
  return (a.received?.lsn ?? 0n) > (b.received?.lsn ?? 0n);
}
