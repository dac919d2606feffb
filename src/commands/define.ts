// The shape of a verb's definition. One definition makes commander's wiring, the help, the man page and the
// completions. A definition and its run parse nothing and print nothing: typed input and a context in, a Report out.

import type { Report } from "../plan/report.ts";
import type { Context } from "./context.ts";

/** What a value names, for completion and for checking. */
export type ValueKind =
  | "node"
  | "pooler"
  | "file"
  | "directory"
  | "position"
  | "timeline"
  | "duration"
  | "count"
  | "major"
  | "text"
  | "sql-role";

interface OptionBase {
  /** Long flag without the dashes: `primary-is-dead`. */
  readonly flag: string;
  /** One letter, where there is one. */
  readonly short?: string;
  readonly summary: string;
  /** What the man page says in place of the summary, where that is not enough. */
  readonly detail?: string;
}

export interface FlagOption extends OptionBase {
  readonly type: "flag";
}

export interface ValueOption extends OptionBase {
  readonly type: "value";
  /** Shown as <NAME>. */
  readonly placeholder: string;
  readonly kind: ValueKind;
  readonly required?: boolean;
  /** It takes several values, one after the other or in one word with commas between them: `optionTexts` gives them. */
  readonly several?: true;
  /** Shown in help; also what run receives when the option is absent. */
  readonly default?: string;
}

export type OptionDefinition = FlagOption | ValueOption;

export interface ArgumentDefinition {
  /** Shown in upper case. */
  readonly name: string;
  readonly summary: string;
  readonly kind: ValueKind;
  readonly required: boolean;
  readonly variadic: boolean;
  /** Fixed choices, for sub-verbs such as `sandbox up`. */
  readonly choices?: readonly string[];
  /** Stands after `--`, so that options in it are its own. The last one only. */
  readonly afterDashes?: true;
}

/** What run receives: raw text per argument and option, already checked for presence, choices and kind. */
export interface Input {
  /** Argument values in order of definition; a variadic one gives all of its values. */
  readonly arguments: Readonly<Record<string, readonly string[]>>;
  /** By flag name: true for a given flag, the text for a value; absent when not given and without a default. */
  readonly options: Readonly<Record<string, string | true>>;
}

export interface Example {
  readonly command: string;
  readonly explanation: string;
}

export interface VerbDefinition {
  readonly name: string;
  /** For the list of verbs: lower case, no full stop, at most 60 characters. */
  readonly summary: string;
  /** Paragraphs of the help and the man page. */
  readonly description: readonly string[];
  readonly arguments: readonly ArgumentDefinition[];
  readonly options: readonly OptionDefinition[];
  readonly examples: readonly Example[];
  /** It changes servers: gets --dry-run, --script, --yes, and refuses without a terminal and without --yes. */
  readonly changes: boolean;
  /** It changes nothing by itself, and takes the lock of the cluster all the same. */
  readonly locks?: true;
  /** It needs no topology file (sandbox, rehearse). */
  readonly standalone?: boolean;
  /** What --timeout is when it is not given (`2m`); 30 seconds otherwise. */
  readonly timeout?: string;
  /** Which outcomes it can have, with what they mean for this verb, where that differs from the general table. */
  readonly outcomes?: Readonly<Partial<Record<Report["outcome"], string>>>;
  readonly run: (input: Input, context: Context) => Promise<Report>;
}

/** The value of an option, or null. */
export function optionText(input: Input, flag: string): string | null {
  const value = input.options[flag];
  return typeof value === "string" ? value : null;
}

/** The values of an option that takes several. */
export function optionTexts(input: Input, flag: string): readonly string[] {
  return (optionText(input, flag) ?? "").split(",").filter((value) => value !== "");
}

/** Whether a flag was given. */
export function optionSet(input: Input, flag: string): boolean {
  return input.options[flag] === true;
}

/** All values of an argument. */
export function argumentValues(input: Input, name: string): readonly string[] {
  return input.arguments[name] ?? [];
}
