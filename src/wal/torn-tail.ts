// Torn tails: a primary killed in the middle of a record that crosses from one segment into the next leaves standbys that
// have everything up to the boundary and wait for the page behind it. On the new timeline that page is another one, and
// such a standby PANICs ("could not open file": 15, 18), whatever the order of repointing and promoting.
// A torn end inside the switchpoint's own segment is harmless, and so is a standby that lags into an earlier segment.

import type { Lsn } from "./lsn.ts";
import { parseSegmentName, segmentStart } from "./segment.ts";

export interface TornTail {
  /** What the standby has: the greater of receive and replay. */
  readonly received: Lsn;
  /** Where the new timeline begins, or will: what the candidate has replayed once all it has is replayed. */
  readonly switchpoint: Lsn;
  readonly segmentSize: bigint;
}

/** Whether a standby of the old timeline cannot follow the new one until its log is cut off at the switchpoint. */
export function isStranded(tail: TornTail): boolean {
  const { received, switchpoint, segmentSize } = tail;
  return segmentStart(received, segmentSize) > segmentStart(switchpoint, segmentSize);
}

/**
 * The files of the standby's pg_wal that hold what is behind the switchpoint: all from its segment on, of every timeline.
 * A new timeline's file is among them where the standby has tried and died: it holds only its beginning, and would keep the
 * standby from starting.
 */
export function filesToSetAside(
  names: readonly string[],
  tail: Pick<TornTail, "switchpoint" | "segmentSize">,
): readonly string[] {
  const from = segmentStart(tail.switchpoint, tail.segmentSize);
  return names.filter((name) => {
    const segment = parseSegmentName(name, tail.segmentSize);
    return segment !== null && segment.start >= from;
  });
}

/** Whether the log goes on from the segment of a switchpoint on a later timeline: whoever has followed past the switchpoint has a
 * file of the new timeline for that very segment. One that died for its torn end has none, and died for want of it. */
export function goesOn(names: readonly string[], last: string): boolean {
  return names.some((name) => name.slice(8) === last.slice(8) && name > last);
}
