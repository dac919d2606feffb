// What a rehearsal tells while it runs, and what came of it.

export interface RehearsalEvent {
  /** Milliseconds since the rehearsal began. */
  readonly atMs: number;
  readonly text: string;
}

export interface RehearsalCheck {
  readonly name: string;
  readonly holds: boolean;
  readonly detail: string;
}

export interface Rehearsal {
  /** Every check holds. */
  readonly passed: boolean;
  readonly checks: readonly RehearsalCheck[];
  readonly events: readonly RehearsalEvent[];
  /** PostgreSQL's. */
  readonly version: string;
  /** Null: cleared away. */
  readonly directory: string | null;
  readonly configFile: string | null;
  readonly newPrimary: string | null;
  /** Rows whose commit the client saw acknowledged. */
  readonly acknowledged: number;
  /** Of those acknowledged before the primary died, how many a surviving node had. */
  readonly survived: number;
  /** Rows acknowledged before the primary died that no surviving node had: no failover could keep them. */
  readonly died: number;
  /** Rows that survived, or came after, and are not on the new primary. */
  readonly missing: number;
  /** Longest time between two acknowledgements. */
  readonly longestGapMs: number;
  /** From the start of the failover to the client's first acknowledgement after it; null when there was none. */
  readonly writesBackMs: number | null;
}
