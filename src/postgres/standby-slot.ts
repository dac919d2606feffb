// Copies of logical slots that a standby makes by decoding for itself (16+). Making one waits for the standby to replay a record
// of the running transactions, and for those of them to end that were open at the first: the primary logs one when it is asked
// (pg_log_standby_snapshot), else every 15 seconds at best. Advancing never goes past what the standby has replayed (measured
// on 16 and 18). What waits on the server has its limit there, so that it ends with nobody waiting for it any more.

import { formatLsn, type Lsn, parseLsn } from "../wal/lsn.ts";
import { type Acted, acted, refuse } from "./outcome.ts";
import { QueryError, type Session } from "./session.ts";
import { quoteLiteral } from "./settings.ts";

export interface CopyWish {
  readonly slotName: string;
  readonly plugin: string;
  readonly twoPhase: boolean;
}

/** How much later than the server the client gives up, milliseconds: the server's own word is the better one. */
const graceMs = 500;

/** In a session of the slot's database on the standby. Nothing stays where it is refused: a slot on its way is dropped. */
export async function makeCopy(
  session: Session,
  wish: CopyWish,
  timeoutMs: number,
): Promise<Acted> {
  const name = quoteLiteral(wish.slotName);
  const sql = `SELECT pg_create_logical_replication_slot(${name}, ${quoteLiteral(wish.plugin)}, false, ${wish.twoPhase})`;
  try {
    await limitStatements(session, timeoutMs);
    await session.query(sql, [], { timeoutMs: timeoutMs + graceMs });
    return acted;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return refuseCopy(error);
  }
}

function refuseCopy({ sqlstate, message }: QueryError): Acted {
  switch (sqlstate) {
    case "42501":
      return refuse("missing-right", "this role may not make replication slots there");
    case "53400":
      return refuse(
        "too-few-slots",
        "all its replication slots are in use (max_replication_slots)",
      );
    case "57014":
      return refuse("step-failed", "time was up before it became consistent");
    default:
      return refuse("step-failed", message);
  }
}

async function limitStatements(session: Session, timeoutMs: number): Promise<void> {
  const limit = String(Math.max(1, Math.floor(timeoutMs)));
  await session.query("SELECT set_config('statement_timeout', $1, false)", [limit]);
}

/** How much of the log one call reads at most: only at its end a slot keeps how far it came. */
const strideBytes = 128n * 1024n * 1024n;

const advanceSql = /* sql */ `
SELECT (pg_replication_slot_advance(slot_name, $2::pg_lsn)).end_lsn::text AS "end"
FROM pg_replication_slots
WHERE slot_name = $1 AND confirmed_flush_lsn < LEAST($2::pg_lsn, pg_last_wal_replay_lsn())`;

/** Brings a copy to that position, or to what the standby has replayed. In a session of the slot's database. */
export async function advanceCopy(
  session: Session,
  way: { readonly slotName: string; readonly from: Lsn; readonly to: Lsn },
  remainingMs: () => number,
): Promise<Acted> {
  try {
    let reached = way.from;
    while (reached < way.to) {
      const timeoutMs = remainingMs();
      if (timeoutMs <= 0) return refuse("step-failed", "time was up before it was level");
      await limitStatements(session, timeoutMs);
      const stride = reached + strideBytes < way.to ? ((reached + strideBytes) as Lsn) : way.to;
      const [row] = await session.query(advanceSql, [way.slotName, formatLsn(stride)], {
        timeoutMs: timeoutMs + graceMs,
      });
      const end = parseLsn(row?.["end"] ?? "");
      if (end === null || end <= reached) return acted;
      reached = end;
    }
    return acted;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const late = error.sqlstate === "57014";
    return refuse("step-failed", late ? "time was up before it was level" : error.message);
  }
}

/** Drops a logical slot that nobody uses; in a session of any database. */
export async function dropCopy(session: Session, slotName: string): Promise<void> {
  await session.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
     WHERE slot_name = $1 AND slot_type = 'logical' AND NOT active`,
    [slotName],
  );
}

/** Has the primary log a record of the running transactions; gives its position. */
export async function logRunning(primary: Session): Promise<Lsn> {
  const [row] = await primary.query("SELECT pg_log_standby_snapshot()::text AS lsn");
  const lsn = parseLsn(row?.["lsn"] ?? "");
  if (lsn === null) throw new Error("pg_log_standby_snapshot() gave no position");
  return lsn;
}

/** Whether this role may ask for that. */
export async function mayLogRunning(primary: Session): Promise<boolean> {
  const sql =
    "SELECT has_function_privilege('pg_log_standby_snapshot()', 'EXECUTE')::text AS allowed";
  const [row] = await primary.query(sql);
  return row?.["allowed"] === "true";
}

export interface CopyState {
  readonly slotName: string;
  readonly confirmedFlushLsn: Lsn | null;
  readonly catalogXmin: number | null;
  readonly broken: boolean;
}

/** The logical slots of a standby, as far as copies go. */
export async function readCopies(standby: Session): Promise<ReadonlyMap<string, CopyState>> {
  const rows = await standby.query(/* sql */ `
    SELECT slot_name, confirmed_flush_lsn::text AS confirmed, catalog_xmin::text AS xmin,
           (COALESCE(conflicting, false) OR wal_status IS NOT DISTINCT FROM 'lost')::text AS broken
    FROM pg_replication_slots WHERE slot_type = 'logical'`);
  return new Map(
    rows.map((row) => {
      const slotName = row["slot_name"] ?? "";
      const xmin = row["xmin"] ?? null;
      return [
        slotName,
        {
          slotName,
          confirmedFlushLsn: parseLsn(row["confirmed"] ?? ""),
          catalogXmin: xmin === null ? null : Number(xmin),
          broken: row["broken"] === "true",
        },
      ];
    }),
  );
}

/** The transaction id from which on a physical slot holds catalogue rows; null: it holds none. */
export async function readHeld(upstream: Session, slotName: string): Promise<number | null> {
  const sql = "SELECT catalog_xmin::text AS held FROM pg_replication_slots WHERE slot_name = $1";
  const [row] = await upstream.query(sql, [slotName]);
  const held = row?.["held"] ?? null;
  return held === null ? null : Number(held);
}

/** Whether the standby has replayed that far. */
export async function hasReplayed(standby: Session, lsn: Lsn): Promise<boolean> {
  const sql = "SELECT (pg_last_wal_replay_lsn() >= $1::pg_lsn)::text AS there";
  const [row] = await standby.query(sql, [formatLsn(lsn)]);
  return row?.["there"] === "true";
}

/** What a copy on its way waits for on the primary: the oldest transaction that writes, as a clause; null where there is none. */
export async function oldestWriter(primary: Session): Promise<string | null> {
  const [row] = await primary.query(/* sql */ `
    SELECT * FROM (
      SELECT format('the transaction of process %s (%s)', pid, COALESCE(NULLIF(application_name, ''), usename)) AS who,
             xact_start AS since
      FROM pg_stat_activity WHERE backend_xid IS NOT NULL
      UNION ALL
      SELECT format('the prepared transaction %s', gid), prepared FROM pg_prepared_xacts) AS open
    WHERE since < clock_timestamp() - interval '1 second' ORDER BY since LIMIT 1`);
  return row?.["who"] ?? null;
}

/** The primary's clock, to tell transactions prepared before a moment from those after it. */
export async function readClock(primary: Session): Promise<string> {
  const [row] = await primary.query("SELECT clock_timestamp()::text AS now");
  return row?.["now"] ?? "";
}

/** A transaction of that database that was prepared before that moment and stands; null where there is none. */
export async function preparedBefore(
  primary: Session,
  database: string,
  moment: string,
): Promise<string | null> {
  const sql =
    "SELECT gid FROM pg_prepared_xacts WHERE database = $1 AND prepared <= $2::timestamptz LIMIT 1";
  const [row] = await primary.query(sql, [database, moment]);
  return row?.["gid"] ?? null;
}
