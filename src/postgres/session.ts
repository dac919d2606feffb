// One open connection to one server, as the rest of this room and the performers see it. How it is opened, with all of
// libpq's habits, stands in connect.ts.

/** A row as pg gives it: every value as PostgreSQL's text, or null (type parsing is off: an LSN or an int8 stays text). */
export type Row = Readonly<Record<string, string | null>>;

export interface QueryOptions {
  /** The statement's own time limit, milliseconds; the session's default otherwise. The connection is broken off when it passes. */
  readonly timeoutMs?: number;
}

export interface Session {
  /** Process id of the server's backend. */
  readonly backendPid: number;
  /** server_version_num, e.g. 150018. */
  readonly version: number;
  /** False once the connection was lost or closed. */
  readonly alive: boolean;
  /** SQLSTATE with which the server ended the connection; null while it lives, and where it just went away. */
  readonly endedWith: string | null;
  /** One statement. Throws QueryError (the server's error, with SQLSTATE) or ConnectionLost. */
  query(
    sql: string,
    parameters?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<readonly Row[]>;
  /** Never throws, never hangs. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One that speaks the streaming part of the replication protocol too. */
export interface StreamingSession extends Session {
  /** A command that answers with messages in both directions until the server ends it in order. `onData` gets each message and
   * gives the answer, or null; what it throws ends the connection. Nothing else can be asked meanwhile. */
  copyBoth(
    command: string,
    onData: (message: Uint8Array) => Uint8Array | null,
    /** Said as soon as the server has taken the command. */
    opening?: Uint8Array,
  ): Promise<void>;
}

/** The server answered with an error. */
export class QueryError extends Error {
  readonly sqlstate: string;
  readonly hint: string | null;

  constructor(
    message: string,
    options: { sqlstate: string; hint: string | null; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.name = "QueryError";
    this.sqlstate = options.sqlstate;
    this.hint = options.hint;
  }
}

/** The connection ended, or a statement ran out of time: what the statement did is unknown. */
export class ConnectionLost extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "ConnectionLost";
  }
}
