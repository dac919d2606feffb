// What the files of a stopped server say: whether it comes back as a standby, what was written with ALTER SYSTEM, and how it
// ended. Looks only, and only where no process works in the data directory: what a running server has is its own to tell.
// The head of pg_control is the same in 13 to 18; a file of another version tells nothing. Source: catalog/pg_control.h.

import { access, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ControlError } from "./control-error.ts";
import { livenessOf, openDataDirectory } from "./data-directory.ts";

export interface StoppedFiles {
  readonly standbySignal: boolean;
  /** The settings of postgresql.auto.conf by name. Holds secrets: never shown. */
  readonly settings: ReadonlyMap<string, string>;
  /** Null where pg_control cannot be read. */
  readonly end: ServerEnd | null;
}

export interface ServerEnd {
  /** How its last run ended: `shut down` is a clean end as a primary. */
  readonly state: "shut down" | "shut down in recovery" | "other";
  /** Where its last checkpoint record begins. */
  readonly checkpoint: { readonly timeline: number; readonly lsn: bigint };
}

/** Null where a process works in the directory, or where it cannot be looked into from here. */
export async function readStopped(data: string): Promise<StoppedFiles | null> {
  try {
    const directory = await openDataDirectory(data);
    if ((await livenessOf(directory)).processes.length > 0) return null;
    const { path } = directory;
    const [standbySignal, settings, end] = await Promise.all([
      isThere(join(path, "standby.signal")),
      readFile(join(path, "postgresql.auto.conf"), "utf8").then(readSettings),
      readEnd(join(path, "global", "pg_control")),
    ]);
    return { standbySignal, settings, end };
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

/** PG_CONTROL_VERSION of 13 to 18. */
const knownVersions: readonly number[] = [1300, 1700, 1800];

/** Offsets in ControlFileData: pg_control_version, state, checkPoint, checkPointCopy.ThisTimeLineID. */
const at = { version: 8, state: 16, checkpoint: 32, timeline: 48 } as const;

const states: Readonly<Record<number, ServerEnd["state"]>> = {
  1: "shut down",
  2: "shut down in recovery",
};

async function readEnd(path: string): Promise<ServerEnd | null> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(56), 0, 56, 0);
    if (bytesRead < 56 || !knownVersions.includes(buffer.readUInt32LE(at.version))) return null;
    return {
      state: states[buffer.readUInt32LE(at.state)] ?? "other",
      checkpoint: {
        timeline: buffer.readUInt32LE(at.timeline),
        lsn: buffer.readBigUInt64LE(at.checkpoint),
      },
    };
  } finally {
    await file.close();
  }
}
