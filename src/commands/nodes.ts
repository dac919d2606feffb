// Node names of the command line against the topology file. A name that the file lacks, or one given twice, is a wrong
// command line: said with the name that was probably meant, before any server is asked.

import { nearestWord } from "../conninfo/nearest.ts";
import { UsageError } from "../errors.ts";
import type { Context } from "./context.ts";

/** Throws UsageError for an unknown or repeated name. */
export async function checkNodeNames(context: Context, names: readonly string[]): Promise<void> {
  const { nodes } = await context.cluster();
  const known = nodes.map((node) => node.name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) throw new UsageError(`node ${name} is named twice`);
    if (known.includes(name)) continue;
    // Of two-letter names each is a near miss of all others.
    const near = name.length > 2 ? nearestWord(name, known) : null;
    throw new UsageError(
      `the topology file has no node ${name}`,
      near === null ? `it has ${known.join(", ")}` : `did you mean ${near}?`,
    );
  }
}
