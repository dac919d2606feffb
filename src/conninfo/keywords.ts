// The keywords that libpq knows, from 13 to 18, and which of them hold a secret.
// A keyword that an older libpq lacks is still no mistake here: what a connection of ours supports is
// decided when it is opened, what a standby's libpq supports by its own version.

import { nearestWord } from "./nearest.ts";

/** Every keyword of PQconndefaults() in 13 to 18. */
export const keywords = [
  "service",
  "user",
  "password",
  "passfile",
  "channel_binding",
  "connect_timeout",
  "dbname",
  "host",
  "hostaddr",
  "port",
  "client_encoding",
  "options",
  "application_name",
  "fallback_application_name",
  "keepalives",
  "keepalives_idle",
  "keepalives_interval",
  "keepalives_count",
  "tcp_user_timeout",
  "sslmode",
  "sslnegotiation",
  "sslcompression",
  "sslcert",
  "sslkey",
  "sslcertmode",
  "sslpassword",
  "sslrootcert",
  "sslcrl",
  "sslcrldir",
  "sslsni",
  "requirepeer",
  "require_auth",
  "min_protocol_version",
  "max_protocol_version",
  "ssl_min_protocol_version",
  "ssl_max_protocol_version",
  "gssencmode",
  "krbsrvname",
  "gsslib",
  "gssdelegation",
  "replication",
  "target_session_attrs",
  "load_balance_hosts",
  "scram_client_key",
  "scram_server_key",
  "oauth_issuer",
  "oauth_client_id",
  "oauth_client_secret",
  "oauth_scope",
  "sslkeylogfile",
] as const;

export type Keyword = (typeof keywords)[number];

const known: ReadonlySet<string> = new Set(keywords);

export function isKeyword(name: string): name is Keyword {
  return known.has(name);
}

/** Keywords whose values are never shown. */
export const secretKeywords: readonly Keyword[] = [
  "password",
  "sslpassword",
  "oauth_client_secret",
  "scram_client_key",
  "scram_server_key",
];

const secret: ReadonlySet<string> = new Set(secretKeywords);

export function isSecretKeyword(name: string): boolean {
  return secret.has(name);
}

/** `unknown KIND "word", did you mean ...?`; null for what does not look like a word and may be anything. */
export function unknownWord(kind: string, word: string): string | null {
  if (!/^\w{1,40}$/.test(word)) return null;
  const near = nearestWord(word, keywords);
  const meant = near === null ? "" : `, did you mean "${near}"?`;
  return `unknown ${kind} "${word}"${meant}`;
}
