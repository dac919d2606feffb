// The command line as the operator may type it again: the verb with what was given to it, without what only shaped the
// output, showed a plan or spared the question. A run that stops says it at the end, so it must parse as what was meant.
// Repeats the way the cluster was named: where that was the directory or the environment, it still is.

import type { ArgumentDefinition, Input, OptionDefinition } from "../commands/define.ts";
import { redactConninfo } from "../conninfo/redact.ts";
import { quoteWord } from "../plan/command-line.ts";

export interface Typed {
  /** The verb and what was given to it, but for what names the cluster and for the deadline. */
  readonly words: readonly string[];
  /** `--timeout` and its value, where it was given. */
  readonly timeout: readonly string[];
  /** `remaster failover --to n2 --config ./orders.toml`. */
  readonly again: string;
  /** Another verb on the same cluster. */
  readonly command: (...words: readonly string[]) => string;
}

const naming: readonly string[] = ["config", "cluster", "dsn"];
const left: readonly string[] = [
  "json",
  "quiet",
  "verbose",
  "no-color",
  "dry-run",
  "script",
  "yes",
  "take-over",
];

/** A verb as far as its command line goes. */
export interface Shape {
  readonly name: string;
  readonly arguments: readonly ArgumentDefinition[];
  /** The global ones as well. */
  readonly options: readonly OptionDefinition[];
}

export function typedOf({ name, arguments: known, options }: Shape, input: Input): Typed {
  const given = options.flatMap((option) => optionWords(option, input));
  const isNaming = ({ flag }: { readonly flag: string }): boolean => naming.includes(flag);
  const cluster = given.filter(isNaming).flatMap(({ words }) => words);
  const own = given.filter((option) => !isNaming(option) && !left.includes(option.flag));
  const isTimeout = ({ flag }: { readonly flag: string }): boolean => flag === "timeout";
  const timeout = own.filter(isTimeout).flatMap(({ words }) => words);
  const values = known.flatMap((argument) => input.arguments[argument.name] ?? []);
  const words = [
    name,
    ...values,
    ...own.filter((option) => !isTimeout(option)).flatMap((option) => option.words),
  ];
  const command = (...line: readonly string[]): string =>
    ["remaster", ...line, ...cluster].map(quoteWord).join(" ");
  return { words, timeout, again: command(...words, ...timeout), command };
}

function optionWords(
  option: OptionDefinition,
  input: Input,
): readonly { readonly flag: string; readonly words: readonly string[] }[] {
  const { flag } = option;
  const given = input.options[flag];
  if (given === undefined) return [];
  if (option.type === "flag" || given === true) return [{ flag, words: [`--${flag}`] }];
  // With a password in it, it is refused; a run may be interrupted before that.
  const value = flag === "dsn" ? redactConninfo(given) : given;
  if (value === option.default) return [];
  const words = value.startsWith("-") ? [`--${flag}=${value}`] : [`--${flag}`, value];
  return [{ flag, words }];
}
