// Reads off the data directory of a former primary whether all that it has is part of the new primary's history. The server is
// not started for that: its last checkpoint is in pg_control, its log is walked record by record from the switchpoint on, as
// crash recovery would read it, and a whole record there is WAL that the new primary has not got (13 to 18). Started as a standby
// it would replay what is to be judged. So what would be lost is known before anything is stopped. Changes nothing.

import type { DataFiles } from "../host/data-files.ts";
import type { ServerControl } from "../host/control.ts";
import type { Session } from "../postgres/session.ts";
import { rewindRights } from "../postgres/rewind-source.ts";
import type { FormerLine, FormerNode } from "../topology/former.ts";
import type { NodeConfig, ReachedNode } from "../topology/node.ts";
import { type ControlFile, readControlFile } from "../wal/control-file.ts";
import { findLogEnd, type LogEnd } from "../wal/log-end.ts";
import { formatLsn, type Lsn, lsn, maxLsn } from "../wal/lsn.ts";
import { readPageHeader } from "../wal/page.ts";
import { formatPosition, type Position } from "../wal/position.ts";
import { recordStart } from "../wal/record.ts";
import { formatSegmentName, segmentStart } from "../wal/segment.ts";
import {
  forkOfHistories,
  parseTimelineHistory,
  type TimelineHistory,
  type TimelineId,
} from "../wal/timeline.ts";

export interface FormerWish {
  readonly node: NodeConfig;
  readonly control: ServerControl;
  /** The node that it is to follow, as it was seen last. */
  readonly to: ReachedNode;
  /** A session to that one. */
  readonly session: Session;
}

/** Null where the topology file gives no pg_ctl. Never throws for the directory's sake. */
export async function examineFormer(wish: FormerWish): Promise<FormerNode | null> {
  const { node, control, to, session } = wish;
  const data = node.control?.pgCtl?.data;
  if (control.files === null || control.rewind === null || data === undefined) return null;
  const means = { program: null, tracksPages: false, keepIn: "", cannotKeep: null };
  const blind = {
    runs: false,
    systemIdentifier: null,
    dataDirectory: data,
    clean: false,
    segmentSize: 1n,
  };
  try {
    const file = await readControl(control.files);
    const line = await judge(control.files, file, to);
    const place = await control.rewind.place(labelOf(line));
    return {
      runs: await control.files.runs(),
      systemIdentifier: file.systemIdentifier,
      dataDirectory: data,
      clean: file.clean,
      segmentSize: file.layout.segmentSize,
      line,
      means: {
        program: await control.rewind.program(),
        tracksPages: file.tracksPages,
        keepIn: place.directory,
        cannotKeep: place.cannot,
        lackingRights: await rewindRights(session),
      },
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...blind, line: { kind: "unknown", why }, means: { ...means, lackingRights: [] } };
  }
}

/** By where it diverged: whoever comes again finds what was kept. */
export function labelOf(line: FormerLine): string {
  if (line.kind !== "diverged") return "0";
  const { timeline, lsn: at } = line.switchpoint;
  return `${timeline}-${formatLsn(at).replace("/", "-")}`;
}

async function readControl(files: DataFiles): Promise<ControlFile> {
  const file = readControlFile(await files.controlFile());
  // One that is just being written is whole a moment later.
  const again = typeof file === "string" ? readControlFile(await files.controlFile()) : file;
  if (typeof again === "string") throw new Error(again);
  return again;
}

async function judge(files: DataFiles, own: ControlFile, to: ReachedNode): Promise<FormerLine> {
  if (to.history === null) return unknown(`the history of ${to.name}'s timeline is not known`);
  const history = await readHistory(files, own.timeline);
  if (history === null) {
    return unknown(`the history of its timeline ${own.timeline} is not in its pg_wal`);
  }
  const fork = forkOfHistories(history, to.history);
  if (fork.timeline === null) return unknown(`it has no timeline in common with ${to.name}`);
  if (fork.lsn === null) return judgeSame(files, own, to);
  return judgeForked(files, own, { timeline: fork.timeline, lsn: fork.lsn });
}

// At the end of a page a position may be told before or behind the header of the next one: both are the same end.

/** Who leads on the timeline on which the other one led as well wrote over it: nothing tells the two apart. */
async function judgeSame(files: DataFiles, own: ControlFile, to: ReachedNode): Promise<FormerLine> {
  const { received } = to;
  if (received === null) return unknown(`how far ${to.name} is, is not known`);
  if (to.role === "primary" && !own.standby) {
    return unknown(`${to.name} leads on timeline ${own.timeline}, on which this node led as well`);
  }
  // A checkpoint that the other one has is no proof of what follows: the log is.
  const last = await walk(files, own, { timeline: own.timeline, lsn: own.checkpoint });
  const end = last === null ? own.replayed : maxLsn(last.end, own.replayed);
  if (last !== null && end <= recordStart(received.lsn, own.layout))
    return { kind: "part", torn: null };
  const at = formatPosition({ timeline: own.timeline, lsn: end });
  return unknown(`it ends at ${at}, and ${to.name} is at ${formatPosition(received)}`);
}

async function judgeForked(
  files: DataFiles,
  own: ControlFile,
  switchpoint: Position,
): Promise<FormerLine> {
  const isElsewhere = own.timeline !== switchpoint.timeline;
  const isPast =
    isElsewhere ||
    own.checkpoint >= switchpoint.lsn ||
    own.replayed > recordStart(switchpoint.lsn, own.layout);
  const beyond = isElsewhere ? null : await walk(files, own, switchpoint);
  if (!isPast && beyond === null) {
    return { kind: "part", torn: await findTorn(files, own, switchpoint) };
  }
  const { timeline } = own;
  const rest = beyond ?? (await walk(files, own, { timeline, lsn: own.checkpoint }));
  const known = maxLsn(maxLsn(own.checkpoint, own.replayed), switchpoint.lsn);
  const end = rest?.end ?? known;
  // What was not read counts as somebody's.
  const foreign =
    beyond === null ? switchpoint : at(switchpoint.timeline, beyond.foreign ?? beyond.unread);
  return {
    kind: "diverged",
    switchpoint,
    end: { timeline, lsn: end },
    more: rest?.unread !== null,
    foreign,
  };
}

function at(timeline: TimelineId, where: Lsn | null): Position | null {
  return where === null ? null : { timeline, lsn: where };
}

function unknown(why: string): FormerLine {
  return { kind: "unknown", why };
}

async function readHistory(files: DataFiles, timeline: TimelineId) {
  if (timeline === 1) return { timeline, ancestors: [] } satisfies TimelineHistory;
  const name = `${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
  const text = await files.history(name);
  return text === null ? null : parseTimelineHistory(timeline, text);
}

/** From a place where a record begins, if one does; null where none does. */
function walk(files: DataFiles, own: ControlFile, from: Position): Promise<LogEnd | null> {
  const { layout } = own;
  return findLogEnd({
    from: from.lsn,
    layout,
    segment: (start) => files.segment(formatSegmentName(from.timeline, start, layout.segmentSize)),
  });
}

/** A record that was never finished went on into the segment behind the switchpoint's: led to the new timeline, the server would
 * ask for what comes behind it, and PANIC. */
async function findTorn(
  files: DataFiles,
  { layout }: ControlFile,
  switchpoint: Position,
): Promise<Position | null> {
  const behind = lsn(segmentStart(switchpoint.lsn, layout.segmentSize) + layout.segmentSize);
  const name = formatSegmentName(switchpoint.timeline, behind, layout.segmentSize);
  const bytes = await files.segment(name);
  if (bytes === null) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readPageHeader(view, behind, layout);
  return typeof header === "string" ? null : switchpoint;
}
