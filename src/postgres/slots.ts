// Physical slots that hold an upstream's WAL for its standbys. They can be made and advanced on a standby, so a
// candidate's slots for its siblings may stand ready before its promotion (13 to 18). Slots come before conninfo:
// repointing before the slot exists costs a whole wal_retrieve_retry_interval. Makes no logical slots.

import { type Lsn, formatLsn } from "../wal/lsn.ts";
import { type Refused, refuse } from "./outcome.ts";
import { QueryError, type Session } from "./session.ts";
import { quoteLiteral } from "./settings.ts";

const createSql = /* sql */ `
SELECT CASE WHEN s.slot_name IS NULL
            THEN (pg_create_physical_replication_slot($1, true)).slot_name::text END AS created,
       s.slot_type AS type
FROM (SELECT 1) AS one LEFT JOIN pg_replication_slots s ON s.slot_name = $1`;

/** The slot is there; `made`: by this call. */
export type SlotEnsured = { readonly done: true; readonly made: boolean } | Refused;

/** Makes sure that the upstream has a physical slot of that name, which holds its WAL from now on at the latest. */
export async function ensureSlot(upstream: Session, slotName: string): Promise<SlotEnsured> {
  try {
    const [row] = await upstream.query(createSql.replaceAll("$1", quoteLiteral(slotName)));
    if (row?.["type"] !== "logical") return { done: true, made: row?.["created"] != null };
    return refuse("step-failed", `slot ${slotName} on the upstream is a logical one`);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    switch (error.sqlstate) {
      case "42710":
        return { done: true, made: false };
      case "42501":
        return refuse(
          "missing-right",
          "this role may not make replication slots",
          "ALTER ROLE the role of remaster REPLICATION",
        );
      case "53400":
        return refuse(
          "step-failed",
          "all replication slots of the upstream are in use",
          "raise max_replication_slots there, or drop a slot",
        );
      default:
        return refuse("step-failed", `slot ${slotName} could not be made: ${error.message}`);
    }
  }
}

/** Whether a slot of that name is there, of whichever type. */
export async function hasSlot(upstream: Session, slotName: string): Promise<boolean> {
  return (await slotType(upstream, slotName)) !== null;
}

/** `physical` or `logical`; null where there is no slot of that name. */
export async function slotType(upstream: Session, slotName: string): Promise<string | null> {
  const sql = "SELECT slot_type::text AS type FROM pg_replication_slots WHERE slot_name = $1";
  const [row] = await upstream.query(sql, [slotName]);
  return row?.["type"] ?? null;
}

/** Lets go of WAL before `lsn` that the slot holds. A slot in use, or already past it, is left as it is. */
export async function advanceSlot(upstream: Session, slotName: string, lsn: Lsn): Promise<void> {
  await upstream.query(
    `SELECT pg_replication_slot_advance(slot_name, $2::pg_lsn)
     FROM pg_replication_slots
     WHERE slot_name = $1 AND slot_type = 'physical' AND NOT active
       AND (restart_lsn IS NULL OR restart_lsn < $2::pg_lsn)`,
    [slotName, formatLsn(lsn)],
  );
}

/** Drops a physical slot that nobody uses. */
export async function dropSlot(upstream: Session, slotName: string): Promise<void> {
  await upstream.query(
    `SELECT pg_drop_replication_slot(slot_name)
     FROM pg_replication_slots
     WHERE slot_name = $1 AND slot_type = 'physical' AND NOT active`,
    [slotName],
  );
}
