// Opens the byte stream to one server: name lookup, TCP or Unix socket, keepalive. No protocol yet.
// A refused connection means that nobody listens there now; no answer may as well be our own network.

import { lookup } from "node:dns/promises";
import { existsSync } from "node:fs";
import { connect as connectSocket, isIP, type Socket } from "node:net";
import { userInfo } from "node:os";
import type { Address, Conninfo } from "../conninfo/conninfo.ts";
import { isSocketHost } from "../conninfo/hosts.ts";
import type { Attempt } from "./attempt.ts";
import type { ConnectFailure } from "./connect-failure.ts";

/** Where servers put their sockets when nobody says: Debian's and PostgreSQL's own default. */
export const defaultSocketDirectories: readonly string[] = ["/var/run/postgresql", "/tmp"];

/** One place to knock at: an IP address with its port, or a socket file. */
export type Endpoint =
  | { readonly kind: "tcp"; readonly ip: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** Every endpoint behind an address, in the resolver's order. */
export async function findEndpoints(
  address: Address,
  attempt: Attempt,
): Promise<readonly Endpoint[]> {
  const { host, hostaddr, port } = address;
  if (hostaddr === null && (host === "" || isSocketHost(host))) {
    return [{ kind: "unix", path: socketPath(host, port) }];
  }
  const name = hostaddr ?? host;
  if (isIP(name) !== 0) return [{ kind: "tcp", ip: name, port }];
  attempt.stage = "resolving";
  try {
    const found = await attempt.step(lookup(name, { all: true, order: "verbatim" }));
    return found.map(({ address: ip }) => ({ kind: "tcp", ip, port }));
  } catch (error) {
    const code = codeOf(error);
    if (code === null) throw error;
    throw attempt.failure("unresolved", `the name "${name}" has no address (${code})`, error);
  }
}

function socketPath(host: string, port: number): string {
  const file = `.s.PGSQL.${port}`;
  if (host.startsWith("@")) return `\0${host.slice(1)}/${file}`;
  if (host !== "") return `${host}/${file}`;
  const [first = "/tmp"] = defaultSocketDirectories;
  const directory = defaultSocketDirectories.find((one) => existsSync(`${one}/${file}`)) ?? first;
  return `${directory}/${file}`;
}

/** A connected socket, paused. */
export async function openSocket(
  endpoint: Endpoint,
  conninfo: Conninfo,
  attempt: Attempt,
): Promise<Socket> {
  attempt.stage = "connecting";
  const socket = attempt.use(
    endpoint.kind === "unix"
      ? connectSocket({ path: endpoint.path })
      : connectSocket({ host: endpoint.ip, port: endpoint.port, ...keepAlive(conninfo) }),
  );
  socket.setNoDelay(true);
  try {
    await attempt.step(connected(socket));
  } catch (error) {
    if (codeOf(error) === null) throw error;
    throw refusal(error, endpoint, attempt);
  }
  attempt.stage = "asking";
  return socket;
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve();
    });
  });
}

/** libpq's keepalives are on unless they are turned off; 0 leaves the delay to the system. */
function keepAlive(conninfo: Conninfo): { keepAlive: boolean; keepAliveInitialDelay?: number } {
  if (Number(conninfo["keepalives"] ?? "1") === 0) return { keepAlive: false };
  const seconds = Number(conninfo["keepalives_idle"] ?? "0");
  return { keepAlive: true, ...(seconds > 0 ? { keepAliveInitialDelay: seconds * 1000 } : {}) };
}

function refusal(error: unknown, endpoint: Endpoint, attempt: Attempt): ConnectFailure {
  const code = codeOf(error) ?? "";
  switch (code) {
    case "ECONNREFUSED":
      return attempt.failure("refused", "connection refused", error);
    case "ENOENT":
      return attempt.failure("refused", `no socket file ${pathOf(endpoint)}`, error);
    case "EACCES":
      return attempt.failure(
        "none",
        `${userInfo().username} may not use the socket file ${pathOf(endpoint)}`,
        error,
      );
    case "EAGAIN":
      // A Unix socket whose queue of waiting connections is full: the server is there and does not accept.
      return attempt.failure("silent", "the server's queue of connections is full", error);
    case "ECONNRESET":
    case "EPIPE":
      return attempt.failure("silent", "the connection was accepted and reset", error);
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return attempt.failure("none", `no route to the host (${code})`, error);
    default:
      return attempt.failure("none", `no connection (${code})`, error);
  }
}

function pathOf(endpoint: Endpoint): string {
  return endpoint.kind === "unix" ? endpoint.path.replace(/^\0/, "@") : endpoint.ip;
}

/** The code of a system error (`ECONNREFUSED`), or null for anything else. */
export function codeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}
