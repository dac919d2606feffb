// Where a sandbox stands when nothing else is said: one readable place for each user, so that the verbs of a sandbox
// find it again without being told.

import { randomBytes } from "node:crypto";
import { realpath } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

/** The default directory of this user. */
export function defaultDirectory(): string {
  return join(tmpdir(), `remaster-sandbox-${userInfo().username}`);
}

/** An absolute path without symbolic links (a server's working directory shows none), whether it exists or not. */
export async function resolveDirectory(directory: string | null): Promise<string> {
  const path = resolve(directory ?? defaultDirectory());
  const orItself = (file: string) => realpath(file).catch(() => null);
  const whole = await orItself(path);
  if (whole !== null) return whole;
  const above = await orItself(dirname(path));
  return above === null ? path : join(above, basename(path));
}

/** A place of its own for a rehearsal; it does not exist yet. */
export async function rehearsalDirectory(): Promise<string> {
  return resolveDirectory(join(tmpdir(), `remaster-rehearsal-${randomBytes(4).toString("hex")}`));
}
