// Copies of logical slots on a standby before 16: advanced while it recovers, where reading goes by the log alone. The first call
// brings the confirmed position; what was seen beyond it counts for the horizons from the second on (13 to 15), so both are
// made: else the copy would hold catalogue rows and WAL for one pass longer each time.

import { formatLsn, type Lsn } from "../wal/lsn.ts";
import { lsnOf } from "./observed-row.ts";
import type { Session } from "./session.ts";

export interface SlotPoint {
  readonly slotName: string;
  readonly catalogXmin: number | null;
  readonly restartLsn: Lsn | null;
  readonly confirmedFlushLsn: Lsn | null;
}

/** The lasting logical slots of a server. */
export async function slotPoints(session: Session): Promise<readonly SlotPoint[]> {
  const rows = await session.query(
    `SELECT slot_name AS name, catalog_xmin::text AS xmin, restart_lsn::text AS restart,
       confirmed_flush_lsn::text AS confirmed
     FROM pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary`,
  );
  return rows.map((row) => ({
    slotName: row["name"] ?? "",
    catalogXmin: row["xmin"] == null ? null : Number(row["xmin"]),
    restartLsn: lsnOf(row, "restart"),
    confirmedFlushLsn: lsnOf(row, "confirmed"),
  }));
}

/** In a session of the slot's database. Never further than was replayed. */
export async function advanceCopy(
  session: Session,
  { slotName, to }: { readonly slotName: string; readonly to: Lsn },
  timeoutMs: number,
): Promise<void> {
  const sql = "SELECT pg_replication_slot_advance($1::name, $2::pg_lsn)";
  await session.query(sql, [slotName, formatLsn(to)], { timeoutMs });
  await session.query(sql, [slotName, formatLsn(to)], { timeoutMs });
}

/** In a session of the slot's database. */
export async function dropCopy(session: Session, slotName: string): Promise<void> {
  await session.query("SELECT pg_drop_replication_slot($1::name)", [slotName]);
}
