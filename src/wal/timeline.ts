// Timelines: each promotion starts a new one, which shares its ancestor's log up to the switchpoint.
// A higher number proves nothing by itself (two standbys may both have taken "2"): only ancestry does.
// Source: src/backend/access/transam/timeline.c; the text is what TIMELINE_HISTORY n returns.

import { type Lsn, parseLsn } from "./lsn.ts";

/** A timeline number: 1 and up. */
export type TimelineId = number;

/** The stretch of an ancestor timeline that a timeline shares: up to, and not including, `end`. */
export interface TimelineEntry {
  readonly timeline: TimelineId;
  readonly end: Lsn;
}

/** A timeline with its ancestors, oldest first. Timeline 1 has none. */
export interface TimelineHistory {
  readonly timeline: TimelineId;
  readonly ancestors: readonly TimelineEntry[];
}

/** Known histories by timeline number. */
export type TimelineHistories = ReadonlyMap<TimelineId, TimelineHistory>;
