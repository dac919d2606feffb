// Finds verbs in the registry by name, with what was probably meant for a name that is none.

import type { VerbDefinition } from "../commands/define.ts";
import { verbs } from "../commands/index.ts";
import { UsageError } from "../errors.ts";
import type { KnownVerb } from "./help.ts";
import { nearest } from "./nearest.ts";

/** Throws UsageError for an unknown name. `strayOption`: an option before it that may have taken the verb for its value. */
export async function findVerb(name: string, strayOption: string | null): Promise<VerbDefinition> {
  const entry = verbs.find((verb) => verb.name === name);
  if (entry !== undefined) return entry.load();
  const meant = nearest(name, [...verbs.map((verb) => verb.name), "help"]);
  if (strayOption !== null && meant === null) {
    throw new UsageError(
      `no verb before ${strayOption}`,
      "options of a verb stand after it: remaster VERB [OPTIONS]",
    );
  }
  throw new UsageError(
    `unknown verb '${name}'`,
    meant === null ? "see remaster --help" : `did you mean '${meant}'?`,
  );
}

/** All definitions, in the order of the help. */
export async function loadVerbs(): Promise<readonly KnownVerb[]> {
  return Promise.all(verbs.map(async (verb) => ({ ...verb, definition: await verb.load() })));
}
