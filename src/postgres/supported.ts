// Which of libpq's keywords a connection of ours honours. What it does not is refused by name, never ignored: an
// ignored keyword would be a promise about safety or identity that nobody keeps.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { ConfigError } from "../errors.ts";

/** Keywords that cannot be honoured, with the values that ask for nothing. */
const unsupported: Readonly<Record<string, readonly string[]>> = {
  gssencmode: ["disable", "prefer"],
  krbsrvname: [],
  gsslib: [],
  gssdelegation: ["0"],
  requirepeer: [],
  sslcompression: ["0"],
  sslcertmode: ["disable", "allow"],
  sslkeylogfile: [],
  keepalives_interval: ["0"],
  keepalives_count: ["0"],
  tcp_user_timeout: ["0"],
  min_protocol_version: ["3.0"],
  scram_client_key: [],
  scram_server_key: [],
  oauth_issuer: [],
  oauth_client_id: [],
  oauth_client_secret: [],
  oauth_scope: [],
  replication: [],
};

const choices: Readonly<Record<string, readonly string[]>> = {
  channel_binding: ["disable", "prefer", "require"],
  target_session_attrs: ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"],
  load_balance_hosts: ["disable", "random"],
};

/** Throws ConfigError for the first keyword that asks for what cannot be done here. */
export function checkSupported(conninfo: Conninfo): void {
  for (const [keyword, harmless] of Object.entries(unsupported)) {
    const value = conninfo[keyword] ?? "";
    if (value === "" || harmless.includes(value)) continue;
    const shown = harmless.length === 0 ? keyword : `${keyword}=${value}`;
    throw new ConfigError(`${shown} is not supported`, `remove ${keyword} from the connection`);
  }
  for (const [keyword, allowed] of Object.entries(choices)) {
    const value = conninfo[keyword] ?? "";
    if (value === "" || allowed.includes(value)) continue;
    throw new ConfigError(`${keyword} is none of ${allowed.join(", ")}`);
  }
  const encoding = (conninfo["client_encoding"] ?? "").toLowerCase().replace(/[^a-z0-9]/g, "");
  if (!["", "auto", "utf8", "unicode"].includes(encoding)) {
    throw new ConfigError("client_encoding is not supported: remaster speaks UTF8");
  }
  for (const keyword of ["connect_timeout", "keepalives", "keepalives_idle"]) {
    const value = conninfo[keyword] ?? "";
    if (!/^\s*-?\d*\s*$/.test(value)) throw new ConfigError(`${keyword} is no whole number`);
  }
}
