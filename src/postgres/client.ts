// Logs in over a stream that is already open: node-postgres speaks the protocol, this file stands between the two.
// It looks at the server's first bytes before the driver does (a banner is no message, and the driver throws at kinds
// of authentication that it does not know), and decides what is sent in the startup message.

import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import type { Client, ClientConfig, Connection } from "pg";
import type { Attempt } from "./attempt.ts";
import type { CancelKey } from "./cancel.ts";
import { ConnectFailure } from "./connect-failure.ts";
import { serverFields } from "./pg-session.ts";
import { authenticationName, sniffStartup } from "./sniff.ts";
import { codeOf } from "./socket.ts";
import { quote } from "./tls.ts";

export interface Login {
  readonly stream: Socket;
  readonly startup: Readonly<Record<string, string>>;
  readonly user: string;
  /** Asked for when the server wants a password, with the kind of authentication it wants; may refuse by throwing. */
  readonly password: (authentication: string) => Promise<string>;
  readonly bindsChannel: boolean;
}

export interface LoggedIn {
  readonly client: Client;
  /** What the server reported of itself: server_version, in_hot_standby (14+), ... */
  readonly parameters: ReadonlyMap<string, string>;
  /** Process id by the cancel key that the server sent. */
  readonly keyPid: number;
  readonly cancelKey: CancelKey;
  /** `none` when no password was asked for. */
  readonly authentication: string;
}

/** The type of node-postgres's connection, as far as it is used beyond its published types. */
interface DriverConnection extends Connection {
  attachListeners(stream: EventEmitter): void;
}

/** Asked which runtime it is in, the driver makes a Response where there is no `navigator` (before Node 21), and with that
 * loads all of fetch: 18 ms of processor time at each start. So it is told what later releases say of themselves. */
async function loadDriver() {
  if ("navigator" in globalThis) return import("pg");
  Object.defineProperty(globalThis, "navigator", {
    value: { userAgent: `Node.js/${process.versions.node.split(".")[0] ?? ""}` },
    configurable: true,
  });
  try {
    return await import("pg");
  } finally {
    Reflect.deleteProperty(globalThis, "navigator");
  }
}

export async function logIn(login: Login, attempt: Attempt): Promise<LoggedIn> {
  attempt.stage = "greeting";
  const { default: pg } = await attempt.step(loadDriver());
  if (login.stream.destroyed || login.stream.readableEnded) throw closedEarly(attempt);
  const parameters = new Map<string, string>();
  const facts = {
    keyPid: 0,
    keySecret: 0,
    authentication: "none",
    verdict: null as ConnectFailure | null,
  };
  const connection = new pg.Connection({
    stream: () => ready(login.stream),
  }) as DriverConnection;
  guardListeners(connection, login.stream, (bytes) => {
    facts.verdict = judge(bytes, attempt);
    return facts.verdict === null ? "pass" : "stop";
  });
  connection.on("parameterStatus", (message: { parameterName: string; parameterValue: string }) => {
    parameters.set(message.parameterName, message.parameterValue);
  });
  connection.on("backendKeyData", (message: { processID: number; secretKey: number }) => {
    facts.keyPid = message.processID;
    facts.keySecret = message.secretKey;
  });
  connection.on("authenticationCleartextPassword", () => {
    facts.authentication = "password";
  });
  connection.on("authenticationMD5Password", () => {
    facts.authentication = "md5";
  });
  connection.on("authenticationSASL", (message: { mechanisms: readonly string[] }) => {
    const bound = login.bindsChannel && message.mechanisms.includes("SCRAM-SHA-256-PLUS");
    facts.authentication = bound ? "scram-sha-256-plus" : "scram-sha-256";
  });
  const config: ClientConfig & { connection: Connection } = {
    connection,
    ssl: false,
    host: "localhost",
    user: login.user,
    enableChannelBinding: login.bindsChannel,
    password: () => login.password(facts.authentication),
    types: { getTypeParser: () => (value: unknown) => value },
  };
  const client = Object.assign(new pg.Client(withoutEnvironment(config)), {
    getStartupConf: () => login.startup,
  });
  // From here on an error event always has somebody to hear it.
  client.on("error", () => undefined);
  const connecting = client.connect();
  login.stream.resume();
  try {
    await attempt.step(connecting);
  } catch (error) {
    throw explain(facts.verdict ?? error, attempt);
  }
  const { keyPid, keySecret, authentication } = facts;
  const cancelKey = { pid: keyPid, secret: keySecret };
  return { client, parameters, keyPid, cancelKey, authentication };
}

/** Explicit values keep the driver from reading PG* variables: they were read before, by libpq's order. */
function withoutEnvironment<C extends ClientConfig>(config: C): C {
  return {
    ...config,
    port: 5432,
    database: "unused",
    options: "-",
    application_name: "-",
    sslnegotiation: "postgres",
    connectionTimeoutMillis: 0,
  };
}

/** The driver wants to connect by itself: it is told that it just did. */
function ready(stream: Socket): Duplex {
  return Object.assign(stream, {
    connect: () => {
      process.nextTick(() => stream.emit("connect"));
      return stream;
    },
  });
}

/** Feeds the driver by hand: first the sniffing, and never an exception out of a socket's event. */
function guardListeners(
  connection: DriverConnection,
  stream: Socket,
  look: (bytes: Buffer) => "pass" | "stop",
): void {
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = () => {
    const feed = new EventEmitter();
    attach(feed);
    let waiting: Buffer | null = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => {
      let bytes = chunk;
      if (waiting !== null) {
        waiting = Buffer.concat([waiting, chunk]);
        if (sniffStartup(waiting).kind === "more") return;
        if (look(waiting) === "stop") {
          stream.destroy(new Error("stopped"));
          return;
        }
        bytes = waiting;
        waiting = null;
      }
      try {
        feed.emit("data", bytes);
      } catch (error) {
        stream.destroy(error instanceof Error ? error : new Error("broken message"));
      }
    });
  };
}

/** What the first bytes mean: null to go on. */
function judge(bytes: Buffer, attempt: Attempt): ConnectFailure | null {
  const sniffed = sniffStartup(bytes);
  switch (sniffed.kind) {
    case "more":
    case "postgres":
      attempt.speaksPostgres = true;
      return null;
    case "other":
      return attempt.failure(
        "not-postgres",
        `what answers there is no PostgreSQL: ${quote(bytes)}`,
      );
    case "fork-failure":
      attempt.speaksPostgres = true;
      return attempt.failure("error", sniffed.text);
    case "authentication": {
      attempt.speaksPostgres = true;
      const { name, supported } = authenticationName(sniffed.code);
      if (supported) return null;
      return attempt.failure(
        "error",
        `the server wants ${name} authentication, which is not supported`,
      );
    }
  }
}

/** What went wrong while logging in. */
function explain(error: unknown, attempt: Attempt): Error {
  if (error instanceof ConnectFailure) return error;
  if (!(error instanceof Error)) return attempt.failure("error", "the connection failed", error);
  const { code, severity } = serverFields(error);
  if (severity !== null && code !== null) return serverFailure(error, code);
  const system = codeOf(error);
  if (system?.startsWith("ERR_SSL_") === true) {
    return attempt.failure("tls", `the server broke TLS off (${system})`, error);
  }
  if (system !== null || /^Connection terminated/.test(error.message)) {
    return closedEarly(attempt, error);
  }
  return error;
}

function closedEarly(attempt: Attempt, cause?: unknown): ConnectFailure {
  const reason = attempt.speaksPostgres
    ? "the server closed the connection while we logged in"
    : "the connection was closed without an answer";
  return attempt.failure("silent", reason, cause);
}

/** What PgBouncer says in its own name, always as 08P01 (1.18); the server never says any of it. */
const poolerWords =
  /^(unsupported startup parameter|query_wait_timeout|client_login_timeout|server login has been failing|no such (database|user)|bouncer config error|.*pgbouncer)/i;

function serverFailure(error: Error, sqlstate: string): ConnectFailure {
  const pooler = sqlstate === "08P01" && poolerWords.test(error.message);
  const hint = pooler
    ? "connect to the server itself, not through a connection pooler"
    : hints[sqlstate];
  return new ConnectFailure({
    answer: pooler ? "pooler" : "error",
    speaksPostgres: true,
    sqlstate,
    reason: `${error.message} (${sqlstate})`,
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}

const hints: Readonly<Record<string, string | undefined>> = {
  "28P01": "check the password in PGPASSWORD, the password file or the service",
  "28000": "check the user, and the server's pg_hba.conf",
  "3D000": "set dbname, in [connect] or in the node's dsn",
  "53300": "end idle sessions, or use a role that may take a reserved connection",
  "57P03": "the server is starting, in recovery or shutting down: try again",
  "42501": "the role may not do that: replication connections want the REPLICATION attribute",
};
