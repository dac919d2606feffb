// The command line: words in, a typed invocation out. Commander is used as a pure parser, one command at a time, so
// that global options may stand before or after the verb; it neither prints nor exits. Everything wrong is a UsageError.

import type { Command, Option } from "commander";
import type {
  ArgumentDefinition,
  Input,
  OptionDefinition,
  VerbDefinition,
} from "../commands/define.ts";
import { durationMs } from "../commands/values.ts";
import { UsageError } from "../errors.ts";
import { type AcceptedTimeline, parseAcceptedTimeline } from "../topology/accepted.ts";
import { nearest } from "./nearest.ts";
import { optionsOf } from "./options.ts";
import { checkValue } from "./values.ts";

// Not before this module is asked for: the bundle would load it at every start.
const commander = await import("commander");

/** The global options, typed. */
export interface GlobalOptions {
  readonly config: string | null;
  readonly cluster: string | null;
  readonly dsn: string | null;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly colour: boolean;
  readonly timeoutMs: number;
  readonly dryRun: boolean;
  readonly script: boolean;
  readonly yes: boolean;
  readonly acceptTimeline: AcceptedTimeline | null;
  readonly overrideManager: boolean;
  readonly takeOver: boolean;
}

export interface Invocation {
  readonly input: Input;
  readonly options: GlobalOptions;
}

/** Parses what stands after `remaster`, the verb itself taken out. Throws UsageError. */
export function parseInvocation(definition: VerbDefinition, words: readonly string[]): Invocation {
  const command = commandOf(definition);
  try {
    command.parse([...words], { from: "user" });
  } catch (error) {
    throw usageOf(error, definition);
  }
  checkDashes(definition, command, words);
  const input = {
    arguments: readArguments(definition, command),
    options: readOptions(definition, command),
  };
  return { input, options: globalOptionsOf(input) };
}

/** Without them, an option of the command would be taken for one of ours. */
function checkDashes(definition: VerbDefinition, command: Command, words: readonly string[]): void {
  const argument = definition.arguments.find((each) => each.afterDashes === true);
  if (argument === undefined || command.args.length === 0) return;
  const dashes = words.indexOf("--");
  if (dashes !== -1 && command.args.length === words.length - dashes - 1) return;
  throw new UsageError(
    `${definition.name} wants -- before ${argument.name.toUpperCase()}`,
    `see remaster ${definition.name} --help`,
  );
}

function commandOf(definition: VerbDefinition): Command {
  const command = new commander.Command(definition.name)
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .helpOption(false)
    .showSuggestionAfterError(false)
    .allowExcessArguments(false);
  for (const argument of definition.arguments) {
    const name = argument.variadic ? `${argument.name}...` : argument.name;
    command.argument(`[${name}]`, argument.summary);
  }
  for (const option of optionsOf(definition)) command.addOption(commanderOption(option));
  return command;
}

/** What must be there is checked here, not by commander: a mistyped option is the better complaint. */
function commanderOption(option: OptionDefinition): Option {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const more = option.type === "value" && option.several === true ? "..." : "";
  const value = option.type === "flag" ? "" : ` <${option.placeholder}${more}>`;
  return new commander.Option(`${short}--${option.flag}${value}`, option.summary);
}

function readArguments(definition: VerbDefinition, command: Command): Input["arguments"] {
  const read: Record<string, readonly string[]> = {};
  for (const [index, argument] of definition.arguments.entries()) {
    const raw: unknown = command.processedArgs[index];
    const values = raw === undefined ? [] : ((Array.isArray(raw) ? raw : [raw]) as string[]);
    if (argument.required && values.length === 0) throw missingArgument(definition, argument);
    for (const value of values) checkArgument(argument, value);
    read[argument.name] = values;
  }
  return read;
}

function missingArgument(definition: VerbDefinition, argument: ArgumentDefinition): UsageError {
  return new UsageError(
    `${definition.name} needs ${argument.name.toUpperCase()}`,
    argument.choices === undefined
      ? `see remaster ${definition.name} --help`
      : `one of ${argument.choices.join(", ")}`,
  );
}

function checkArgument(argument: ArgumentDefinition, value: string): void {
  if (argument.choices !== undefined && !argument.choices.includes(value)) {
    const meant = nearest(value, argument.choices);
    throw new UsageError(
      `unknown ${argument.name}: '${value}'`,
      meant === null ? `one of ${argument.choices.join(", ")}` : `did you mean '${meant}'?`,
    );
  }
  checkValue(argument.kind, value, argument.name);
}

function readOptions(definition: VerbDefinition, command: Command): Input["options"] {
  const known = optionsOf(definition);
  const read: Record<string, string | true> = {};
  for (const option of known) {
    const value = given(option, command) ?? (option.type === "value" ? option.default : undefined);
    if (value === undefined) {
      if (option.type === "value" && option.required === true) {
        throw new UsageError(
          `${definition.name} needs --${option.flag} ${option.placeholder}`,
          `see remaster ${definition.name} --help`,
        );
      }
      continue;
    }
    if (option.type === "value" && typeof value === "string") {
      refuseFlagAsValue(option.flag, value, known);
      checkValue(option.kind, value, `--${option.flag}`);
    }
    read[option.flag] = value;
  }
  return read;
}

/** What stood on the command line for this option; commander files `--no-wait` under `wait`. */
function given(option: OptionDefinition, command: Command): string | true | undefined {
  const attribute = commanderOption(option).attributeName();
  if (command.getOptionValueSource(attribute) !== "cli") return undefined;
  return option.type === "flag" ? true : String(command.getOptionValue(attribute));
}

/** `--config --json`: the value was forgotten. */
function refuseFlagAsValue(flag: string, value: string, known: readonly OptionDefinition[]): void {
  if (!known.some((option) => value === `--${option.flag}`)) return;
  throw new UsageError(
    `option --${flag} needs a value, found '${value}'`,
    `if that is the value, write --${flag}=${value}`,
  );
}

function globalOptionsOf({ options }: Input): GlobalOptions {
  const text = (flag: string): string | null => {
    const value = options[flag];
    return typeof value === "string" ? value : null;
  };
  const set = (flag: string): boolean => options[flag] === true;
  if (set("quiet") && set("verbose")) {
    throw new UsageError("--quiet and --verbose contradict each other", "give one of them");
  }
  if (text("dsn") !== null && (text("config") !== null || text("cluster") !== null)) {
    throw new UsageError(
      "--dsn stands in place of a topology file",
      "leave out --config and --cluster, or --dsn",
    );
  }
  const timeoutMs = durationMs(text("timeout") ?? "");
  if (timeoutMs === null || timeoutMs === 0) {
    throw new UsageError("--timeout must be more than nothing", "write 500ms, 10s or 2m");
  }
  return {
    config: text("config"),
    cluster: text("cluster"),
    dsn: text("dsn"),
    json: set("json"),
    quiet: set("quiet"),
    verbose: set("verbose"),
    colour: !set("no-color"),
    timeoutMs,
    dryRun: set("dry-run"),
    script: set("script"),
    yes: set("yes"),
    acceptTimeline: parseAcceptedTimeline(text("accept-timeline") ?? ""),
    overrideManager: set("override-manager"),
    takeOver: set("take-over"),
  };
}

/** Commander's complaint in our words, with what was probably meant. */
function usageOf(thrown: unknown, definition: VerbDefinition): Error {
  if (!(thrown instanceof commander.CommanderError)) return asError(thrown);
  const message = (thrown.message.split("\n", 1)[0] ?? "").replace(/^error: /, "");
  const help = `see remaster ${definition.name} --help`;
  switch (thrown.code) {
    case "commander.unknownOption":
      return unknownOption(definition, /'([^'=]*)/.exec(message)?.[1] ?? "");
    case "commander.optionMissingArgument":
      return new UsageError(`option ${/--[a-z-]+/.exec(message)?.[0] ?? ""} needs a value`, help);
    case "commander.excessArguments":
      return new UsageError(`too many arguments for ${definition.name}`, help);
    default:
      return new UsageError(message, help);
  }
}

function unknownOption(definition: VerbDefinition, typed: string): UsageError {
  const flags = optionsOf(definition).map((option) => `--${option.flag}`);
  const meant = typed.startsWith("--") ? nearest(typed, flags) : null;
  return new UsageError(
    `${definition.name} has no option ${typed}`,
    meant === null ? `see remaster ${definition.name} --help` : `did you mean ${meant}?`,
  );
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
