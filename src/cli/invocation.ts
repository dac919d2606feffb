// Who runs remaster, and how it was typed, for the journal: no secrets, and no options that only shaped the output hidden.

import { hostname, userInfo } from "node:os";
import { redactArgv } from "./bug.ts";
import { quoteWord } from "../plan/command-line.ts";
import { readVersion } from "./version.ts";

export interface Invocation {
  readonly cluster: string;
  readonly operator: string;
  readonly version: string;
  readonly pid: number;
  readonly commandLine: string;
  readonly directory: string;
}

/** `argv`: the words behind `remaster`. */
export function invocationOf(argv: readonly string[], cluster: string): Invocation {
  return {
    cluster,
    operator: `${userName()}@${hostname()}`,
    version: readVersion(),
    pid: process.pid,
    commandLine: redactArgv(argv).map(quoteWord).join(" "),
    directory: process.cwd(),
  };
}

/** A user of a container may have no entry in passwd. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "?");
  }
}
