// Looks a service up in libpq's connection service files: the user's (PGSERVICEFILE, else ~/.pg_service.conf), then the
// machine's (PGSYSCONFDIR). Refuses LDAP look-ups. Source: parseServiceInfo of fe-connect.c (13 to 18).

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Conninfo } from "../conninfo/conninfo.ts";
import { isKeyword, keywords } from "../conninfo/keywords.ts";
import { nearestWord } from "../conninfo/nearest.ts";
import { ConfigError } from "../errors.ts";
import type { Surroundings } from "./find-file.ts";

/** Where packagers put the machine's service file: PostgreSQL's own default differs by build. */
const systemDirectories = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc/postgresql"];

export async function readService(name: string, around: Surroundings): Promise<Conninfo> {
  for (const path of serviceFiles(around)) {
    const text = await readIfThere(path);
    if (text === null) {
      if (path !== around.env["PGSERVICEFILE"]) continue;
      throw new ConfigError(`service file ${path} (PGSERVICEFILE) does not exist`);
    }
    const found = findService(text, name, path);
    if (found !== null) return found;
  }
  throw new ConfigError(
    `service "${name}" is in none of ${serviceFiles(around).join(", ")}`,
    "check the name, or set PGSERVICEFILE",
  );
}

function serviceFiles({ env, home }: Surroundings): readonly string[] {
  const own = env["PGSERVICEFILE"] ?? "";
  const system = env["PGSYSCONFDIR"] ?? "";
  const directories = system === "" ? systemDirectories : [system];
  return [
    own === "" ? join(home, ".pg_service.conf") : own,
    ...directories.map((directory) => join(directory, "pg_service.conf")),
  ];
}

/** The parameters of `[name]`, or null. Within a section the first of duplicates counts; the first section does, too. */
export function findService(text: string, name: string, path: string): Conninfo | null {
  let found: Record<string, string> | null = null;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("[")) {
      if (found !== null) return found;
      if (line.startsWith(`[${name}]`)) found = {};
    } else if (found !== null) {
      readLine(line, found, `${path}:${index + 1}`);
    }
  }
  return found;
}

function readLine(line: string, found: Record<string, string>, place: string): void {
  if (line.startsWith("ldap:")) {
    throw new ConfigError(`${place}: services from LDAP are not supported`);
  }
  const equals = line.indexOf("=");
  const keyword = line.slice(0, Math.max(0, equals));
  if (equals < 0) throw new ConfigError(`${place}: no "=" in a line of the service file`);
  if (keyword === "service") throw new ConfigError(`${place}: a service cannot name another`);
  if (!isKeyword(keyword)) {
    const near = nearestWord(keyword, keywords);
    const meant = near === null ? "" : `, did you mean "${near}"?`;
    throw new ConfigError(`${place}: unknown keyword in the service file${meant}`);
  }
  found[keyword] ??= line.slice(equals + 1);
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new ConfigError(`service file ${path} cannot be read (${code})`);
  }
}
