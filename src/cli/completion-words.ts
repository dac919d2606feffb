// What the three completion scripts have in common: which values a kind offers, and which options lead to a cluster.

import type { OptionDefinition, ValueKind } from "../commands/define.ts";
import { majors } from "../commands/values.ts";
import { globalOptions, helpOption, optionsOf } from "./options.ts";
import type { KnownVerb } from "./help.ts";

/** How a shell finds values: names of nodes and poolers are asked for, files are the shell's own, words are listed. */
export type Offer =
  | { readonly from: "nodes" }
  | { readonly from: "poolers" }
  | { readonly from: "files" }
  | { readonly from: "directories" }
  | { readonly from: "words"; readonly words: readonly string[] }
  | { readonly from: "nothing" };

export function offerFor(kind: ValueKind, choices?: readonly string[]): Offer {
  if (choices !== undefined) return { from: "words", words: choices };
  switch (kind) {
    case "node":
      return { from: "nodes" };
    case "pooler":
      return { from: "poolers" };
    case "file":
      return { from: "files" };
    case "directory":
      return { from: "directories" };
    case "major":
      return { from: "words", words: majors.map(String) };
    case "position":
    case "timeline":
    case "duration":
    case "count":
    case "text":
    case "sql-role":
      return { from: "nothing" };
  }
}

/** The options that a verb's command line may bear, help among them. */
export function offeredOptions(verb: KnownVerb): readonly OptionDefinition[] {
  return [...optionsOf(verb.definition), helpOption];
}

/** Options that may stand before the verb. */
export const leadingOptions: readonly OptionDefinition[] = [...globalOptions, helpOption];

/** The options that say which cluster is meant: passed on when names are asked for. */
export const clusterOptions: readonly OptionDefinition[] = globalOptions.filter((option) =>
  ["config", "cluster", "dsn"].includes(option.flag),
);

/** `-f` and `--config`. */
export function spellings(option: OptionDefinition): readonly string[] {
  return [...(option.short === undefined ? [] : [`-${option.short}`]), `--${option.flag}`];
}

/** Value options of all given ones, spelled. */
export function valueSpellings(options: readonly OptionDefinition[]): readonly string[] {
  return options.filter((option) => option.type === "value").flatMap(spellings);
}

/** One line of a summary, without the marks of the man page. */
export function plainSummary(text: string): string {
  return text.replaceAll("`", "");
}

/** A word in single quotes, for any of the three shells' static text. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
