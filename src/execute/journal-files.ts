// The journals of earlier runs, newest first. Reads only files that the journal itself named; one that cannot be read is
// said, and one that vanishes between is none.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";

/** Names of journals: cluster, moment of the beginning, verb, process. */
const journalName = /^.+-(\d{8}T\d{9}Z)-([a-z-]+)-(\d+)\.jsonl$/;

export interface JournalFile {
  /** Names the run: the moment of its beginning, and its process. */
  readonly id: string;
  readonly verb: string;
  readonly file: string;
}

/** Newest first. Throws ConfigError where the directory is there and cannot be read. */
export async function listJournals(directory: string): Promise<readonly JournalFile[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw new ConfigError(`the journals in ${directory} cannot be read: ${codeOf(error)}`);
  });
  return names
    .flatMap((name) => {
      const match = journalName.exec(name);
      if (match === null) return [];
      const [, stamp = "", verb = "", pid = ""] = match;
      return [{ id: `${stamp}-${pid}`, verb, file: join(directory, name) }];
    })
    .toSorted((a, b) => (a.id < b.id ? 1 : -1));
}

/** Null where it is gone. Throws ConfigError where it cannot be read. */
export async function readJournal({ file }: JournalFile): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new ConfigError(`journal ${file} cannot be read: ${codeOf(error)}`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
