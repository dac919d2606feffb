// The admin console of one pgbouncer (1.18 and later): reads whether it is paused, pauses it, has it read its configuration
// again, resumes it. It speaks the simple protocol alone. A PAUSE goes over a connection of its own, because a console
// that waits for transactions to end answers nothing else meanwhile.
// Whether the whole of it is paused no SHOW tells in 1.18; what it says to pausing its own console does, and changes nothing.

import type { Address } from "../conninfo/conninfo.ts";
import type { PoolerConfig } from "../topology/pooler.ts";
import { connect } from "./connect.ts";
import { ownApplicationName } from "./observe-sql.ts";
import { QueryError, type Row, type Session } from "./session.ts";

/** What the console of a pooler shows. */
export interface PoolerLook {
  /** All of it, by a PAUSE without a name. */
  readonly whole: boolean;
  /** Databases that are paused by name. */
  readonly paused: readonly string[];
  readonly databases: readonly PooledDatabase[];
  /** False: the role may look, and no more. */
  readonly mayPause: boolean;
  /** Connections to servers, of the databases that the topology file means. */
  readonly connections: number;
}

export interface PooledDatabase {
  readonly name: string;
  readonly address: Address;
}

/** No answer of a console takes long, but that to a PAUSE. Milliseconds. */
const answerMs = 3_000;

const loginRetryKey = "server_login_retry";

/** How long the first logins after a RESUME are waited for, milliseconds: a server that takes none holds nothing up. */
const loginsMs = 1_000;

/** That of a PAUSE is waited for elsewhere: a statement that is broken off is cancelled, which here means resumed. */
const longestMs = 2_147_483_647;

export async function openConsole(
  { conninfo }: PoolerConfig,
  limits: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Session> {
  return await connect(conninfo, {
    applicationName: ownApplicationName,
    greeting: "console",
    statementTimeoutMs: answerMs,
    ...limits,
  });
}

export async function lookAtPooler(pooler: PoolerConfig, console: Session): Promise<PoolerLook> {
  const { whole, mayPause } = await probe(console);
  const rows = (await console.query("SHOW DATABASES")).filter(isPooled);
  const pools = await poolsOf(pooler, console);
  return {
    whole,
    mayPause,
    paused: rows.filter((row) => row["paused"] === "1").map(nameOf),
    databases: rows.map((row) => ({ name: nameOf(row), address: addressOf(row) })),
    connections: pools.reduce((sum, row) => sum + connectionsIn(row), 0),
  };
}

function nameOf(row: Row): string {
  return row["name"] ?? "";
}

function isPooled(row: Row): boolean {
  return nameOf(row) !== "pgbouncer";
}

function addressOf(row: Row): Address {
  return { host: row["host"] ?? "", hostaddr: null, port: Number(row["port"] ?? "0") };
}

/** Columns came and went from release to release; those that count servers begin so. */
function connectionsIn(pool: Row): number {
  return Object.entries(pool)
    .filter(([column]) => column.startsWith("sv_"))
    .reduce((sum, [, count]) => sum + Number(count ?? "0"), 0);
}

/** Its own console it never pauses: the reason that it gives tells what it is and what we may. */
async function probe(console: Session): Promise<{ whole: boolean; mayPause: boolean }> {
  try {
    await console.query("PAUSE pgbouncer");
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    if (/admin access needed/.test(error.message)) return { whole: false, mayPause: false };
    return { whole: /already (suspended|paused)/.test(error.message), mayPause: true };
  }
  throw new Error("the console took a PAUSE of itself");
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Done when no connection to a server is left: whoever does not wait for that closes this console, and paused it stays. */
export async function pausePooler({ databases }: PoolerConfig, console: Session): Promise<void> {
  const commands =
    databases.length === 0 ? ["PAUSE"] : databases.map((name) => `PAUSE ${quoteName(name)}`);
  for (const command of commands) {
    await console.query(command, [], { timeoutMs: longestMs });
  }
}

/**
 * What is paused of that which the topology file means; what another hand paused beside it stays so. A login that failed,
 * or that a PAUSE broke off, keeps everybody from the server for `server_login_retry` (15 s, measured with 1.18): not after
 * this. A pooler that is let go with that still in force says so in its `SHOW CONFIG`, and any RELOAD ends it.
 */
export async function resumePooler(
  pooler: PoolerConfig,
  console: Session,
  pause: () => Promise<void>,
): Promise<void> {
  const retry = await loginRetry(console);
  if (retry !== null) await console.query(`SET ${loginRetryKey} = '0'`);
  try {
    for (const command of resumeCommands(pooler, await lookAtPooler(pooler, console))) {
      await console.query(command).catch((error: unknown) => {
        // Somebody was faster.
        if (!(error instanceof QueryError && /is not paused/.test(error.message))) throw error;
      });
    }
    const until = performance.now() + loginsMs;
    while (performance.now() < until && (await hasUnserved(pooler, console))) await pause();
  } finally {
    if (retry !== null) await console.query(`SET ${loginRetryKey} = '${retry}'`);
  }
}

/** Seconds, as it writes them; null where nobody waits for it anyway. */
async function loginRetry(console: Session): Promise<string | null> {
  const rows = await console.query("SHOW CONFIG");
  const value = rows.find((row) => row["key"] === loginRetryKey)?.["value"] ?? "0";
  return /^[0-9.]+$/.test(value) && Number(value) > 0 ? value : null;
}

/** Whether clients wait in a pool that has no connection to a server. */
async function hasUnserved(pooler: PoolerConfig, console: Session): Promise<boolean> {
  const pools = await poolsOf(pooler, console);
  return pools.some(
    (pool) =>
      Number(pool["cl_waiting"] ?? "0") > 0 &&
      connectionsIn(pool) - Number(pool["sv_login"] ?? "0") === 0,
  );
}

async function poolsOf({ databases }: PoolerConfig, console: Session): Promise<readonly Row[]> {
  return (await console.query("SHOW POOLS"))
    .filter((row) => row["database"] !== "pgbouncer")
    .filter((row) => databases.length === 0 || databases.includes(row["database"] ?? ""));
}

function resumeCommands({ databases }: PoolerConfig, look: PoolerLook): readonly string[] {
  if (databases.length === 0) return look.whole ? ["RESUME"] : [];
  return databases
    .filter((name) => look.paused.includes(name))
    .map((name) => `RESUME ${quoteName(name)}`);
}

/** Whether anybody waits who would not if nobody had paused it. */
export function isPaused({ databases }: PoolerConfig, look: PoolerLook): boolean {
  return databases.length === 0 ? look.whole : databases.some((name) => look.paused.includes(name));
}

/** Whether all of it is paused that the topology file means. */
export function isAllPaused({ databases }: PoolerConfig, look: PoolerLook): boolean {
  return databases.length === 0
    ? look.whole
    : databases.every((name) => look.paused.includes(name));
}

/** Who keeps a PAUSE from its end: `app (server process 1234)`. */
export async function busyConnections(
  { databases }: PoolerConfig,
  console: Session,
): Promise<readonly string[]> {
  const rows = await console.query("SHOW SERVERS");
  return rows
    .filter((row) => row["state"] === "active")
    .filter((row) => databases.length === 0 || databases.includes(row["database"] ?? ""))
    .map((row) => {
      const { database, user, remote_pid: pid } = row;
      return `${user ?? "somebody"} in ${database ?? "a database"} (server process ${pid ?? "unknown"})`;
    });
}

export async function reloadPooler(console: Session): Promise<void> {
  await console.query("RELOAD");
}
