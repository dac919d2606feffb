// Transaction ids of 32 bits, which go around: which of two comes first holds as long as they are less than 2^31 apart, and the
// server sees to that (src/backend/access/transam/transam.c).

export function isAtMost(xid: number, other: number): boolean {
  return ((xid - other) | 0) <= 0;
}
