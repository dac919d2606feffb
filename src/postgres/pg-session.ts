// A Session over a node-postgres client: one statement at a time, values as text, each with a deadline that breaks the
// connection off, with a word to the server to give the statement up: left alone, it would go on without us (13 to 18).
// States: open -> closed (we ended it) or lost (it ended under us); neither is ever left again.
// A statement cut off by its deadline, by the socket or by a FATAL error has an unknown outcome: ConnectionLost.

import type { Client, QueryResult, Submittable } from "pg";
import {
  ConnectionLost,
  QueryError,
  type QueryOptions,
  type Row,
  type StreamingSession,
} from "./session.ts";

/** What close() waits for the server to take leave, milliseconds. */
const leaveMs = 500;

export interface OpenedClient {
  readonly client: Client;
  readonly backendPid: number;
  readonly version: number;
  /** Asks the server to give up what it is doing. Never throws, and takes no longer than half a second. */
  readonly cancel: () => Promise<void>;
  /** Closes the socket at once. */
  readonly destroy: () => void;
}

export class PgSession implements StreamingSession {
  readonly backendPid: number;
  readonly version: number;
  readonly #opened: OpenedClient;
  readonly #timeoutMs: number;
  #lost: string | null = null;
  #endedWith: string | null = null;
  #last: Promise<unknown> = Promise.resolve();
  /** Of a session that was broken off: over once its server has been asked to stop. */
  #leaving: Promise<void> | null = null;

  constructor(opened: OpenedClient, options: { readonly timeoutMs: number }) {
    this.#opened = opened;
    this.backendPid = opened.backendPid;
    this.version = opened.version;
    this.#timeoutMs = options.timeoutMs;
    opened.client.on("error", (error) => {
      this.#endedWith ??= serverFields(error).code;
      this.#lost ??= error.message;
    });
    opened.client.on("end", () => {
      this.#lost ??= "the server closed the connection";
    });
  }

  get alive(): boolean {
    return this.#lost === null;
  }

  get endedWith(): string | null {
    return this.#endedWith;
  }

  async query(
    sql: string,
    parameters?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<readonly Row[]> {
    const before = this.#last;
    const result = (async () => {
      await before;
      return await this.#run(sql, parameters, options?.timeoutMs ?? this.#timeoutMs);
    })();
    this.#last = result.catch(() => undefined);
    return await result;
  }

  async #run(
    sql: string,
    parameters: readonly unknown[] | undefined,
    timeoutMs: number,
  ): Promise<readonly Row[]> {
    if (this.#lost !== null) throw new ConnectionLost(`the connection is gone: ${this.#lost}`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const reason = `no answer within ${timeoutMs} ms, the connection was broken off`;
        this.#lost ??= reason;
        reject(new ConnectionLost(reason));
        this.#breakOff();
      }, timeoutMs);
    });
    try {
      return rowsOf(await Promise.race([this.#send(sql, parameters), late]));
    } catch (error) {
      throw this.#explain(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The caller goes on meanwhile. A statement that is only left behind may have its effect much later. */
  #breakOff(): void {
    const { cancel, destroy } = this.#opened;
    this.#leaving = cancel().finally(destroy);
  }

  /** Without parameters the simple protocol: one round trip, and the only one that a replication connection knows. */
  #send(sql: string, parameters: readonly unknown[] | undefined): Promise<QueryResult<Row>> {
    const { client } = this.#opened;
    const sent =
      parameters === undefined || parameters.length === 0
        ? client.query<Row>(sql)
        : client.query<Row>(sql, [...parameters]);
    sent.catch(() => undefined);
    return sent;
  }

  #explain(error: unknown): Error {
    if (error instanceof ConnectionLost) return error;
    if (!(error instanceof Error)) return new ConnectionLost("the statement failed");
    const { code, severity, hint } = serverFields(error);
    if (severity === null || code === null) {
      this.#lost ??= error.message;
      return new ConnectionLost(`the connection was lost: ${error.message}`, { cause: error });
    }
    if (severity === "FATAL" || severity === "PANIC") {
      this.#endedWith ??= code;
      this.#lost ??= error.message;
      return new ConnectionLost(`the server ended the connection: ${error.message} (${code})`, {
        cause: error,
      });
    }
    return new QueryError(error.message, { sqlstate: code, hint, cause: error });
  }

  async copyBoth(
    command: string,
    onData: (message: Uint8Array) => Uint8Array | null,
    opening?: Uint8Array,
  ): Promise<void> {
    if (this.#lost !== null) throw new ConnectionLost(`the connection is gone: ${this.#lost}`);
    const { client, destroy } = this.#opened;
    try {
      await new Promise<void>((resolve, reject) => {
        const onMessage = (message: CopyData, connection: CopyConnection): void => {
          try {
            const answer = onData(message.chunk);
            if (answer !== null) connection.sendCopyFromChunk(Buffer.from(answer));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
            destroy();
          }
        };
        const begun = (connection: CopyConnection): void => {
          if (opening !== undefined) connection.sendCopyFromChunk(Buffer.from(opening));
        };
        client.query(copyBothQuery(command, { begun, onMessage, resolve, reject }));
      });
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async close(): Promise<void> {
    this.#lost ??= "it was closed";
    const { client, destroy } = this.#opened;
    if (this.#leaving !== null) return this.#leaving;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, leaveMs);
    });
    await Promise.race([client.end().catch(() => undefined), late]);
    clearTimeout(timer);
    destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

interface CopyData {
  readonly chunk: Uint8Array;
}

/** The driver's connection, as far as it is used beyond its published types. */
interface CopyConnection {
  query(text: string): void;
  once(event: "replicationStart", listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
}

/** What the driver takes for a query: it is handed every message of the server's answer. A server that shuts down ends the
 * command, and does not ask for another. */
function copyBothQuery(
  command: string,
  on: {
    begun(connection: CopyConnection): void;
    onMessage(message: CopyData, connection: CopyConnection): void;
    resolve(): void;
    reject(error: Error): void;
  },
): Submittable {
  const ignore = (): void => undefined;
  const query = {
    submit: (connection: CopyConnection) => {
      connection.once("replicationStart", () => {
        on.begun(connection);
      });
      connection.query(command);
    },
    handleCopyData: (message: CopyData, connection: CopyConnection) => {
      on.onMessage(message, connection);
    },
    handleCommandComplete: () => {
      on.resolve();
    },
    handleReadyForQuery: () => {
      on.resolve();
    },
    handleError: (error: Error) => {
      on.reject(error);
    },
    handleRowDescription: ignore,
    handleDataRow: ignore,
  };
  return query as unknown as Submittable;
}

/** Several statements in one text give several results: the last one counts. */
function rowsOf(result: QueryResult<Row> | QueryResult<Row>[]): readonly Row[] {
  const last = Array.isArray(result) ? result.at(-1) : result;
  return last?.rows ?? [];
}

/** Fields of the server's ErrorResponse; all null for an error that is not the server's. */
export function serverFields(error: unknown): {
  readonly code: string | null;
  readonly severity: string | null;
  readonly hint: string | null;
} {
  const fields = error as { code?: unknown; severity?: unknown; hint?: unknown };
  const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
  const severity = text(fields.severity);
  return {
    severity,
    code: severity === null ? null : text(fields.code),
    hint: text(fields.hint),
  };
}
