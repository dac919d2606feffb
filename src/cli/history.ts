// Earlier runs as their journals tell, for `history`: only as many files are read as are asked for.

import { parseRun, type RunRecord } from "../plan/history.ts";
import type { Context } from "../commands/context.ts";

export async function readHistory(
  directory: string,
  wanted: Parameters<Context["history"]>[0] & { readonly cluster: string | null },
): ReturnType<Context["history"]> {
  const { listJournals, readJournal } = await import("../execute/journal-files.ts");
  const limit = wanted.limit ?? Number.POSITIVE_INFINITY;
  const runs: RunRecord[] = [];
  const files = await listJournals(directory);
  for (const file of files.filter(({ id }) => id.startsWith(wanted.prefix))) {
    const text = await readJournal(file);
    if (text === null) continue;
    const run = parseRun(text, file);
    if (wanted.cluster !== null && run.cluster !== wanted.cluster) continue;
    if (runs.length >= limit) return { runs, more: true, directory };
    runs.push(run);
  }
  return { runs, more: false, directory };
}
