// The mark of a standby's copies of logical slots: the custom setting remaster.slots, a list of the names that slot-sync has to
// do with there. A slot has no room for a word of ours, and without one nobody could tell a copy whose original was dropped from
// a slot that somebody made on the standby for himself. Any user of the server can read it.

import { formatLsn, type Lsn, parseLsn } from "../wal/lsn.ts";
import { parseTimelineId, type TimelineId } from "../wal/timeline.ts";

export interface CopyMark {
  readonly slotName: string;
  /** The primary's, when slot-sync last saw to the copy. */
  readonly timeline: TimelineId;
  /** From there on the primary held the rows that the copy needs; null: that was not seen yet. */
  readonly heldFrom: Lsn | null;
}

/** `orders=3@16/B374D848,stock=3`. */
export function formatCopyMarks(marks: readonly CopyMark[]): string {
  return marks
    .map(({ slotName, timeline, heldFrom }) => {
      const from = heldFrom === null ? "" : `@${formatLsn(heldFrom)}`;
      return `${slotName}=${timeline}${from}`;
    })
    .join(",");
}

/** What is none of ours in it is left out. */
export function parseCopyMarks(text: string | null): readonly CopyMark[] {
  return (text ?? "").split(",").flatMap((entry) => {
    const [, slotName, digits, from] =
      /^([a-z0-9_]{1,63})=([0-9]+)(?:@([0-9A-F/]+))?$/.exec(entry) ?? [];
    const timeline = parseTimelineId(digits ?? "");
    if (slotName === undefined || timeline === null) return [];
    return [{ slotName, timeline, heldFrom: parseLsn(from ?? "") }];
  });
}

/** The list with these in place of those of the same names, in the order of names. */
export function withCopyMarks(
  marks: readonly CopyMark[],
  newer: readonly CopyMark[],
): readonly CopyMark[] {
  const byName = new Map([...marks, ...newer].map((mark) => [mark.slotName, mark]));
  return [...byName.values()].toSorted((a, b) => (a.slotName < b.slotName ? -1 : 1));
}
