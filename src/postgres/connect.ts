// Opens a session with libpq's habits: hosts in turn, sslmode with its fallbacks, password file, target_session_attrs.
// The connection string comes complete (environment and services are looked up where it is made, in config/).
// Refuses by name what it cannot honour, and connection poolers: behind one no lock, mark or position is the server's.

import { homedir, userInfo } from "node:os";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Address, Conninfo } from "../conninfo/conninfo.ts";
import { formatAddress, parseHosts } from "../conninfo/hosts.ts";
import { ConfigError } from "../errors.ts";
import { Attempt } from "./attempt.ts";
import { requestCancel } from "./cancel.ts";
import { logIn } from "./client.ts";
import { ConnectFailure, joinFailures } from "./connect-failure.ts";
import { type ConnectOptions, type Request, statementTimeoutMs } from "./connect-request.ts";
import { greet } from "./greet.ts";
import { passwordSource } from "./password.ts";
import { PgSession } from "./pg-session.ts";
import type { StreamingSession } from "./session.ts";
import { type Endpoint, findEndpoints, openSocket } from "./socket.ts";
import { startupParameters } from "./startup.ts";
import { checkSupported } from "./supported.ts";
import { askForTls, checkDirectProtocol, shakeHands, verifyServerName } from "./tls.ts";
import { readTlsSettings, type SslMode, sslModeOf, startsDirectly } from "./tls-settings.ts";

/** Throws ConnectFailure, ConfigError (the connection string cannot be honoured), or the signal's reason. */
export async function connect(
  conninfo: Conninfo,
  options: ConnectOptions,
): Promise<StreamingSession> {
  checkSupported(conninfo);
  const parsed = parseHosts(conninfo);
  if (!parsed.ok) throw new ConfigError(parsed.message);
  if ((conninfo["service"] ?? "") !== "") throw new ConfigError("service was not looked up");
  const user = given(conninfo, "user") ?? userInfo().username;
  const request: Request = {
    conninfo,
    user,
    database: given(conninfo, "dbname") ?? user,
    home: options.home ?? homedir(),
    options,
    deadline: Date.now() + options.timeoutMs,
  };
  const hosts = inOrder(parsed.addresses, conninfo);
  if (conninfo["target_session_attrs"] !== "prefer-standby") return await tryHosts(hosts, request);
  const strict = { ...conninfo, target_session_attrs: "standby" };
  try {
    return await tryHosts(hosts, { ...request, conninfo: strict });
  } catch (error) {
    if (!(error instanceof ConnectFailure)) throw error;
    return await tryHosts(hosts, request);
  }
}

function given(conninfo: Conninfo, keyword: string): string | null {
  const value = conninfo[keyword] ?? "";
  return value === "" ? null : value;
}

function inOrder(addresses: readonly Address[], conninfo: Conninfo): readonly Address[] {
  if (conninfo["load_balance_hosts"] !== "random") return addresses;
  return addresses
    .map((address) => ({ address, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ address }) => address);
}

/** The first host that lets us in. A server's error ends the search, as in libpq, unless it is not ready yet (57P03). */
async function tryHosts(hosts: readonly Address[], request: Request): Promise<StreamingSession> {
  const failures: { host: string; failure: ConnectFailure }[] = [];
  for (const [index, address] of hosts.entries()) {
    try {
      return await tryHost(address, request, hosts.length - index);
    } catch (error) {
      if (!(error instanceof ConnectFailure)) throw error;
      failures.push({ host: formatAddress(address), failure: error });
      if (endsSearch(error)) break;
    }
  }
  throw joinFailures(failures);
}

function endsSearch(failure: ConnectFailure): boolean {
  if (failure.answer === "tls") return true;
  return failure.sqlstate !== null && failure.sqlstate !== "57P03" && failure.answer === "error";
}

async function tryHost(
  address: Address,
  request: Request,
  hostsLeft: number,
): Promise<StreamingSession> {
  const attempt = new Attempt({
    target: formatAddress(address),
    timeoutMs: hostLimit(request, hostsLeft),
    signal: request.options.signal,
  });
  try {
    const endpoints = await findEndpoints(address, attempt);
    const session = await tryEndpoints(endpoints, address, request, attempt);
    attempt.finish("succeeded");
    return session;
  } catch (error) {
    attempt.finish("failed");
    throw error;
  }
}

/** connect_timeout, or else a fair share of what is left, so that one black hole does not eat everybody's time. */
function hostLimit(request: Request, hostsLeft: number): number {
  const left = Math.max(1, request.deadline - Date.now());
  const seconds = Number(request.conninfo["connect_timeout"] ?? "0");
  return Math.min(seconds > 0 ? seconds * 1000 : Math.ceil(left / hostsLeft), left);
}

/** A name may have several addresses: the next one is tried where nobody listened. */
async function tryEndpoints(
  endpoints: readonly Endpoint[],
  address: Address,
  request: Request,
  attempt: Attempt,
): Promise<StreamingSession> {
  let last: unknown = attempt.failure("unresolved", "the name has no address");
  for (const endpoint of endpoints) {
    try {
      return await tryModes(endpoint, address, request, attempt);
    } catch (error) {
      const unheard = error instanceof ConnectFailure && ["refused", "none"].includes(error.answer);
      if (!unheard) throw error;
      last = error;
    }
  }
  throw last;
}

/** sslmode's fallbacks: `prefer` tries without TLS what failed with it, `allow` the other way round. */
async function tryModes(
  endpoint: Endpoint,
  address: Address,
  request: Request,
  attempt: Attempt,
): Promise<StreamingSession> {
  const mode = sslModeOf(request.conninfo, address);
  const first = mode === "disable" || mode === "allow" ? "plain" : "tls";
  const knock = { endpoint, address, request, mode };
  try {
    return await open({ ...knock, how: first }, attempt);
  } catch (error) {
    if (!(error instanceof ConnectFailure) || !fallsBack(mode, error)) throw error;
    attempt.speaksPostgres = false;
    const second = first === "plain" ? "tls" : "plain";
    return await open({ ...knock, how: second }, attempt).catch((again: unknown) => {
      // The server that will not speak TLS at all has said before why it turned us away.
      throw again instanceof ConnectFailure && again.answer === "tls" ? error : again;
    });
  }
}

/** pg_hba.conf may treat the two differently (class 28), and TLS itself may have failed. */
function fallsBack(mode: SslMode, failure: ConnectFailure): boolean {
  if (mode !== "prefer" && mode !== "allow") return false;
  const turnedAway = failure.answer === "error" && failure.sqlstate?.startsWith("28") === true;
  return turnedAway || (mode === "prefer" && failure.answer === "tls");
}

interface Knock {
  readonly endpoint: Endpoint;
  readonly address: Address;
  readonly request: Request;
  readonly mode: SslMode;
  readonly how: "plain" | "tls";
}

async function open(knock: Knock, attempt: Attempt): Promise<StreamingSession> {
  const { address, request } = knock;
  const plain = await openSocket(knock.endpoint, request.conninfo, attempt);
  try {
    const secured = knock.how === "tls" ? await secure(plain, knock, attempt) : null;
    const source = passwordSource({ request, address, encrypted: secured !== null });
    const loggedIn = await logIn(
      {
        stream: secured ?? plain,
        startup: startupParameters(request),
        user: request.user,
        password: source.password,
        bindsChannel: source.bindsChannel,
      },
      attempt,
    );
    source.accept(loggedIn.authentication, attempt);
    const opened = await greet(loggedIn, request, attempt);
    return new PgSession(
      {
        ...opened,
        cancel: () => requestCancel(loggedIn.cancelKey, (other) => openStream(knock, other)),
        destroy: () => (secured ?? plain).destroy(),
      },
      { timeoutMs: statementTimeoutMs(request.options) },
    );
  } catch (error) {
    attempt.drop();
    throw error;
  }
}

/** Another connection to the same server, as far as the startup message. */
async function openStream(knock: Knock, attempt: Attempt): Promise<Socket> {
  const plain = await openSocket(knock.endpoint, knock.request.conninfo, attempt);
  return knock.how === "tls" ? ((await secure(plain, knock, attempt)) ?? plain) : plain;
}

/** The TLS stream, or null where the server has none and the mode can do without. */
async function secure(
  plain: Parameters<typeof askForTls>[0],
  knock: Knock,
  attempt: Attempt,
): Promise<TLSSocket | null> {
  const { address, request, mode } = knock;
  const { conninfo, home } = request;
  const direct = startsDirectly(conninfo, mode);
  if (!direct && (await askForTls(plain, attempt)) === "no") {
    if (mode === "prefer") return null;
    throw attempt.failure("tls", "the server does not speak TLS, and it was demanded");
  }
  const settings = await readTlsSettings(conninfo, { mode, address, home });
  const protocols = direct ? { ALPNProtocols: ["postgresql"] } : {};
  const stream = await shakeHands(plain, { ...settings, ...protocols }, attempt);
  if (direct) checkDirectProtocol(stream, attempt);
  if (mode === "verify-full") await verifyServerName(stream, address.host, attempt);
  return stream;
}
