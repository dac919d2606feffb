// The mark of a standby's copies of logical slots: the custom setting remaster.slots, a list of the names that slot-sync has to
// do with there. A slot has no room for a word of ours, and without one nobody could tell a copy whose original was dropped from
// a slot that somebody made on the standby for himself. Any user of the server can read it.

import { parseTimelineId, type TimelineId } from "../wal/timeline.ts";

export interface CopyMark {
  readonly slotName: string;
  /** The primary's, when slot-sync last saw to the copy. */
  readonly timeline: TimelineId;
  /** It was seen that the standby replayed past the point from which on the primary held what the copy needs. */
  readonly proven: boolean;
}

/** `orders@3,stock@3?`: a question mark where it is not proven. */
export function formatCopyMarks(marks: readonly CopyMark[]): string {
  return marks
    .map(({ slotName, timeline, proven }) => `${slotName}@${timeline}${proven ? "" : "?"}`)
    .join(",");
}

/** What is none of ours in it is left out. */
export function parseCopyMarks(text: string | null): readonly CopyMark[] {
  return (text ?? "").split(",").flatMap((entry) => {
    const [, slotName, digits, doubt] = /^([a-z0-9_]{1,63})@([0-9]+)(\??)$/.exec(entry) ?? [];
    const timeline = digits === undefined ? null : parseTimelineId(digits);
    if (slotName === undefined || timeline === null) return [];
    return [{ slotName, timeline, proven: doubt === "" }];
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
