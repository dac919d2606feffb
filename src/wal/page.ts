// Pages of the write-ahead log: each begins with a header, the first one of a segment with a long one. Little-endian
// servers only, which is all that PostgreSQL is built for where this tool runs; another byte order shows as a wrong magic.
// Source: src/include/access/xlog_internal.h; the layout is the same in 13 to 18, the magic is not.

import { type Lsn, lsn } from "./lsn.ts";

/** Sizes in bytes that a server was built and initialised with: wal_block_size and wal_segment_size. */
export interface WalLayout {
  readonly blockSize: number;
  readonly segmentSize: bigint;
}

export const shortHeaderSize = 24;
export const longHeaderSize = 40;

/** XLOG_PAGE_MAGIC by major: 13 to 18. */
const magics: readonly number[] = [0xd106, 0xd10d, 0xd110, 0xd113, 0xd116, 0xd118];

const firstIsContinued = 0x0001;
const isLong = 0x0002;
const firstIsOverwritten = 0x0008;

export interface PageHeader {
  readonly timeline: number;
  /** Bytes of a record that began on an earlier page; 0 where none goes on here. */
  readonly remaining: number;
  /** The record that began on an earlier page was never finished: what follows takes its place. */
  readonly overwrites: boolean;
}

export function pageStart(at: Lsn, { blockSize }: WalLayout): Lsn {
  return lsn(at - (at % BigInt(blockSize)));
}

export function headerSizeAt(page: Lsn, { segmentSize }: WalLayout): number {
  return page % segmentSize === 0n ? longHeaderSize : shortHeaderSize;
}

/** The header of the page that begins at `page`, from its bytes; a text where they are no such header. */
export function readPageHeader(bytes: DataView, page: Lsn, layout: WalLayout): PageHeader | string {
  const magic = bytes.getUint16(0, true);
  if (!magics.includes(magic)) return `page magic ${magic.toString(16)} is of no known version`;
  const info = bytes.getUint16(2, true);
  const address = bytes.getBigUint64(8, true);
  if (address !== page) return `the page says that it is ${address.toString(16)}`;
  const long = headerSizeAt(page, layout) === longHeaderSize;
  if (long !== ((info & isLong) !== 0)) return "the page header is not as long as it should be";
  const goesOn = (info & firstIsContinued) !== 0;
  const remaining = bytes.getUint32(16, true);
  if (goesOn !== remaining > 0) return "the page header contradicts itself";
  return {
    timeline: bytes.getUint32(4, true),
    remaining,
    overwrites: (info & firstIsOverwritten) !== 0,
  };
}
