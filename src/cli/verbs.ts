// Finds verbs in the registry by name, with what was probably meant for a name that is none.

import type { VerbDefinition } from "../commands/define.ts";
import { verbs } from "../commands/index.ts";
import { UsageError } from "../errors.ts";
import type { KnownVerb } from "./help.ts";
import { nearest } from "./nearest.ts";
import { changeOptions, globalOptions } from "./options.ts";

/** Throws UsageError for an unknown name. `strayOption`: an option before it that may have taken the verb for its value. */
export async function findVerb(name: string, strayOption: string | null): Promise<VerbDefinition> {
  const entry = verbs.find((verb) => verb.name === name);
  if (entry !== undefined) return entry.load();
  const meant = nearest(name, [...verbs.map((verb) => verb.name), "help"]);
  if (strayOption !== null && meant === null) throw noVerbBefore(strayOption);
  throw new UsageError(
    `unknown verb '${name}'`,
    meant === null ? "see remaster --help" : `did you mean '${meant}'?`,
  );
}

function noVerbBefore(option: string): UsageError {
  return new UsageError(
    `no verb before ${option}`,
    "options of a verb stand after it: remaster VERB [OPTIONS]",
  );
}

/** Of a command line without a verb, the option that is no global one: some verb's own, or nobody's. */
export async function strayOptionError(typed: string): Promise<UsageError> {
  const [flag = typed] = typed.split("=", 1);
  const own = (await loadVerbs()).flatMap(({ definition }) => definition.options);
  if (own.some((option) => `--${option.flag}` === flag)) return noVerbBefore(flag);
  const flags = [...globalOptions, ...changeOptions].map((option) => `--${option.flag}`);
  const meant = flag.startsWith("--") ? nearest(flag, [...flags, "--help", "--version"]) : null;
  return new UsageError(
    `unknown option ${flag}`,
    meant === null ? "see remaster --help" : `did you mean ${meant}?`,
  );
}

/** All definitions, in the order of the help. */
export async function loadVerbs(): Promise<readonly KnownVerb[]> {
  return Promise.all(verbs.map(async (verb) => ({ ...verb, definition: await verb.load() })));
}
