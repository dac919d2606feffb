// What a former primary left in its data directory, held against the history of the node that leads now: is all it has part of
// that history, or has it WAL that exists nowhere else? Proven from its files, never guessed from its role.

import type { Position } from "../wal/position.ts";

/** WAL behind the switchpoint. */
export interface Diverged {
  readonly kind: "diverged";
  /** The last position that both lines have in common. */
  readonly switchpoint: Position;
  /** Where its log ends. */
  readonly end: Position;
  /** True: it was not read to its end, which lies farther. */
  readonly more: boolean;
  /** Where the first record begins that belongs to a transaction; null where there is none: what the server writes by itself
   * (checkpoints, traces of vacuum) is nobody's loss. */
  readonly foreign: Position | null;
}

export type FormerLine =
  /** All that it has is part of the history. `torn`: up to the switchpoint, but for the beginning of a record that was
   * never finished and reaches into a later segment: cut off there, it can follow. */
  | { readonly kind: "part"; readonly torn: Position | null }
  | Diverged
  | { readonly kind: "unknown"; readonly why: string };

/** What taking it back by pg_rewind would need. */
export interface RewindMeans {
  /** Path of pg_rewind; null where there is none. */
  readonly program: string | null;
  /** The server kept account of changed pages: data checksums or wal_log_hints. */
  readonly tracksPages: boolean;
  /** Where a copy of its WAL would be kept. */
  readonly keepIn: string;
  /** Null: a copy can be made there; else why not. */
  readonly cannotKeep: string | null;
  /** Rights on the new primary that pg_rewind needs and our role lacks, as GRANT names them. */
  readonly lackingRights: readonly string[];
}

export interface FormerNode {
  /** A process works in the data directory. */
  readonly runs: boolean;
  /** Of the directory's own words; null where they cannot be read. */
  readonly systemIdentifier: string | null;
  readonly dataDirectory: string;
  /** It ended by a shutdown checkpoint. */
  readonly clean: boolean;
  /** Bytes. */
  readonly segmentSize: bigint;
  readonly line: FormerLine;
  readonly means: RewindMeans;
}
