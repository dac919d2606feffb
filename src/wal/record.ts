// Records of the write-ahead log, read from its bytes: headers, continuations over pages and segments, checksums. Says
// where each record stands and what kind it is; what it changed is not read. Begins at a record's first byte.
// Source: src/include/access/xlogrecord.h, src/backend/access/transam/xlogreader.c; same in 13 to 18.

import { crc32c } from "./crc32c.ts";
import { type Lsn, lsn } from "./lsn.ts";
import { headerSizeAt, pageStart, readPageHeader, type WalLayout } from "./page.ts";

export interface WalRecord {
  /** Its first byte; never within a page header. */
  readonly start: Lsn;
  /** Where the next one may begin, page headers not counted: what servers report as its end. */
  readonly end: Lsn;
  /** Of the record before it. */
  readonly previous: Lsn;
  /** 0 where it belongs to none. */
  readonly transaction: number;
  /** Number of the resource manager: 0 is the log itself (XLOG), 1 transactions. */
  readonly manager: number;
  /** The manager's own kind, the upper four bits of xl_info. */
  readonly kind: number;
  /** Bytes, header included. */
  readonly length: number;
}

const headerSize = 24;
const checkedHeader = 20;
/** RM_XLOG_ID. */
const logManager = 0;
const shutdownCheckpointKind = 0x00;
const switchKind = 0x40;
/** As much as the server itself takes (XLogRecordMaxSize, 16 and later); more is no record. */
const longest = 1020 * 1024 * 1024;

/** RM_XACT_ID. COMMIT PREPARED is written outside of its transaction. */
const transactionManager = 1;

/** Somebody's work, and none of what the server writes of its own. */
export function belongsToTransaction({ transaction, manager }: WalRecord): boolean {
  return transaction !== 0 || manager === transactionManager;
}

/** Everything was written and flushed, and nothing follows before the next start: the end of a clean shutdown, and of crash
 * recovery. */
export function isShutdownCheckpoint({ manager, kind }: WalRecord): boolean {
  return manager === logManager && kind === shutdownCheckpointKind;
}

function isSwitch({ manager, kind }: Pick<WalRecord, "manager" | "kind">): boolean {
  return manager === logManager && kind === switchKind;
}

/** Contiguous bytes of the log, the first of them at `at`. */
export interface WalBytes {
  readonly at: Lsn;
  readonly bytes: Uint8Array;
}

/** `more`: the bytes end before the record does, or nothing was written there yet. `broken`: what stands there is no record. */
export type Reading =
  | { readonly kind: "record"; readonly record: WalRecord; readonly next: Lsn }
  /** A record was never finished; what took its place begins at `next`. */
  | { readonly kind: "abandoned"; readonly next: Lsn }
  | { readonly kind: "more" }
  | { readonly kind: "broken"; readonly at: Lsn; readonly why: string };

type Taken =
  | { readonly kind: "taken"; readonly parts: readonly Uint8Array[]; readonly next: Lsn }
  | Exclude<Reading, { readonly kind: "record" }>;

/** The first place at or behind `at` where a record may begin: aligned, and past the header of a page. */
export function recordStart(at: Lsn, layout: WalLayout): Lsn {
  const aligned = lsn((at + 7n) & ~7n);
  const page = pageStart(aligned, layout);
  return aligned === page ? lsn(page + BigInt(headerSizeAt(page, layout))) : aligned;
}

/** The record that begins at `start`. Throws for a start that lies outside of the bytes before them. */
export function readRecord(wal: WalBytes, start: Lsn, layout: WalLayout): Reading {
  const head = take(wal, { start, length: headerSize, within: null }, layout);
  if (head.kind !== "taken") return head;
  const header = joined(head.parts);
  const view = viewOf(header);
  const length = view.getUint32(0, true);
  if (length === 0) return { kind: "more" };
  if (length < headerSize || length > longest) return broken(start, `a length of ${length} bytes`);
  const whole = take(wal, { start, length, within: length }, layout);
  if (whole.kind !== "taken") return whole;
  const bytes = joined(whole.parts);
  const sum = crc32c(bytes.subarray(headerSize), bytes.subarray(0, checkedHeader));
  if (sum !== view.getUint32(checkedHeader, true)) return broken(start, "a wrong checksum");
  const kind = { manager: view.getUint8(17), kind: view.getUint8(16) & 0xf0 };
  const end = endOf(whole.next, isSwitch(kind), layout);
  const record = {
    start,
    end,
    previous: lsn(view.getBigUint64(8, true)),
    transaction: view.getUint32(4, true),
    ...kind,
    length,
  };
  return { kind: "record", record, next: recordStart(end, layout) };
}

/** A switch leaves the rest of its segment empty. */
function endOf(next: Lsn, switches: boolean, { segmentSize }: WalLayout): Lsn {
  if (!switches) return lsn((next + 7n) & ~7n);
  return lsn(((next + segmentSize - 1n) / segmentSize) * segmentSize);
}

interface Wanted {
  readonly start: Lsn;
  readonly length: number;
  /** The whole record's length, to hold page headers against; null while it is not known. */
  readonly within: number | null;
}

/** So many bytes of a record, page headers left out. */
function take(wal: WalBytes, wanted: Wanted, layout: WalLayout): Taken {
  const parts: Uint8Array[] = [];
  let at = wanted.start;
  let missing = wanted.length;
  while (missing > 0) {
    const page = pageStart(at, layout);
    if (at === page) {
      const size = headerSizeAt(page, layout);
      const bytes = bytesAt(wal, page, size);
      if (bytes === null) return { kind: "more" };
      const header = readPageHeader(viewOf(bytes), page, layout);
      if (typeof header === "string") return broken(page, header);
      const next = lsn(page + BigInt(size));
      if (header.overwrites) return { kind: "abandoned", next };
      const goesOn = wanted.within === null ? header.remaining > 0 : header.remaining === missing;
      if (!goesOn) return broken(page, "the page does not go on with the record");
      at = next;
    }
    const left = Number(pageStart(at, layout) + BigInt(layout.blockSize) - at);
    const size = Math.min(missing, left);
    const part = bytesAt(wal, at, size);
    if (part === null) return { kind: "more" };
    parts.push(part);
    missing -= size;
    at = lsn(at + BigInt(size));
  }
  return { kind: "taken", parts, next: at };
}

function broken(at: Lsn, why: string): Taken & { readonly kind: "broken" } {
  return { kind: "broken", at, why };
}

function bytesAt({ at, bytes }: WalBytes, from: Lsn, length: number): Uint8Array | null {
  if (from < at) throw new RangeError("the bytes begin behind the record");
  const offset = Number(from - at);
  return offset + length > bytes.length ? null : bytes.subarray(offset, offset + length);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
