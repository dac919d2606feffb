// The options that every verb takes, and those of every verb that changes something: in the same form as a verb's own,
// so that parser, help, man pages and completions treat all alike.

import type { OptionDefinition, VerbDefinition } from "../commands/define.ts";

export const defaultTimeout = "30s";

export const globalOptions: readonly OptionDefinition[] = [
  {
    type: "value",
    flag: "config",
    short: "f",
    placeholder: "FILE",
    kind: "file",
    summary: "topology file",
  },
  {
    type: "value",
    flag: "cluster",
    short: "c",
    placeholder: "NAME",
    kind: "text",
    summary: "cluster by name, from the configuration directories",
  },
  {
    type: "value",
    flag: "dsn",
    short: "d",
    placeholder: "CONNINFO",
    kind: "text",
    summary: "connect without a file; several hosts make a cluster",
  },
  { type: "flag", flag: "json", summary: "one JSON report on stdout" },
  {
    type: "flag",
    flag: "quiet",
    short: "q",
    summary: "one word or nothing on stdout, no talk",
  },
  { type: "flag", flag: "verbose", short: "v", summary: "say more on stderr" },
  { type: "flag", flag: "no-color", summary: "no colours, as with NO_COLOR" },
  {
    type: "value",
    flag: "timeout",
    placeholder: "DURATION",
    kind: "duration",
    summary: "deadline of the run: 500ms, 10s, 2m",
    default: defaultTimeout,
  },
];

export const changeOptions: readonly OptionDefinition[] = [
  {
    type: "flag",
    flag: "dry-run",
    short: "n",
    summary: "show the plan that would run, change nothing",
  },
  {
    type: "flag",
    flag: "script",
    summary: "print the plan as a POSIX shell script, change nothing",
  },
  { type: "flag", flag: "yes", short: "y", summary: "do not ask" },
];

export const helpOption: OptionDefinition = {
  type: "flag",
  flag: "help",
  short: "h",
  summary: "this help",
};

export const versionOption: OptionDefinition = {
  type: "flag",
  flag: "version",
  short: "V",
  summary: "the version of remaster",
};

/** Everything that may stand after `remaster VERB`, its own options first. */
export function optionsOf(definition: VerbDefinition): readonly OptionDefinition[] {
  return [
    ...definition.options,
    ...(definition.changes ? changeOptions : []),
    ...commonOptions(definition),
  ];
}

/** The global options as this verb has them: its own default of --timeout. */
function commonOptions(definition: VerbDefinition): readonly OptionDefinition[] {
  const own = new Set(definition.options.map((option) => option.flag));
  return globalOptions
    .filter((option) => !own.has(option.flag))
    .map((option) =>
      option.type === "value" && option.flag === "timeout" && definition.timeout !== undefined
        ? { ...option, default: definition.timeout }
        : option,
    );
}
