// How the lock of a cluster stands on one server, and the session that may hold it there. The session is opened in the
// lock's own database under the run's own name, whatever the connection string says of either.

import type { Finding } from "../topology/finding.ts";
import type { NodeConfig } from "../topology/node.ts";
import { ConnectFailure } from "./connect-failure.ts";
import { connect } from "./connect.ts";
import { livenessSettings, lockColumns, lockDatabase, type LockTry, readLockTry } from "./lock.ts";
import { poolerFinding, unavailableFinding } from "./lock-findings.ts";
import type { Session } from "./session.ts";

export interface Place {
  readonly name: string;
  readonly session: Session;
  /** When the server's postmaster started; empty before it was asked. */
  startedAt: string;
  /** `shared`: another session of the same run holds it. */
  how: "none" | "own" | "shared";
  /** Its session was lost, and the server did not let us in again. */
  gone: boolean;
  /** When the server last answered on this session, milliseconds since 1970: a clock that goes on while a laptop sleeps. */
  heardAt: number;
}

export interface OpenWish {
  readonly node: NodeConfig;
  /** The application_name. */
  readonly name: string;
  /** Try for the lock with the first question. */
  readonly tries: boolean;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Whether the node's own database may let us in all the same: this one does not exist, has no place for us in its rights,
 * pg_hba.conf or our passfile, or allows no sessions. Not where the server itself is at fault, nor a wrong password twice. */
function mayBeTheDatabase(error: ConnectFailure, node: NodeConfig): boolean {
  if (error.sqlstate === "42501") return true;
  const isServer = error.sqlstate === "57P03" || error.sqlstate === "53300";
  return error.answer === "error" && !isServer && node.conninfo["dbname"] !== lockDatabase;
}

/** Throws as connect() does. Where the lock's database is closed to us the session is one in the node's own database, and
 * the obstacle says why; a pooler is an obstacle too, told before the failure is thrown. */
export async function openPlace(
  wish: OpenWish,
  onObstacle: (finding: Finding) => void,
): Promise<Place> {
  const { node, name, tries, timeoutMs, signal } = wish;
  const heard: { attempt: LockTry | null } = { attempt: null };
  const conninfo = { ...node.conninfo, application_name: name };
  const plain = {
    applicationName: name,
    settings: livenessSettings,
    timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  };
  const firstQuestion = {
    columns: lockColumns,
    answered: (row: Parameters<typeof readLockTry>[0]) => {
      heard.attempt = readLockTry(row);
    },
  };
  const options = tries ? { ...plain, firstQuestion } : plain;
  try {
    return placeOf(
      node.name,
      await connect({ ...conninfo, dbname: lockDatabase }, options),
      heard.attempt,
    );
  } catch (error) {
    if (!(error instanceof ConnectFailure)) throw error;
    if (error.answer === "pooler") onObstacle(poolerFinding(node.name));
    if (!mayBeTheDatabase(error, node)) throw error;
    const session = await connect(conninfo, plain);
    onObstacle(unavailableFinding(node.name, error.reason));
    return placeOf(node.name, session, null);
  }
}

/** Its session notes when the server was last heard of. */
function placeOf(name: string, opened: Session, attempt: LockTry | null): Place {
  const session: Session = {
    backendPid: opened.backendPid,
    version: opened.version,
    get alive() {
      return opened.alive;
    },
    get endedWith() {
      return opened.endedWith;
    },
    query: async (sql, parameters, options) => {
      const rows = await opened.query(sql, parameters, options);
      place.heardAt = Date.now();
      return rows;
    },
    close: () => opened.close(),
    [Symbol.asyncDispose]: () => opened.close(),
  };
  const place: Place = {
    name,
    session,
    startedAt: attempt?.startedAt ?? "",
    how: attempt?.locked === true ? "own" : "none",
    gone: false,
    heardAt: Date.now(),
  };
  return place;
}
