// The options that every verb takes, and those of every verb that changes something: in the same form as a verb's own,
// so that parser, help, man pages and completions treat all alike.

import { acceptTimelineOption } from "../commands/accept-timeline.ts";
import type { OptionDefinition, VerbDefinition } from "../commands/define.ts";

export const defaultTimeout = "30s";

export const globalOptions: readonly OptionDefinition[] = [
  {
    type: "value",
    flag: "config",
    short: "f",
    placeholder: "FILE",
    kind: "file",
    detail:
      "The topology file; see remaster.toml(5). Without it: REMASTER_CONFIG, then ./remaster.toml, then the configuration directories.",
    summary: "topology file",
  },
  {
    type: "value",
    flag: "cluster",
    short: "c",
    placeholder: "NAME",
    kind: "text",
    detail:
      "The cluster by name: a topology file that names it, or NAME.toml in the configuration directories.",
    summary: "cluster by name, from the configuration directories",
  },
  {
    type: "value",
    flag: "dsn",
    short: "d",
    placeholder: "CONNINFO",
    kind: "text",
    detail:
      "Connect without a topology file: a libpq connection string, in keywords or as a URI. Several hosts make a cluster, whose nodes are named host:port. A password in it is refused, since command lines are public: use a passfile, a service file or PGPASSWORD.",
    summary: "connect without a file; several hosts make a cluster",
  },
  {
    type: "flag",
    flag: "json",
    detail:
      "Print one report as JSON on stdout, on every exit status but 2. It wins over `--quiet`. There are no questions then, so a verb that changes something needs `--yes`.",
    summary: "one JSON report on stdout",
  },
  {
    type: "flag",
    flag: "quiet",
    short: "q",
    detail:
      "Print one word or nothing on stdout, and no talk on stderr. What kept the verb from doing as asked is still said there.",
    summary: "one word or nothing on stdout, no talk",
  },
  {
    type: "flag",
    flag: "verbose",
    short: "v",
    detail:
      "Say more: each step as it ends, the times it took, and the topology with every report.",
    summary: "say more on stderr",
  },
  {
    type: "flag",
    flag: "no-color",
    detail: "No colours. NO_COLOR in the environment does the same.",
    summary: "no colours, as with NO_COLOR",
  },
  {
    type: "value",
    flag: "timeout",
    placeholder: "DURATION",
    kind: "duration",
    detail:
      "The deadline of the whole run: `500ms`, `10s`, `2m`; a bare number is seconds. It stands still while a question waits for its answer. When it passes, what was begun is taken back where that can be done.",
    summary: "deadline of the run: 500ms, 10s, 2m",
    default: defaultTimeout,
  },
];

export const takeOverOption: OptionDefinition = {
  type: "flag",
  flag: "take-over",
  detail:
    "Where another run holds the lock of the cluster, end it: its sessions are ended on every node (pg_terminate_backend, which takes the same role or pg_signal_backend), and it stops where it stands, taking nothing back. Then this run goes on from what the servers show.",
  summary: "end the run that holds the lock of the cluster",
};

export const changeOptions: readonly OptionDefinition[] = [
  {
    type: "flag",
    flag: "dry-run",
    short: "n",
    detail:
      "Show the plan that would run, and change nothing. The exit status is 0 when there is a plan, 5 when it would be refused.",
    summary: "show the plan that would run, change nothing",
  },
  {
    type: "flag",
    flag: "script",
    detail:
      "Print the plan as a POSIX shell script of remaster subcommands, and change nothing. Running the script does what the verb would have done.",
    summary: "print the plan as a POSIX shell script, change nothing",
  },
  {
    type: "flag",
    flag: "yes",
    short: "y",
    detail:
      "Do not ask. Without a terminal to ask on, a verb that changes something refuses unless this is given.",
    summary: "do not ask",
  },
  acceptTimelineOption,
  {
    type: "flag",
    flag: "override-manager",
    detail:
      "Go on although Patroni, repmgrd or another program manages the cluster. It may promote, repoint or restart nodes on its own meanwhile, and take back what is done: pause it first.",
    summary: "go on beside another program that manages the cluster",
  },
  takeOverOption,
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
    ...(definition.locks === true ? [takeOverOption] : []),
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
