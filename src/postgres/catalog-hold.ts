// Holds catalogue rows on a primary for copies of logical slots elsewhere. A physical slot that reserves no WAL holds them, too, once
// a stream that uses it has sent a standby's feedback (13 to 18); it goes forward only, and nobody but us moves it. What it
// begins with must be there for certain: a fork of a logical slot that has it takes its horizon over under the server's
// own interlock, waits for no transaction, and ends with its session.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { formatLsn, type Lsn, lsn as lsnOfNumber, maxLsn } from "../wal/lsn.ts";
import { connect } from "./connect.ts";
import { ownApplicationName } from "./observe-sql.ts";
import { lsnOf } from "./observed-row.ts";
import { pollFor } from "./poll.ts";
import { identifySystem } from "./replication.ts";
import { formatCatalogFeedback } from "./replication-messages.ts";
import type { Session } from "./session.ts";

/** Forks a logical slot of the session's database for as long as the session lasts. Gives the transaction whose rows it holds. */
export async function forkSlot(session: Session, source: string): Promise<number> {
  const name = `remasterfork_${session.backendPid.toFixed(0)}`;
  await session.query(
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
    [name],
  );
  await session.query("SELECT pg_copy_logical_replication_slot($1::name, $2::name, true)", [
    source,
    name,
  ]);
  const [row] = await session.query(
    "SELECT catalog_xmin::text AS xmin FROM pg_replication_slots WHERE slot_name = $1",
    [name],
  );
  const xmin = Number(row?.["xmin"] ?? Number.NaN);
  if (!Number.isInteger(xmin)) throw new Error(`a fork of slot ${source} holds no rows`);
  return xmin;
}

const createSql = /* sql */ `
SELECT pg_create_physical_replication_slot(wanted, false)
FROM (SELECT $1::name AS wanted) AS w
WHERE NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = wanted)`;

const placeSql = /* sql */ `
SELECT (SELECT redo_lsn FROM pg_control_checkpoint())::text AS redo,
       txid_snapshot_xmax(txid_current_snapshot())::text AS next`;

/** Has the slot, which is made where it is missing, hold the rows from that transaction on. Throws where it does not do so. */
export async function holdCatalog(
  session: Session,
  wish: { readonly conninfo: Conninfo; readonly slotName: string; readonly xmin: number },
  limit: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const { slotName } = wish;
  await session.query(createSql, [slotName]);
  const [row = {}] = await session.query(placeSql);
  const message = formatCatalogFeedback(fullXid(wish.xmin, BigInt(row["next"] ?? "0")));
  await using stream = await connect(
    { ...wish.conninfo, application_name: ownApplicationName },
    { applicationName: ownApplicationName, replication: "true", greeting: "none", ...limit },
  );
  const { flushLsn } = await identifySystem(stream);
  const from = startOf(flushLsn, lsnOf(row, "redo"));
  const state: { said: boolean; ended: string | null } = { said: false, ended: null };
  const command = `START_REPLICATION SLOT "${slotName}" PHYSICAL ${formatLsn(from)}`;
  const onData = (): Uint8Array | null => {
    const answer = state.said ? null : message;
    state.said = true;
    return answer;
  };
  stream.copyBoth(command, onData).then(
    () => (state.ended = "the stream ended"),
    (error: unknown) => (state.ended = error instanceof Error ? error.message : String(error)),
  );
  const held = await pollFor(
    async () => {
      if (state.ended !== null) throw new Error(`slot ${slotName}: ${state.ended}`);
      return (await heldBy(session, slotName)) === wish.xmin ? true : null;
    },
    { ...limit, everyMs: 2 },
  );
  if (held === null) throw new Error(`slot ${slotName} does not hold the catalogue in time`);
}

async function heldBy(session: Session, slotName: string): Promise<number | null> {
  const sql = "SELECT catalog_xmin::text AS xmin FROM pg_replication_slots WHERE slot_name = $1";
  const [row] = await session.query(sql, [slotName]);
  const xmin = row?.["xmin"] ?? null;
  return xmin === null ? null : Number(xmin);
}

/** A sender speaks first once it has something to send; what lies behind the last checkpoint's beginning is there for certain. */
function startOf(flush: Lsn, redo: Lsn | null): Lsn {
  const page = 8192n;
  const near = lsnOfNumber(flush > page ? flush - page : 0n);
  return redo === null ? near : maxLsn(redo, near);
}

/** The 64 bits of a transaction id that lies before `next`. */
export function fullXid(xid: number, next: bigint): bigint {
  const epoch = next >> 32n;
  const isOfThisEpoch = BigInt(xid) <= (next & 0xffff_ffffn);
  return ((isOfThisEpoch ? epoch : epoch - 1n) << 32n) | BigInt(xid);
}

/** Drops physical slots of these names that nobody uses. */
export async function dropHolds(session: Session, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await session.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
       WHERE slot_name = $1 AND slot_type = 'physical' AND NOT active AND restart_lsn IS NULL`,
      [name],
    );
  }
}
