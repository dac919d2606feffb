// Where a log ends, read from its segments: record by record, as crash recovery does, until what stands there is no record that
// follows the one before. Also where the first record stands that belongs to a transaction. Reads no more than a limit.
// A segment that was used before holds old pages: their headers say another address (13 to 18).

import { type Lsn, lsn } from "./lsn.ts";
import { pageStart, readPageHeader, type WalLayout } from "./page.ts";
import {
  belongsToTransaction,
  readRecord,
  recordStart,
  type WalBytes,
  type WalRecord,
} from "./record.ts";
import { segmentStart } from "./segment.ts";

export interface LogEnd {
  /** The end of the last record. */
  readonly end: Lsn;
  /** Where the first record begins that belongs to a transaction. */
  readonly foreign: Lsn | null;
  /** Where reading was given up; null: it came to the end. */
  readonly unread: Lsn | null;
}

export interface Log {
  /** Where a record begins, or the end of the one before. */
  readonly from: Lsn;
  readonly layout: WalLayout;
  /** The bytes of the segment that begins there; null where there is none. */
  segment(start: Lsn): Promise<Uint8Array | null>;
}

/** Bytes; more than that at once is more than anybody wants to wait for. */
const limit = 512n * 1024n * 1024n;

/** Null where no record begins at `from`. */
export async function findLogEnd(log: Log): Promise<LogEnd | null> {
  const { from, layout } = log;
  const first = segmentStart(from, layout.segmentSize);
  let wal = await load(log, first);
  if (wal === null || !isWritten(wal, from, layout)) return null;
  let next = recordStart(from, layout);
  let last: WalRecord | null = null;
  let foreign: Lsn | null = null;
  for (;;) {
    const reading = readRecord(wal, next, layout);
    if (reading.kind === "more") {
      const grown: WalBytes | null = isBlank(wal, next) ? null : await grow(wal, next, log);
      if (grown === null) break;
      wal = grown;
      continue;
    }
    if (reading.kind === "broken") break;
    if (reading.kind === "record") {
      const { record } = reading;
      if (last === null ? record.previous >= record.start : record.previous !== last.start) break;
      last = record;
      if (belongsToTransaction(record)) foreign ??= record.start;
      if (record.end - from > limit) return { end: record.end, foreign, unread: record.end };
    }
    next = reading.next;
  }
  return last === null ? null : { end: last.end, foreign, unread: null };
}

async function load(log: Log, start: Lsn): Promise<WalBytes | null> {
  const bytes = await log.segment(start);
  return bytes === null ? null : { at: start, bytes };
}

/** The page in which it lies is of this round through the log. */
function isWritten({ at, bytes }: WalBytes, place: Lsn, layout: WalLayout): boolean {
  const page = pageStart(place, layout);
  const offset = Number(page - at);
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, bytes.length - offset);
  return typeof readPageHeader(view, page, layout) !== "string";
}

/** Nothing was written there, as far as the bytes go. */
function isBlank({ at, bytes }: WalBytes, place: Lsn): boolean {
  const offset = Number(place - at);
  return bytes.subarray(offset, offset + 4).every((byte) => byte === 0) && offset < bytes.length;
}

/** With the segment behind, and without what is read. */
async function grow({ at, bytes }: WalBytes, next: Lsn, log: Log): Promise<WalBytes | null> {
  const more = await log.segment(lsn(at + BigInt(bytes.length)));
  if (more === null) return null;
  const kept = Math.min(Number(pageStart(next, log.layout) - at), bytes.length);
  const grown = new Uint8Array(bytes.length - kept + more.length);
  grown.set(bytes.subarray(kept));
  grown.set(more, bytes.length - kept);
  return { at: lsn(at + BigInt(kept)), bytes: grown };
}
