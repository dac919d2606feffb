// CRC-32C (Castagnoli), as PostgreSQL computes it over WAL records. Source: src/port/pg_crc32c_sb8.c, same in 13 to 18.

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let remainder = index;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f6_3b78 : remainder >>> 1;
  }
  return remainder >>> 0;
});

/** Of all parts one after the other; an unsigned 32-bit number. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let register = 0xffff_ffff;
  for (const part of parts) {
    // By index: an iterator over the bytes takes ten times as long.
    for (let index = 0; index < part.length; index += 1) {
      register = (table[(register ^ (part[index] ?? 0)) & 0xff] ?? 0) ^ (register >>> 8);
    }
  }
  return (register ^ 0xffff_ffff) >>> 0;
}
