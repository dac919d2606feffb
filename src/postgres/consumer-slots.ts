// What others than its consumer do about a logical slot: look whether it is there, drop a copy of it that nobody uses, and have
// the primary write the record that decoding on a standby begins with, and that an idle consumer gets to confirm (16+). And make one
// on a primary: it begins where the log is then, once no transaction is open.

import type { AwaitedSlot } from "../topology/fence-mark.ts";
import { formatLsn, type Lsn, parseLsn } from "../wal/lsn.ts";
import { textOf } from "./observed-row.ts";
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

const behindSql = /* sql */ `
SELECT s.name, COALESCE(r.confirmed_flush_lsn::text, 'nothing') AS confirmed
FROM unnest(string_to_array($1, ',')) AS s(name)
LEFT JOIN pg_replication_slots r ON r.slot_name = s.name AND r.slot_type = 'logical'
WHERE r.confirmed_flush_lsn IS NULL OR r.confirmed_flush_lsn < $2::pg_lsn
UNION ALL
SELECT 'prepared transaction ' || gid, NULL FROM pg_prepared_xacts`;

/** What keeps the consumers of these slots from being known to have everything up to there, each as a clause; empty where nothing
 * does. A transaction that is prepared is nobody's yet, and no slot can be made before it is over. */
export async function consumersBehind(
  session: Session,
  names: readonly string[],
  at: Lsn,
): Promise<readonly string[]> {
  const rows = await session.query(behindSql, [names.join(","), formatLsn(at)]);
  return rows.map((row) => {
    const [name, confirmed] = [textOf(row, "name") ?? "", textOf(row, "confirmed")];
    if (confirmed === null) return `${name} stands open`;
    return `the consumer of ${name} has confirmed ${confirmed}`;
  });
}

const createSql = (version: number): string => /* sql */ `
SELECT lsn::text AS lsn FROM pg_create_logical_replication_slot(
  $1, $2, false${version >= 140_000 ? ", $3::boolean" : ""})`;

/** Makes the slot; `session` is in its database. Nothing is left of one that is not done in its time. */
export async function makeLogicalSlot(
  session: Session,
  { slotName, plugin, twoPhase }: AwaitedSlot,
  timeoutMs: number,
): Promise<void> {
  const known = [slotName, plugin];
  const parameters = session.version >= 140_000 ? [...known, String(twoPhase)] : known;
  await session.query(createSql(session.version), parameters, { timeoutMs });
}

/** Which of these processes are there. */
export async function findBackends(
  session: Session,
  pids: readonly number[],
): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT pid::text AS pid FROM pg_stat_activity
     WHERE pid::text = ANY (string_to_array($1, ','))`,
    [pids.join(",")],
  );
  return rows.map((row) => textOf(row, "pid") ?? "");
}

/** Ends processes of our own role's, whose connections were lost. */
export async function endBackends(session: Session, pids: readonly number[]): Promise<void> {
  await session.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE pid::text = ANY (string_to_array($1, ','))`,
    [pids.join(",")],
  );
}

/** Where the logical slots of a node begin to give what they have, by name. */
export async function readBeginnings(session: Session): Promise<ReadonlyMap<string, Lsn>> {
  const rows = await session.query(
    `SELECT slot_name, confirmed_flush_lsn::text AS at FROM pg_replication_slots
     WHERE slot_type = 'logical' AND confirmed_flush_lsn IS NOT NULL`,
  );
  return new Map(
    rows.flatMap((row) => {
      const at = parseLsn(textOf(row, "at") ?? "");
      return at === null ? [] : [[textOf(row, "slot_name") ?? "", at] as const];
    }),
  );
}
