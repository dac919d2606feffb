// Server programs of this machine that bring pg_rewind along, which those from npm do not. Debian's package `postgresql` has them;
// .ci/run installs it. Where there are none, the tests that need them are skipped, and say so.

import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";

export interface Rewinder {
  readonly bindir: string;
  readonly major: number;
}

const root = "/usr/lib/postgresql";

function has(bindir: string): boolean {
  try {
    for (const name of ["pg_rewind", "initdb", "postgres"]) {
      accessSync(join(bindir, name), constants.X_OK);
    }
    return true;
  } catch {
    return false;
  }
}

function versions(): readonly string[] {
  try {
    return readdirSync(root);
  } catch {
    return [];
  }
}

/** The newest, as a list of one; empty where there is none. */
export const rewinders: readonly Rewinder[] = versions()
  .map((name) => ({ bindir: join(root, name, "bin"), major: Number(name) }))
  .filter(({ bindir, major }) => major >= 13 && major <= 18 && has(bindir))
  .toSorted((a, b) => b.major - a.major)
  .slice(0, 1);
