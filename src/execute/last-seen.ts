// The file that keeps what was last seen of a cluster, beside the journal: written whole under another name and renamed, so
// that a reader never finds half of it, mode 0600. No secret is in it. Nothing needs it to go on: without it a failover
// knows less and says so. A file that is not ours, or was cut short by a crash, counts as none.

import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LastSeen } from "../topology/last-seen.ts";
import { formatLastSeen, parseLastSeen } from "../topology/last-seen-json.ts";

export interface LastSeenPlace {
  /** `$XDG_STATE_HOME/remaster` or its default. */
  readonly directory: string;
  readonly cluster: string;
}

function fileOf({ directory, cluster }: LastSeenPlace): string {
  const name = cluster.replaceAll(/[^A-Za-z0-9_.-]/g, "_").slice(0, 150);
  return join(directory, `${name}-primary.json`);
}

/** Null where nothing is kept. Throws where something is and cannot be read. */
export async function readLastSeen(place: LastSeenPlace): Promise<LastSeen | null> {
  try {
    return parseLastSeen(await readFile(fileOf(place), "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

export async function writeLastSeen(
  place: LastSeenPlace,
  seen: LastSeen,
  pid: number,
): Promise<void> {
  const file = fileOf(place);
  const half = `${file}.${pid}`;
  await mkdir(place.directory, { recursive: true, mode: 0o700 });
  try {
    await writeFile(half, formatLastSeen(seen), { mode: 0o600 });
    await rename(half, file);
  } catch (error) {
    await rm(half, { force: true });
    throw error;
  }
}
