// WAL segment files: `pg_wal` holds the log cut into files of wal_segment_size, named by timeline and number.
// Pure arithmetic: whether a file is there is for the reader of pg_ls_waldir() to say.
// Source: src/include/access/xlog_internal.h (XLogFileName, XLByteToSeg); sizes are powers of two, 1 MB to 1 GB.

import { type Lsn, lsn } from "./lsn.ts";
import { parseTimelineId, type TimelineId } from "./timeline.ts";

/** A segment file: the timeline in its name and the address of its first byte. */
export interface Segment {
  readonly timeline: TimelineId;
  readonly start: Lsn;
}

/** wal_segment_size unless initdb was told otherwise: 16 MB, in bytes. */
export const defaultSegmentSize = 16n * 1024n * 1024n;

const segmentName = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/;
const sizeText = /^(\d{1,12})\s*(B|kB|MB|GB)?$/;
const unitBytes: Readonly<Record<string, bigint>> = {
  B: 1n,
  kB: 1024n,
  MB: 1024n * 1024n,
  GB: 1024n * 1024n * 1024n,
};

/** wal_segment_size in bytes from a setting's text (`16777216` as in pg_settings, `16MB` as SHOW prints), or null. */
export function parseSegmentSize(text: string): bigint | null {
  const match = sizeText.exec(text);
  if (match === null) return null;
  const bytes = BigInt(match[1] ?? "") * (unitBytes[match[2] ?? "B"] ?? 1n);
  return isSegmentSize(bytes) ? bytes : null;
}

function isSegmentSize(bytes: bigint): boolean {
  return bytes >= 1n << 20n && bytes <= 1n << 30n && (bytes & (bytes - 1n)) === 0n;
}

/** The segment that a file name of pg_wal means, or null where it is no segment (history, backup and partial files). */
export function parseSegmentName(name: string, segmentSize: bigint): Segment | null {
  const match = segmentName.exec(name);
  if (match === null) return null;
  const timeline = Number.parseInt(match[1] ?? "", 16);
  const withinLog = BigInt(`0x${match[3] ?? ""}`);
  if (timeline === 0 || withinLog >= segmentsPerLog(segmentSize)) return null;
  const number = BigInt(`0x${match[2] ?? ""}`) * segmentsPerLog(segmentSize) + withinLog;
  return { timeline, start: lsn(number * segmentSize) };
}

/** The timeline in a WAL segment's file name. */
export function timelineOfFile(file: string): TimelineId | null {
  return parseTimelineId(Number.parseInt(file.slice(0, 8), 16).toString());
}

/** The name of the file that holds the byte at `at` on `timeline`. */
export function formatSegmentName(timeline: TimelineId, at: Lsn, segmentSize: bigint): string {
  const number = at / segmentSize;
  const parts = [
    BigInt(timeline),
    number / segmentsPerLog(segmentSize),
    number % segmentsPerLog(segmentSize),
  ];
  return parts.map((part) => part.toString(16).toUpperCase().padStart(8, "0")).join("");
}

/** The first byte of the segment that holds the byte at `at`. */
export function segmentStart(at: Lsn, segmentSize: bigint): Lsn {
  return lsn(at - (at % segmentSize));
}

/** Whether `at` is the first byte of a segment: what was received up to there ends exactly with a file. */
export function isSegmentBoundary(at: Lsn, segmentSize: bigint): boolean {
  return at % segmentSize === 0n;
}

function segmentsPerLog(segmentSize: bigint): bigint {
  return (1n << 32n) / segmentSize;
}
