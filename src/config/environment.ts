// The PG* variables as connection parameters, by libpq's names (13 to 18). Left out: PGCLIENTENCODING (we always speak
// UTF8), and PGTARGETSESSIONATTRS and PGLOADBALANCEHOSTS, which choose between hosts where every node is one host.

import type { Conninfo } from "../conninfo/conninfo.ts";
import type { Keyword } from "../conninfo/keywords.ts";
import type { Environment } from "./find-file.ts";

const variables: Readonly<Record<string, Keyword>> = {
  PGHOST: "host",
  PGHOSTADDR: "hostaddr",
  PGPORT: "port",
  PGDATABASE: "dbname",
  PGUSER: "user",
  PGPASSWORD: "password",
  PGPASSFILE: "passfile",
  PGOPTIONS: "options",
  PGAPPNAME: "application_name",
  PGCONNECT_TIMEOUT: "connect_timeout",
  PGCHANNELBINDING: "channel_binding",
  PGREQUIREAUTH: "require_auth",
  PGREQUIREPEER: "requirepeer",
  PGSSLMODE: "sslmode",
  PGSSLNEGOTIATION: "sslnegotiation",
  PGSSLCOMPRESSION: "sslcompression",
  PGSSLCERT: "sslcert",
  PGSSLKEY: "sslkey",
  PGSSLCERTMODE: "sslcertmode",
  PGSSLROOTCERT: "sslrootcert",
  PGSSLCRL: "sslcrl",
  PGSSLCRLDIR: "sslcrldir",
  PGSSLSNI: "sslsni",
  PGSSLMINPROTOCOLVERSION: "ssl_min_protocol_version",
  PGSSLMAXPROTOCOLVERSION: "ssl_max_protocol_version",
  PGMINPROTOCOLVERSION: "min_protocol_version",
  PGMAXPROTOCOLVERSION: "max_protocol_version",
  PGGSSENCMODE: "gssencmode",
  PGKRBSRVNAME: "krbsrvname",
  PGGSSLIB: "gsslib",
  PGGSSDELEGATION: "gssdelegation",
};

/** What the environment gives; an empty variable gives nothing. PGSERVICE is looked at where services are. */
export function environmentConninfo(env: Environment): Conninfo {
  const conninfo: Record<string, string> = {};
  // libpq's oldest name for sslmode: 1 is require.
  if ((env["PGREQUIRESSL"] ?? "").startsWith("1")) conninfo["sslmode"] = "require";
  for (const [variable, keyword] of Object.entries(variables)) {
    const value = env[variable] ?? "";
    if (value !== "") conninfo[keyword] = value;
  }
  return conninfo;
}
