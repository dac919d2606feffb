// Failover slots (17+): the server's own copies of a primary's logical slots on a standby. A copy that is not ready to be used yet is
// temporary, and pg_sync_replication_slots() drops it when the call returns; the worker (sync_replication_slots = on) keeps
// it until it is. The call stops at the first slot that it cannot do, and is refused while the worker runs; a reload wakes
// the worker from its nap of up to 30 s. A slot by the same name that is no synced one stops both (17, 18).

import { type Lsn, parseLsn } from "../wal/lsn.ts";
import { flagOf, lsnOf, textOf } from "./observed-row.ts";
import { QueryError, type Session } from "./session.ts";

/** A logical slot as it stands on a server; a physical one has no plugin. */
export interface SlotState {
  readonly name: string;
  readonly plugin: string | null;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly active: boolean;
  readonly failover: boolean;
  readonly synced: boolean;
  readonly broken: boolean;
  readonly confirmedFlushLsn: Lsn | null;
}

const slotsSql = /* sql */ `
SELECT slot_name AS name, plugin, database, temporary, active, failover, synced,
       (invalidation_reason IS NOT NULL)::text AS broken, confirmed_flush_lsn AS "confirmedFlushLsn"
FROM pg_replication_slots`;

/** All slots of the server by name (17+). */
export async function readSlotStates(session: Session): Promise<ReadonlyMap<string, SlotState>> {
  const rows = await session.query(slotsSql);
  return new Map(
    rows.map((row) => {
      const name = textOf(row, "name") ?? "";
      const flag = (column: string): boolean => flagOf(row, column) === true;
      const state = {
        name,
        plugin: textOf(row, "plugin"),
        database: textOf(row, "database"),
        temporary: flag("temporary"),
        active: flag("active"),
        failover: flag("failover"),
        synced: flag("synced"),
        broken: flag("broken"),
        confirmedFlushLsn: lsnOf(row, "confirmedFlushLsn"),
      };
      return [name, state] as const;
    }),
  );
}

/** Has the standby bring its copies level, once. Null, or what the server said against it. */
export async function syncSlots(session: Session, timeoutMs: number): Promise<string | null> {
  try {
    await session.query("SELECT pg_sync_replication_slots()", [], { timeoutMs });
    return null;
  } catch (error) {
    if (error instanceof QueryError) return error.message;
    throw error;
  }
}

/** Has the primary log which transactions run: from there on a standby can begin to decode (16+). */
export async function logStandbySnapshot(primary: Session): Promise<Lsn | null> {
  const [row] = await primary.query("SELECT pg_log_standby_snapshot()::text AS lsn");
  return parseLsn(row?.["lsn"] ?? "");
}

/** Whether the standby's worker that keeps copies runs. */
export async function syncWorkerRuns(session: Session): Promise<boolean> {
  const [row] = await session.query(
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'slotsync worker')::text AS runs",
  );
  return row?.["runs"] === "true";
}

/** Whether the server is told to keep copies by itself. */
export async function syncIsOn(session: Session): Promise<boolean> {
  const [row] = await session.query("SELECT current_setting('sync_replication_slots') AS value");
  return row?.["value"] === "on";
}

/** Drops a logical slot that nobody uses and that is no copy of the server's own. */
export async function dropLeftSlot(session: Session, slotName: string): Promise<void> {
  await session.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
     WHERE slot_name = $1 AND slot_type = 'logical' AND NOT active AND NOT synced`,
    [slotName],
  );
}
