// What pg_rewind needs of the server that it takes a node back to: functions that read files there, granted or a superuser's
// (11 and later), and the way in as a libpq connection string. A password never stands in that: it goes into a password file
// of its own. A secret of another kind cannot be handed on without showing it, and is refused by name.

import { homedir, userInfo } from "node:os";
import type { Conninfo } from "../conninfo/conninfo.ts";
import { formatConninfo } from "../conninfo/format.ts";
import { parseHosts } from "../conninfo/hosts.ts";
import { isSecretKeyword } from "../conninfo/keywords.ts";
import { rewindFunctions } from "../topology/rights.ts";
import { readPassfile } from "./passfile.ts";
import type { Session } from "./session.ts";

const rightsSql = (major: number): string => /* sql */ `
SELECT ${rewindFunctions
  .map((each, index) => `has_function_privilege('${each}', 'EXECUTE') AS f${index}`)
  .join(", ")},
  current_setting('is_superuser') = 'on'${major >= 15 ? " OR pg_has_role(current_user, 'pg_checkpoint', 'USAGE')" : ""} AS checkpoint`;

/** What the role of the session lacks, as GRANT names it. */
export async function rewindRights(session: Session): Promise<readonly string[]> {
  const major = Math.floor(session.version / 10_000);
  const [row = {}] = await session.query(rightsSql(major));
  const functions = rewindFunctions.filter((_, index) => row[`f${index}`] !== "t");
  return [
    ...functions.map((each) => `EXECUTE ON FUNCTION ${each}`),
    ...(row["checkpoint"] === "t" ? [] : [major >= 15 ? "pg_checkpoint" : "SUPERUSER"]),
  ];
}

export interface WayIn {
  /** A keyword string without secrets. */
  readonly conninfo: string;
  /** A line of a password file; null where no password is known. */
  readonly passfileLine: string | null;
}

/** Keywords that say something else to pg_rewind, or that we resolve ourselves. */
const dropped = new Set(["password", "passfile", "service", "replication", "application_name"]);

/** The way in of ours, for libpq. A text says why there is none. */
export async function wayIn(given: Conninfo): Promise<WayIn | string> {
  // pg_rewind runs as another user of this machine: nothing is left to its defaults.
  const user = given["user"] ?? userInfo().username;
  const conninfo: Conninfo = { ...given, user, dbname: given["dbname"] ?? user };
  const kept = Object.entries(conninfo).filter(
    ([keyword, value]) => !dropped.has(keyword) && value !== "",
  );
  const secret = kept.find(([keyword]) => isSecretKeyword(keyword))?.[0];
  if (secret !== undefined) return `${secret} cannot be given to pg_rewind without showing it`;
  const password = await passwordFor(conninfo);
  if (password !== null && /[\n\r]/.test(password)) {
    return "a password with a line break cannot be given to pg_rewind";
  }
  return {
    conninfo: formatConninfo({ ...Object.fromEntries(kept), application_name: "remaster" }),
    passfileLine:
      password === null ? null : `*:*:*:*:${password.replaceAll(/[\\:]/g, String.raw`\$&`)}`,
  };
}

async function passwordFor(conninfo: Conninfo): Promise<string | null> {
  const given = conninfo["password"] ?? "";
  if (given !== "") return given;
  const named = conninfo["passfile"] ?? "";
  const hosts = parseHosts(conninfo);
  const address = hosts.ok ? hosts.addresses[0] : undefined;
  if (address === undefined) return null;
  const user = conninfo["user"] ?? "";
  const answer = await readPassfile(named === "" ? `${homedir()}/.pgpass` : named, {
    host: address.host === "" ? (address.hostaddr ?? "") : address.host,
    port: address.port,
    database: conninfo["dbname"] ?? user,
    user,
  });
  return answer.password;
}
