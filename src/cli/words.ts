// The first look at the command line: which verb it names, and whether it asks for help or the version, without loading
// the parser or any verb. Knows the global options only as far as it must to step over their values.

import type { OptionDefinition } from "../commands/define.ts";
import { changeOptions, globalOptions } from "./options.ts";

export interface Words {
  readonly verb: string | null;
  /** All words but the verb, in order. */
  readonly rest: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  /** An option before the verb that is no global one, and may have swallowed it. */
  readonly strayOption: string | null;
}

const stepOver: readonly OptionDefinition[] = [...globalOptions, ...changeOptions];

/** Splits argv (without node and script) around its first word that is neither option nor an option's value. */
export function splitWords(argv: readonly string[]): Words {
  let strayOption: string | null = null;
  let index = 0;
  for (; index < argv.length; index += 1) {
    const word = argv[index] ?? "";
    if (!word.startsWith("-") || word === "-" || word === "--") break;
    const known = isKnown(word);
    if (!known) strayOption ??= word;
    if (takesNext(word)) index += 1;
  }
  const verb = argv[index] === "--" ? null : (argv[index] ?? null);
  const rest = verb === null ? argv : argv.toSpliced(index, 1);
  const end = rest.indexOf("--");
  const before = new Set(end === -1 ? rest : rest.slice(0, end));
  return {
    verb,
    rest,
    help: before.has("-h") || before.has("--help"),
    version: before.has("-V") || before.has("--version"),
    strayOption,
  };
}

function isKnown(word: string): boolean {
  const flag = word.split("=", 1)[0] ?? word;
  if (["-h", "--help", "-V", "--version"].includes(flag)) return true;
  if (flag.startsWith("--")) return stepOver.some((option) => `--${option.flag}` === flag);
  return stepOver.some((option) => option.short === flag.charAt(1));
}

/** Whether the word after this option is its value. */
function takesNext(word: string): boolean {
  if (word.startsWith("--")) {
    return stepOver.some((option) => option.type === "value" && `--${option.flag}` === word);
  }
  const letters = Array.from(word.slice(1));
  const first = letters.findIndex((letter) =>
    stepOver.some((option) => option.type === "value" && option.short === letter),
  );
  return first !== -1 && first === letters.length - 1;
}
