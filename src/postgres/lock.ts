// The lock of a cluster on one of its servers: a session advisory lock in one fixed database, since such locks belong to
// their database. It works on a hot standby, survives its promotion, and ends with its session (13 to 18).
// Refuses to take it through a pooler, which would leave it behind on a connection of its own.

import { type LockOwner, parseOwner } from "./lock-owner.ts";
import { numberOf, textOf } from "./observed-row.ts";
import { pollFor } from "./poll.ts";
import { QueryError, type Row, type Session } from "./session.ts";

/** Every cluster has it, and by default everybody may connect to it. */
export const lockDatabase = "postgres";

/** `rema`, `ster`: the key as its eight letters. */
const key = [0x72656d61, 0x73746572] as const;

/** A machine that vanished keeps its lock for so long at most, milliseconds. Probes begin after 9 s of silence and are
 * three, 6 s apart; what was sent and not acknowledged ends the session after 27 s (tcp_user_timeout, 12+). */
export const vanishedMs = 30_000;

/** Of every session that may hold the lock: the server's settings may keep a dead peer for hours. */
export const livenessSettings: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: "9",
  tcp_keepalives_interval: "6",
  tcp_keepalives_count: "3",
  tcp_user_timeout: "27000",
};

/** Tries for the lock. `backendPid` is what the server told at the login: where another process answers, a pooler stands
 * between, and nothing is taken. */
const tryColumns = (backendPid: number): string => /* sql */ `
CASE WHEN pg_backend_pid() = ${backendPid} THEN pg_try_advisory_lock(${key.join(", ")}) END AS locked,
pg_postmaster_start_time()::text AS "startedAt"`;

/** A backend that is busy hears nothing of its peer's end but by this (14+, and not on every system). */
const watchColumn = /* sql */ `
CASE WHEN strpos(version(), 'linux') > 0
     THEN set_config('client_connection_check_interval', '1000', false) END AS watched`;

/** Every expression costs a new backend its catalogue lookups: all of it takes 0.3 ms of processor time (15). */
export function lockColumns(server: {
  readonly backendPid: number;
  readonly version: number;
}): string {
  const columns = tryColumns(server.backendPid);
  return server.version >= 140_000 ? `${columns}, ${watchColumn}` : columns;
}

export interface LockTry {
  readonly locked: boolean;
  /** When the postmaster started, in UTC, such as sorts by time: a server's own, the same for everybody who asks. */
  readonly startedAt: string;
}

export function readLockTry(row: Row): LockTry {
  return { locked: textOf(row, "locked") === "t", startedAt: textOf(row, "startedAt") ?? "" };
}

/** Statements about the lock wait for nobody. */
const limit = { timeoutMs: 2_000 };

export async function tryLock(session: Session): Promise<LockTry> {
  const [row] = await session.query(`SELECT ${lockColumns(session)}`, [], limit);
  if (row === undefined) throw new Error("the attempt to lock gave no row");
  return readLockTry(row);
}

export async function unlock(session: Session): Promise<void> {
  await session.query(`SELECT pg_advisory_unlock(${key.join(", ")})`, [], limit);
}

export interface Holder {
  readonly pid: number;
  /** Null where the session ended meanwhile. */
  readonly role: string | null;
  readonly applicationName: string;
  /** Null for a session that is none of ours. */
  readonly owner: LockOwner | null;
  /** An IP address or `a Unix socket`; null where the role may not see it. */
  readonly address: string | null;
  /** When its session began, milliseconds since 1970; null where the role may not see it. */
  readonly since: number | null;
}

const holderSql = /* sql */ `
SELECT l.pid::text AS pid, a.usename::text AS role, a.application_name AS name,
  CASE WHEN a.client_port = -1 THEN 'a Unix socket' ELSE host(a.client_addr) END AS address,
  (extract(epoch FROM a.backend_start) * 1000)::text AS since
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.classid = ${key[0]} AND l.objid = ${key[1]}
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** Who holds the lock on this server now; null when nobody does. */
export async function findHolder(session: Session): Promise<Holder | null> {
  const [row] = await session.query(holderSql, [], limit);
  if (row === undefined) return null;
  const applicationName = textOf(row, "name") ?? "";
  return {
    pid: numberOf(row, "pid") ?? 0,
    role: textOf(row, "role"),
    applicationName,
    owner: parseOwner(applicationName),
    address: textOf(row, "address"),
    since: numberOf(row, "since"),
  };
}

/** `LIKE` would read the marks' letters and dots as they are, but an operator's `_` and `%` not. */
const endSql = /* sql */ `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
  AND (pid = $1::int OR application_name ~ ('^remaster \\S+ \\S+ ' || $2::text || '$'))`;

/** Ends the holder's session, and all of its run on this server. Null when it was let; else what the server said. */
export async function endHolder(
  session: Session,
  holder: { readonly pid: number | null; readonly mark: string | null },
): Promise<string | null> {
  const mark = (holder.mark ?? "-").replace(".", "\\.");
  try {
    await session.query(endSql, [holder.pid, mark], limit);
    return null;
  } catch (error) {
    if (error instanceof QueryError && error.sqlstate === "42501") return error.message;
    throw error;
  }
}

/** `ann@laptop (remaster failover, process 4711, role remaster, from 10.0.0.7, since 2026-01-31T03:12:44Z)`. */
export function describeHolder(holder: Holder): string {
  const { owner, role, address, since, pid } = holder;
  const facts = [
    owner === null ? `backend ${pid}` : `remaster ${owner.verb}, process ${owner.pid}`,
    ...(role === null ? [] : [`role ${role}`]),
    ...(address === null ? [] : [`from ${address}`]),
    ...(since === null ? [] : [`since ${new Date(since).toISOString().replace(/\.\d+Z$/, "Z")}`]),
  ];
  const stranger = holder.applicationName === "" ? "a session" : holder.applicationName;
  return `${owner?.operator ?? stranger} (${facts.join(", ")})`;
}

/** Whether two names are the same run's. */
export function isSameRun(owner: LockOwner, holder: Holder): boolean {
  return holder.owner?.mark === owner.mark;
}

/** The server has not noticed yet that our former connection is gone. */
export async function replaceStale(session: Session, holder: Holder): Promise<boolean> {
  await endHolder(session, { pid: holder.pid, mark: null });
  const look = async () => ((await tryLock(session)).locked ? true : null);
  return (await pollFor(look, { timeoutMs: 1_000, everyMs: 20 })) === true;
}
