// libpq's ssl* keywords as settings for node:tls, files read and checked.
// Follows initialize_SSL of fe-secure-openssl.c (13 to 18): a root certificate that exists is always verified against,
// whatever sslmode says; a client certificate is used when it exists; a key that others may read is refused.

import { readdir, readFile, stat } from "node:fs/promises";
import type { ConnectionOptions, SecureVersion } from "node:tls";
import type { Address, Conninfo } from "../conninfo/conninfo.ts";
import { isSocketHost } from "../conninfo/hosts.ts";
import { ConfigError } from "../errors.ts";
import { codeOf } from "./socket.ts";

const modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof modes)[number];

/** sslmode with libpq's default (prefer; verify-full for sslrootcert=system); sockets never use TLS. */
export function sslModeOf(conninfo: Conninfo, address: Address): SslMode {
  const given = conninfo["sslmode"] ?? "";
  const system = conninfo["sslrootcert"] === "system";
  const mode = modes.find((one) => one === given);
  if (given !== "" && mode === undefined) {
    throw new ConfigError(`sslmode is none of ${modes.join(", ")}`);
  }
  if (system && mode !== undefined && mode !== "verify-full") {
    throw new ConfigError(`sslmode=${mode} is too weak for sslrootcert=system`, "use verify-full");
  }
  if (address.hostaddr === null && (address.host === "" || isSocketHost(address.host))) {
    return "disable";
  }
  return mode ?? (system ? "verify-full" : "prefer");
}

/** sslnegotiation=direct (17+) begins TLS at once; it never falls back, so it wants a mode that insists. */
export function startsDirectly(conninfo: Conninfo, mode: SslMode): boolean {
  const given = conninfo["sslnegotiation"] ?? "";
  if (given === "" || given === "postgres") return false;
  if (given !== "direct") throw new ConfigError("sslnegotiation is neither postgres nor direct");
  if (mode === "disable" || mode === "allow" || mode === "prefer") {
    throw new ConfigError(
      `sslmode=${mode} is too weak for sslnegotiation=direct`,
      "use sslmode=require, verify-ca or verify-full",
    );
  }
  return true;
}

/** Everything node:tls needs but the socket. */
export async function readTlsSettings(
  conninfo: Conninfo,
  options: { readonly mode: SslMode; readonly address: Address; readonly home: string },
): Promise<ConnectionOptions> {
  const { mode, address, home } = options;
  const roots = await readRoots(conninfo, mode, home);
  const settings: ConnectionOptions = {
    ...(await readClientCertificate(conninfo, home)),
    ...(await readRevocations(conninfo, home)),
    ...versions(conninfo),
    rejectUnauthorized: roots !== null,
    ...(roots === null ? {} : { ca: roots }),
    ...(sendsName(conninfo, address.host) ? { servername: address.host } : {}),
    // The name is looked at in verify-full alone, and by verifyServerName, which knows libpq's rules.
    checkServerIdentity: () => undefined,
  };
  return settings;
}

/** Server Name Indication carries names only, never addresses (RFC 6066). */
function sendsName(conninfo: Conninfo, host: string): boolean {
  const wanted = (conninfo["sslsni"] ?? "1") !== "0";
  return wanted && host !== "" && !/^[\d.]+$/.test(host) && !host.includes(":");
}

async function readRoots(
  conninfo: Conninfo,
  mode: SslMode,
  home: string,
): Promise<string[] | null> {
  const given = conninfo["sslrootcert"] ?? "";
  if (given === "system") return await readSystemRoots();
  const path = given === "" ? `${home}/.postgresql/root.crt` : given;
  const text = await readIfThere(path);
  if (text !== null) return [text];
  if (given !== "") throw new ConfigError(`sslrootcert file ${path} does not exist`);
  if (mode !== "verify-ca" && mode !== "verify-full") return null;
  throw new ConfigError(
    `sslmode=${mode} needs a root certificate, and there is no ${path}`,
    "give sslrootcert, or sslrootcert=system for the authorities that the system trusts",
  );
}

/** Bundles of the authorities that the system trusts, as OpenSSL's distributors place them. */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

async function readSystemRoots(): Promise<string[]> {
  for (const path of systemBundles) {
    const text = await readIfThere(path);
    if (text !== null) return [text];
  }
  const { rootCertificates } = await import("node:tls");
  return [...rootCertificates];
}

async function readClientCertificate(
  conninfo: Conninfo,
  home: string,
): Promise<{ cert?: string; key?: string; passphrase?: string }> {
  if (conninfo["sslcertmode"] === "disable") return {};
  const given = conninfo["sslcert"] ?? "";
  const certPath = given === "" ? `${home}/.postgresql/postgresql.crt` : given;
  const cert = await readIfThere(certPath);
  if (cert === null) {
    if (given === "") return {};
    throw new ConfigError(`sslcert file ${certPath} does not exist`);
  }
  const givenKey = conninfo["sslkey"] ?? "";
  const keyPath = givenKey === "" ? `${home}/.postgresql/postgresql.key` : givenKey;
  await checkKeyFile(keyPath);
  const key = await readIfThere(keyPath);
  if (key === null) throw new ConfigError(`there is a client certificate, but no key ${keyPath}`);
  const passphrase = conninfo["sslpassword"] ?? "";
  return { cert, key, ...(passphrase === "" ? {} : { passphrase }) };
}

/** libpq's rule: ours and for nobody else, or root's and at most readable to a group. */
async function checkKeyFile(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const facts = await stat(path).catch(() => null);
  if (facts === null) return;
  const forbidden = facts.uid === 0 ? 0o037 : 0o077;
  if ((facts.mode & forbidden) === 0) return;
  throw new ConfigError(`key file ${path} may be used by others`, `chmod 600 ${path}`);
}

async function readRevocations(conninfo: Conninfo, home: string): Promise<{ crl?: string[] }> {
  const given = conninfo["sslcrl"] ?? "";
  const directory = conninfo["sslcrldir"] ?? "";
  const lists: string[] = [];
  if (directory !== "") {
    const names = await readdir(directory).catch(() => {
      throw new ConfigError(`sslcrldir ${directory} cannot be read`);
    });
    for (const name of names) lists.push(await readFile(`${directory}/${name}`, "utf8"));
  }
  const path = given === "" ? `${home}/.postgresql/root.crl` : given;
  const text = given === "" && directory !== "" ? null : await readIfThere(path);
  if (text !== null) lists.push(text);
  else if (given !== "") throw new ConfigError(`sslcrl file ${path} does not exist`);
  return lists.length === 0 ? {} : { crl: lists };
}

function versions(conninfo: Conninfo): { minVersion?: SecureVersion; maxVersion?: SecureVersion } {
  const min = versionOf("ssl_min_protocol_version", conninfo) ?? "TLSv1.2";
  const max = versionOf("ssl_max_protocol_version", conninfo);
  return { minVersion: min, ...(max === null ? {} : { maxVersion: max }) };
}

function versionOf(keyword: string, conninfo: Conninfo): SecureVersion | null {
  const given = conninfo[keyword] ?? "";
  const known: readonly SecureVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
  const found = known.find((version) => version.toLowerCase() === given.toLowerCase());
  if (given !== "" && found === undefined) {
    throw new ConfigError(`${keyword} is none of ${known.join(", ")}`);
  }
  return found ?? null;
}

/** The file's text; null where there is none. Anything else that goes wrong is named. */
async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new ConfigError(`${path} cannot be read (${code ?? "unknown error"})`);
  }
}
