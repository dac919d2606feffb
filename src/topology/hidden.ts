// What a standby has and does not show. After its start a standby first replays what lies in its data directory, and asks for
// a receiver only then; until it does pg_last_wal_receive_lsn() is NULL (13 to 18), and its replay position is all that is
// seen, however much more it has. Where a delay, a pause or a conflict holds replay up, that lasts.

import type { ReachedNode } from "./node.ts";

/** Waits that a startup process enters once everything local is replayed (13 to 18). */
const atTheEnd = ["Timeout/RecoveryRetrieveRetryInterval", "Activity/RecoveryWalStream"];

/** Whether the node may have more than the position that it shows. */
export function mayHoldMore(
  node: Pick<ReachedNode, "role" | "receiveLsn" | "startupWait">,
): boolean {
  if (node.role !== "standby" || node.receiveLsn !== null) return false;
  return !atTheEnd.includes(node.startupWait ?? "");
}

/** The same, for as long as nobody lets its replay go on. */
export function hidesWal(node: ReachedNode): boolean {
  return mayHoldMore(node) && (node.replay !== "running" || node.pauseRequested);
}
