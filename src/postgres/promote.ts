// Asks a standby over SQL to promote itself, and tells whether it has. Decides nothing, and waits for nothing: a promotion
// that was asked for cannot be called back, so when the time is up its outcome is unknown, not failed.

import { type Lsn, parseLsn } from "../wal/lsn.ts";
import type { Position } from "../wal/position.ts";
import { parseTimelineId } from "../wal/timeline.ts";
import { QueryError, type Session } from "./session.ts";
import type { Refusal } from "./outcome.ts";

/** pg_promote(false): a request only. Null when it was accepted. */
export async function requestPromotion(session: Session): Promise<Refusal | null> {
  try {
    await session.query("SELECT pg_promote(false)");
    return null;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    if (error.sqlstate === "42501") {
      return {
        code: "missing-right",
        message: "this role may not execute pg_promote()",
        hint: "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO the role of remaster",
      };
    }
    // 55000: recovery is over meanwhile, so the wait sees the promotion of somebody else.
    if (error.sqlstate === "55000") return null;
    throw error;
  }
}

/** Whether another promotion is on its way here, or done. Once the startup process has taken the request up no file tells
 * of it, and it may wait for a restore_command for long; but pg_wal_replay_resume() refuses from then on (13 to 18), and
 * does nothing where replay is not paused. False where the role may not ask. */
export async function isBeingPromoted(session: Session): Promise<boolean> {
  const running =
    session.version >= 140_000
      ? "pg_get_wal_replay_pause_state() = 'not paused'"
      : "NOT pg_is_wal_replay_paused()";
  try {
    await session.query(`SELECT CASE WHEN ${running} THEN pg_wal_replay_resume() END`, [], {
      timeoutMs: 1000,
    });
    return false;
  } catch (error) {
    if (!(error instanceof QueryError)) return false;
    return error.sqlstate === "55000";
  }
}

// In one statement: CASE evaluates pg_current_wal_lsn() only where recovery is over (it is an error before).
const writePositionSql = /* sql */ `
SELECT CASE WHEN NOT pg_is_in_recovery()
            THEN pg_walfile_name(pg_current_wal_lsn()) || ' '
                 || pg_current_wal_lsn() END AS written`;

/** Timeline and write position of a node that takes writes; null while it is in recovery. Never from control data. */
export async function readWritePosition(session: Session): Promise<Position | null> {
  const rows = await session.query(writePositionSql);
  const written = rows[0]?.["written"] ?? null;
  if (written === null) return null;
  const [file = "", at = ""] = written.split(" ");
  const timeline = parseTimelineId(Number.parseInt(file.slice(0, 8), 16).toFixed(0));
  const lsn: Lsn | null = parseLsn(at);
  if (timeline === null || lsn === null) throw new Error(`no write position: ${written}`);
  return { timeline, lsn };
}
