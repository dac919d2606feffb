// What a failover promises about acknowledged commits: part of its plan, shown before the question and reported after.

export interface Guarantee {
  /**
   * - `proven`: no acknowledged commit can be missing on what was reached;
   * - `unproven`: it cannot be told; where `unreached` is empty, and commits waited for no standby as far as is known, nobody
   *   can have more but the lost primary;
   * - `ahead-unreachable`: a node that cannot be reached had more when it was last seen.
   */
  readonly kind: "proven" | "unproven" | "ahead-unreachable";
  /** What it rests on, with what it does not cover. */
  readonly basis: string;
  /** The primary that was seen before; null where none was, or what was seen no longer counts. */
  readonly primary: string | null;
  /** When that was, milliseconds since 1970. */
  readonly observedAt: number | null;
  /** By how much that primary was then ahead of the farthest standby that is reached now. */
  readonly distanceBytes: bigint | null;
  /** Whether commits waited for standbys when that primary was seen; null where that is not known. */
  readonly synchronous: boolean | null;
  /** Nodes out of reach that may hold what nobody reached has, and those whose WAL is given up. */
  readonly unreached: readonly string[];
  /** When proven, and each listed name is one standby's own: the reached standbys that could have confirmed. */
  readonly confirmers: readonly string[] | null;
}
