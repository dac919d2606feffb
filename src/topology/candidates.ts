// Candidates: every standby ranked by position, with reasons; never a bare winner. Received decides who is ahead,
// replayed decides who diverged. What may not lead is still a source of WAL.

import type { Position, Relation } from "../wal/position.ts";

export interface RankedNode {
  readonly node: string;
  readonly position: Position | null;
  /** Against the node that is ahead (the reference itself is `same`). */
  readonly relation: Relation;
  readonly bytesBehind: bigint | null;
  readonly promotable: boolean;
  /** May it be promoted now: promotable, reachable, not diverged, not held up, of this cluster. */
  readonly eligible: boolean;
  /** Why it stands where it stands, and what speaks against it. */
  readonly reasons: readonly string[];
}

export interface Ranking {
  /** The reachable node that has most; null when nobody's position is known. */
  readonly ahead: string | null;
  /** The standby that would be promoted; null when none may be. */
  readonly candidate: string | null;
  /** What the candidate lacks; null when nothing. */
  readonly exchange: { readonly from: string; readonly to: string; readonly bytes: bigint } | null;
  /** Best first. */
  readonly ranking: readonly RankedNode[];
}
