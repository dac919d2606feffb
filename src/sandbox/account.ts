// Which user of this machine runs the sandbox's servers. PostgreSQL refuses to run as root, and initdb wants its user
// to exist in the password database, so root borrows `postgres` or `nobody`; anybody else runs them as themselves.

import { readFile } from "node:fs/promises";
import { ConfigError } from "../errors.ts";
import type { Account } from "../host/command.ts";

const borrowed = ["postgres", "nobody"];

/** The account that servers run as; null: ours. Throws ConfigError where there is none. */
export async function serverAccount(): Promise<Account | null> {
  if (process.platform === "win32") {
    throw new ConfigError(
      "the sandbox does not run on Windows",
      "run it on Linux or macOS, for example in WSL",
    );
  }
  if (process.getuid?.() !== 0) return null;
  const accounts = parsePasswd(await readFile("/etc/passwd", "utf8"));
  for (const user of borrowed) {
    const account = accounts.find((entry) => entry.user === user && entry.uid > 0);
    if (account !== undefined) return account;
  }
  throw new ConfigError(
    `PostgreSQL does not run as root, and this machine has neither of the users ${borrowed.join(", ")}`,
    "create one: useradd --system postgres",
  );
}

/** The entries of a passwd file. macOS has negative ids there (nobody is -2): they are as the file says. */
export function parsePasswd(text: string): readonly Account[] {
  return text.split("\n").flatMap((line) => {
    const [user, , uid, gid, , home] = line.split(":");
    if (user === undefined || user.startsWith("#") || uid === undefined || gid === undefined)
      return [];
    return [{ user, uid: Number(uid), gid: Number(gid), home: home ?? "/" }];
  });
}

/** The environment of a server's programs: ours without PG* (PGPORT, PGDATA would speak to the server), messages in English. */
export function serverEnvironment(account: Account | null): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || name.startsWith("PG") || name.startsWith("LC_")) continue;
    environment[name] = value;
  }
  environment["LC_ALL"] = "C";
  if (account !== null) {
    environment["HOME"] = account.home;
    environment["USER"] = account.user;
    environment["LOGNAME"] = account.user;
  }
  return environment;
}
