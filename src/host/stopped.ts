// What the files of a stopped server say: whether it comes back as a standby, what was written with ALTER SYSTEM, and how it
// ended. Looks only, and only where no process works in the data directory: what a running server has is its own to tell.

import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ControlError } from "./control-error.ts";
import { livenessOf, openDataDirectory } from "./data-directory.ts";

export interface StoppedFiles {
  readonly standbySignal: boolean;
  /** The settings of postgresql.auto.conf by name. Holds secrets: never shown. */
  readonly settings: ReadonlyMap<string, string>;
  /** The bytes of global/pg_control. */
  readonly control: Uint8Array;
}

/** `running`: a process works in the directory. Null where it cannot be looked into from here. */
export async function readStopped(data: string): Promise<StoppedFiles | "running" | null> {
  try {
    const directory = await openDataDirectory(data);
    if ((await livenessOf(directory)).processes.length > 0) return "running";
    const { path } = directory;
    const [standbySignal, settings, control] = await Promise.all([
      isThere(join(path, "standby.signal")),
      readFile(join(path, "postgresql.auto.conf"), "utf8").then(readSettings),
      readFile(join(path, "global", "pg_control")),
    ]);
    return { standbySignal, settings, control };
  } catch (error) {
    if (error instanceof ControlError || isFileError(error)) return null;
    throw error;
  }
}

function isFileError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).code === "string";
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** As ALTER SYSTEM writes them: one a line, quotes and backslashes doubled. Of two the later holds. */
function readSettings(text: string): ReadonlyMap<string, string> {
  const lines = text.matchAll(/^([\w.]+) = '(.*)'$/gm);
  return new Map(
    [...lines].map(([, name = "", value = ""]) => [name, value.replace(/(['\\])\1/g, "$1")]),
  );
}
