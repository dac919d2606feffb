// Which servers a connection string names, by libpq's rules for lists: hostaddr counts when it is given, else host;
// ports are one for all or one each. Looks nothing up. Source: connectOptions2 of fe-connect.c (13 to 18).

import type { Address, Conninfo } from "./conninfo.ts";

/** libpq's port when none is given. */
export const defaultPort = 5432;

export type ParsedHosts =
  | { readonly ok: true; readonly addresses: readonly Address[] }
  | { readonly ok: false; readonly message: string };

/** The servers in the order in which libpq tries them. An empty `host` without hostaddr means the default socket directory. */
export function parseHosts(conninfo: Conninfo): ParsedHosts {
  const hostaddrs = list(conninfo["hostaddr"]);
  const hosts = list(conninfo["host"]);
  const ports = list(conninfo["port"]);
  const count = Math.max(1, hostaddrs.length > 0 ? hostaddrs.length : hosts.length);
  if (hostaddrs.length > 0 && hosts.length > 0 && hosts.length !== count) {
    return {
      ok: false,
      message: `the number of host names (${hosts.length}) differs from that of hostaddr values (${count})`,
    };
  }
  if (ports.length > 1 && ports.length !== count) {
    return {
      ok: false,
      message: `the number of ports (${ports.length}) differs from that of hosts (${count})`,
    };
  }
  const addresses: Address[] = [];
  for (let index = 0; index < count; index += 1) {
    const port = portNumber((ports.length === 1 ? ports[0] : ports[index]) ?? "");
    if (port === null) return { ok: false, message: "a port is no number from 1 to 65535" };
    const hostaddr = hostaddrs[index] ?? "";
    const host = hosts[index] ?? "";
    if (isCutOff(host)) return { ok: false, message: cutOff };
    addresses.push({
      host,
      hostaddr: hostaddr === "" ? null : hostaddr,
      port,
    });
  }
  return { ok: true, addresses };
}

const cutOff = "a host name holds an @ (in a URI, an @ of user or password is written %40)";

/** libpq ends a URI's password at its first @, so that the rest of it is taken for the host: that must not be shown. */
function isCutOff(host: string): boolean {
  return !host.startsWith("/") && host.includes("@", 1);
}

/** The servers named, or none where the lists contradict each other. */
export function hostsOf(conninfo: Conninfo): readonly Address[] {
  const parsed = parseHosts(conninfo);
  return parsed.ok ? parsed.addresses : [];
}

/** Whether libpq takes a host for a socket directory: an absolute path, or `@` for the abstract namespace. */
export function isSocketHost(host: string): boolean {
  return host.startsWith("/") || host.startsWith("@");
}

/** `host:port` as people write it, IPv6 in brackets; a socket directory keeps its path. */
export function formatAddress(address: Address): string {
  const host = address.host === "" ? (address.hostaddr ?? "local socket") : address.host;
  return host.includes(":") ? `[${host}]:${address.port}` : `${host}:${address.port}`;
}

function list(value: string | undefined): readonly string[] {
  return value === undefined || value === "" ? [] : value.split(",");
}

function portNumber(text: string): number | null {
  if (text === "") return defaultPort;
  if (!/^\s*\+?\d+\s*$/.test(text)) return null;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : null;
}
