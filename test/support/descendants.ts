// Watches the processes that a program starts, and those that they start, for as long as it runs: their command lines,
// which everybody on a machine may read, and their environments. It looks every few milliseconds: what is to be seen for
// certain has to live a moment. Needs Linux.

import { existsSync, readFileSync } from "node:fs";

export interface Sight {
  readonly commandLine: string;
  readonly environment: string;
}

export interface Watch {
  /** Each once. */
  readonly seen: readonly Sight[];
  stop(): void;
}

const lookEveryMs = 5;

const childrenOf = (pid: number): string => `/proc/${pid}/task/${pid}/children`;

export const canWatch = existsSync(childrenOf(process.pid));

export function watchDescendants(root: number): Watch {
  const seen = new Map<string, Sight>();
  const own = read(`/proc/${root}/cmdline`);
  const look = (pid: number): void => {
    for (const child of read(childrenOf(pid)).split(" ").filter(Boolean).map(Number)) {
      const commandLine = read(`/proc/${child}/cmdline`);
      // Between fork and exec a process is still the program that starts it.
      if (commandLine !== "" && commandLine !== own) {
        const sight = { commandLine, environment: read(`/proc/${child}/environ`) };
        seen.set(JSON.stringify(sight), sight);
      }
      look(child);
    }
  };
  const timer = setInterval(() => {
    look(root);
  }, lookEveryMs);
  return {
    get seen() {
      return [...seen.values()];
    },
    stop: () => {
      clearInterval(timer);
    },
  };
}

/** Words apart by spaces; nothing of a process that has ended meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}
