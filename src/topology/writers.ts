// Who may write to a primary, and what of it the operator's role may end or change: what a fence has to know beforehand.

import type { Override, Subscription } from "./fence-mark.ts";

/** A session of somebody else's. */
export interface ForeignSession {
  readonly pid: number;
  readonly user: string | null;
  readonly database: string | null;
  readonly applicationName: string;
  readonly clientAddress: string | null;
  /** Age of its transaction, milliseconds; null outside of one. */
  readonly transactionAgeMs: number | null;
  /** Whether our role may end it. */
  readonly mayEnd: boolean;
}

export interface PreparedTransaction {
  readonly gid: string;
  readonly database: string;
  readonly ageMs: number;
}

export interface WriterSurvey {
  readonly node: string;
  readonly sessions: readonly ForeignSession[];
  readonly overrides: readonly Override[];
  /** Enabled ones. */
  readonly subscriptions: readonly Subscription[];
  readonly preparedTransactions: readonly PreparedTransaction[];
  /** Whether our role may set what other roles have set for themselves, and disable their subscriptions. */
  readonly isSuperuser: boolean;
}
