// What is asked of a connection, and what is the same for every host that is tried for it.

import type { Conninfo } from "../conninfo/conninfo.ts";
import type { Row } from "./session.ts";

export interface ConnectOptions {
  /** Used where the connection string names none. */
  readonly applicationName: string;
  /** For the whole of connecting, milliseconds; connect_timeout limits each host besides. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** `database`: SQL (simple protocol) and replication commands; `true`: replication commands only. */
  readonly replication?: "database" | "true";
  /** `none`: no first question to the server, so a pooler is not known for one. For a second connection beside one that
   * asked: a WAL sender's first SQL statement costs it its catalogue caches. `console`: it has to be a pooler's, which knows
   * neither settings nor SQL. */
  readonly greeting?: "none" | "console";
  /** Settings of the session beyond our own, sent with the startup message. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Further columns of the first question, which cost no round trip of their own. */
  readonly firstQuestion?: FirstQuestion;
  /** Default time limit of a statement, on both sides, milliseconds; 60 s when not given. */
  readonly statementTimeoutMs?: number;
  /** Where ~/.pgpass and ~/.postgresql are; the user's home directory when not given. */
  readonly home?: string;
}

export interface FirstQuestion {
  /** A select list. `backendPid` comes from the cancel key: behind a pooler it is another one than pg_backend_pid(). */
  columns(server: { readonly backendPid: number; readonly version: number }): string;
  answered(row: Row): void;
}

/** Everything about one connection that does not change from host to host. */
export interface Request {
  readonly conninfo: Conninfo;
  readonly user: string;
  readonly database: string;
  readonly home: string;
  readonly options: ConnectOptions;
  /** When timeoutMs ends, milliseconds since 1970. */
  readonly deadline: number;
}

/** Default time limit of a statement, milliseconds. */
export function statementTimeoutMs(options: ConnectOptions): number {
  return options.statementTimeoutMs ?? 60_000;
}
