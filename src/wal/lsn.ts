// A log sequence number: a byte address in the write-ahead log of a cluster.
// 64 bits, so a bigint; never a number (53 bits) and never compared as text ('10/0' < '9/0').
// Source: src/include/access/xlogdefs.h, pg_lsn_in.

declare const lsnBrand: unique symbol;

/** Byte address in the write-ahead log, 0 to 2^64-1. Printed `16/B374D848`. */
export type Lsn = bigint & { readonly [lsnBrand]: true };

const lsnText = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;
const largest = 0xffff_ffff_ffff_ffffn;

/** An Lsn from an integer. Throws RangeError outside 64 bits. */
export function lsn(value: bigint): Lsn {
  if (value < 0n || value > largest) throw new RangeError(`no LSN: ${value.toString()}`);
  return value as Lsn;
}

/** An Lsn from PostgreSQL's text form `X/Y` (hexadecimal), or null where the text is none. */
export function parseLsn(text: string): Lsn | null {
  const match = lsnText.exec(text);
  if (match === null) return null;
  return ((BigInt(`0x${match[1] ?? ""}`) << 32n) | BigInt(`0x${match[2] ?? ""}`)) as Lsn;
}

/** PostgreSQL's text form: two upper-case hexadecimal halves, without leading zeros. */
export function formatLsn(value: Lsn): string {
  const high = (value >> 32n).toString(16);
  const low = (value & 0xffff_ffffn).toString(16);
  return `${high}/${low}`.toUpperCase();
}

/** -1, 0 or 1, as Array#sort wants it. */
export function compareLsn(a: Lsn, b: Lsn): -1 | 0 | 1 {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The greater of two, where either may be unknown. */
export function maxLsn<A extends Lsn | null, B extends Lsn | null>(a: A, b: B): A | B {
  if (a === null) return b;
  if (b === null) return a;
  return a >= b ? a : b;
}
