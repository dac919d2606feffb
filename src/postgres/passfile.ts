// Finds a password in libpq's password file: host:port:database:user:password, `*` for any, backslash escapes.
// Refuses a file that others may read, as libpq does. Source: passwordFromFile of fe-connect.c (13 to 18).

import { readFile, stat } from "node:fs/promises";
import { codeOf, defaultSocketDirectories } from "./socket.ts";

export interface PassfileQuery {
  /** The host as given, else hostaddr; empty for the default socket. */
  readonly host: string;
  readonly port: number;
  /** `replication` for a physical replication connection. */
  readonly database: string;
  readonly user: string;
}

/** A password, or why there is none: null when the file is missing or holds no matching line. */
export type PassfileAnswer =
  | { readonly password: string }
  | { readonly password: null; readonly reason: string | null };

export async function readPassfile(path: string, query: PassfileQuery): Promise<PassfileAnswer> {
  let text: string;
  try {
    const facts = await stat(path);
    if (!facts.isFile()) return none(`password file ${path} is not a plain file`);
    if (process.platform !== "win32" && (facts.mode & 0o077) !== 0) {
      return none(`password file ${path} has group or world access, so it was not used: chmod 600`);
    }
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = codeOf(error) ?? "unknown error";
    const missing = code === "ENOENT" || code === "ENOTDIR";
    return none(missing ? null : `password file ${path} cannot be read (${code})`);
  }
  const password = findPassword(text, query);
  return password === null ? none(null) : { password };
}

function none(reason: string | null): PassfileAnswer {
  return { password: null, reason };
}

/** The password of the first line that matches. */
export function findPassword(text: string, query: PassfileQuery): string | null {
  if (query.database === "" || query.user === "") return null;
  const wanted = [passfileHost(query.host), String(query.port), query.database, query.user];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const password = matchLine(line.replace(/\r$/, ""), wanted);
    if (password !== null) return password;
  }
  return null;
}

/** A default socket directory goes by the name of localhost; any other by its path. */
function passfileHost(host: string): string {
  return host === "" || defaultSocketDirectories.includes(host) ? "localhost" : host;
}

function matchLine(line: string, wanted: readonly string[]): string | null {
  let rest = line;
  for (const word of wanted) {
    const after = matchField(rest, word);
    if (after === null) return null;
    rest = after;
  }
  // The password ends at an unescaped colon, if there is one.
  return unescaped(/^(?:\\[^]|[^\\:])*\\?/.exec(rest)?.[0] ?? "");
}

/** What follows the field, when it is `*` or the very word. */
function matchField(text: string, word: string): string | null {
  if (text.startsWith("*:")) return text.slice(2);
  const field = /^((?:\\[^]|[^\\:])*):/.exec(text);
  if (field === null || unescaped(field[1] ?? "") !== word) return null;
  return text.slice(field[0].length);
}

function unescaped(text: string): string {
  return text.replace(/\\([^])/g, "$1");
}
