// What others than its consumer do about a logical slot: look whether it is there, drop a copy of it that nobody uses, and have
// the primary write the record that decoding on a standby begins with, and that an idle consumer gets to confirm (16+).

import type { Session } from "./session.ts";

/** Logs the transactions that run, so that there is something to decode up to; before 16 there is no way. */
export async function logSnapshot(primary: Session): Promise<void> {
  if (primary.version < 160_000) return;
  await primary.query("SELECT pg_log_standby_snapshot()");
}

/** Drops a logical slot that nobody uses. Synced ones (17+) belong to the server, which refuses (55000). */
export async function dropLogicalSlot(session: Session, slotName: string): Promise<void> {
  await session.query(
    `SELECT pg_drop_replication_slot(slot_name)
     FROM pg_replication_slots
     WHERE slot_name = $1 AND slot_type = 'logical' AND NOT active`,
    [slotName],
  );
}
