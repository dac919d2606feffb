// The pg_wal of a stopped server on this machine: its log can be cut off in the middle of a segment, and put back. Nothing
// is ever deleted: what is cut off is kept beside. Refuses while a process works in the data directory.
// PostgreSQL passes over a directory in pg_wal that is none of its own, and takes zeros for the end of the log (13 to 18).

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { runAsOwner } from "./as-owner.ts";
import { ControlError } from "./control-error.ts";
import { type DataDirectory, livenessOf, openDataDirectory } from "./data-directory.ts";

export interface Cut {
  /** Every segment file that holds something behind the cut, the one in which it lies among them. */
  readonly files: readonly string[];
  /** The one in which the cut lies; what it holds before the cut stays. */
  readonly last: string;
  /** Where in that file, and how long the file is, bytes. */
  readonly offset: number;
  readonly segmentSize: number;
}

/** What was cut off. */
export interface CutOff {
  /** Absolute path of the directory that keeps the files as they were. */
  readonly directory: string;
  putBack(): Promise<void>;
}

/** Every function throws ControlError where its goal is not reached. */
export interface WalFolder {
  /** The names of the segment files. */
  list(): Promise<readonly string[]>;
  cut(wanted: Cut): Promise<CutOff>;
}

const segmentName = /^[0-9A-F]{24}(?:\.partial)?$/;

export function walFolder(data: string): WalFolder {
  return {
    list: async () => {
      const { path } = await openDataDirectory(data);
      const names = await readdir(join(path, "pg_wal"));
      return names.filter((name) => segmentName.test(name)).toSorted();
    },
    cut: (wanted) => cut(data, wanted),
  };
}

async function cut(data: string, wanted: Cut): Promise<CutOff> {
  const strange = [...wanted.files, wanted.last].find((name) => !segmentName.test(name));
  if (strange !== undefined) throw new ControlError(`${strange} is no WAL segment file name`);
  const directory = await openDataDirectory(data);
  await mustBeStopped(directory);
  const wal = join(directory.path, "pg_wal");
  const kept = join(wal, `cut-off-${Date.now()}`);
  const putBack = async (): Promise<void> => {
    await mustBeStopped(directory);
    await move(directory, { names: wanted.files, from: kept, to: wal });
    await runAsOwner(directory, "rmdir", [kept]);
  };
  await runAsOwner(directory, "mkdir", ["-m", "700", kept]);
  await move(directory, { names: wanted.files, from: wal, to: kept });
  try {
    await runAsOwner(directory, "/bin/sh", [
      "-c",
      cutScript,
      "sh",
      join(kept, wanted.last),
      join(wal, wanted.last),
      String(wanted.offset),
      String(wanted.segmentSize),
    ]);
  } catch (error) {
    await putBack();
    throw error;
  }
  return { directory: kept, putBack };
}

/** A segment file has its full length, whatever it holds. */
const cutScript = `umask 077 && head -c "$3" "$1" > "$2" && truncate -s "$4" "$2" && sync "$2"`;

async function mustBeStopped(directory: DataDirectory): Promise<void> {
  if ((await livenessOf(directory)).processes.length === 0) return;
  throw new ControlError(`the server in ${directory.path} runs: its WAL stays where it is`);
}

async function move(
  directory: DataDirectory,
  files: { readonly names: readonly string[]; readonly from: string; readonly to: string },
): Promise<void> {
  if (files.names.length === 0) return;
  const paths = files.names.map((name) => join(files.from, name));
  await runAsOwner(directory, "mv", [...paths, files.to]);
}
