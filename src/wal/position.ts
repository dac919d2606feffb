// A position: how far a node is, as timeline and LSN together. An LSN alone says nothing across a promotion.

import { formatLsn, type Lsn, parseLsn } from "./lsn.ts";
import type { TimelineId } from "./timeline.ts";

/** Written `3@16/B374D848`: the timeline in decimal, then the LSN. */
export interface Position {
  readonly timeline: TimelineId;
  readonly lsn: Lsn;
}
