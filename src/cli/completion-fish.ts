// The completion script for fish (3.0 and later): one `complete` line per verb, option and argument.

import type { ArgumentDefinition, OptionDefinition } from "../commands/define.ts";
import {
  clusterOptions,
  leadingOptions,
  type Offer,
  offeredOptions,
  offerFor,
  plainSummary,
  valueSpellings,
} from "./completion-words.ts";
import type { KnownVerb } from "./help.ts";

export function fishLines(verbs: readonly KnownVerb[]): readonly string[] {
  return [
    "# fish completion for remaster: generated from the verbs' definitions",
    "",
    ...verbFunction(verbs),
    "",
    ...namesFunction,
    "",
    "complete -c remaster -f",
    ...leadingOptions.map((option) => optionLine(option, "not __remaster_verb")),
    line("not __remaster_verb", ["-l version", "-d", quoted("the version of remaster")]),
    ...verbs.map((verb) =>
      line("not __remaster_verb", [
        `-a ${verb.name}`,
        "-d",
        quoted(plainSummary(verb.definition.summary)),
      ]),
    ),
    line("not __remaster_verb", ["-a help", "-d", quoted("explain a verb")]),
    line("__remaster_argument help 0", [`-a ${quoted(verbs.map((verb) => verb.name).join(" "))}`]),
    ...verbs.flatMap(verbLines),
  ];
}

/** `__remaster_verb [NAME]`: whether a verb (this one) stands on the line; `__remaster_argument VERB INDEX` which argument is next. */
function verbFunction(verbs: readonly KnownVerb[]): readonly string[] {
  const valued = new Set([leadingOptions, ...verbs.map(offeredOptions)].flatMap(valueSpellings));
  return [
    "# the words of the line that are neither options nor their values: the verb, then its arguments",
    "function __remaster_words",
    "    set -l tokens (commandline -opc)",
    "    set -l skip 0",
    "    for token in $tokens[2..-1]",
    "        if test $skip -eq 1",
    "            set skip 0",
    "            continue",
    "        end",
    "        switch $token",
    `            case ${[...valued].join(" ")}`,
    "                set skip 1",
    "            case '-*'",
    "            case '*'",
    "                echo -- $token",
    "        end",
    "    end",
    "end",
    "",
    "function __remaster_verb",
    "    set -l found (__remaster_words)",
    "    if test (count $argv) -eq 0",
    "        test (count $found) -gt 0",
    "        return",
    "    end",
    '    test (count $found) -gt 0; and test "$found[1]" = "$argv[1]"',
    "end",
    "",
    "function __remaster_argument",
    "    set -l found (__remaster_words)",
    '    test (count $found) -eq (math $argv[2] + 1); and test "$found[1]" = "$argv[1]"',
    "end",
  ];
}

const namesFunction: readonly string[] = [
  "# `__remaster_names nodes`: names of the topology file that the line names",
  "function __remaster_names",
  "    set -l tokens (commandline -opc)",
  "    set -l cluster",
  "    for index in (seq 2 (count $tokens))",
  "        switch $tokens[$index]",
  `            case ${valueSpellings(clusterOptions).join(" ")}`,
  "                if test $index -lt (count $tokens)",
  "                    set -a cluster $tokens[$index] $tokens[(math $index + 1)]",
  "                end",
  `            case ${clusterOptions.map((option) => `'--${option.flag}=*'`).join(" ")}`,
  "                set -a cluster $tokens[$index]",
  "        end",
  "    end",
  "    command $tokens[1] completion $argv[1] $cluster 2>/dev/null",
  "end",
];

function verbLines(verb: KnownVerb): readonly string[] {
  return [
    ...offeredOptions(verb).map((option) => optionLine(option, `__remaster_verb ${verb.name}`)),
    ...verb.definition.arguments.flatMap((argument, index) =>
      argumentLine(verb.name, argument, index),
    ),
  ];
}

function optionLine(option: OptionDefinition, condition: string): string {
  const short = option.short === undefined ? [] : [`-s ${option.short}`];
  const value = option.type === "value" ? offerWords(offerFor(option.kind)) : [];
  return line(condition, [
    ...short,
    `-l ${option.flag}`,
    ...(option.type === "value" ? ["-x", ...value] : []),
    "-d",
    quoted(plainSummary(option.summary)),
  ]);
}

function argumentLine(
  verb: string,
  argument: ArgumentDefinition,
  index: number,
): readonly string[] {
  const offer = offerWords(offerFor(argument.kind, argument.choices));
  if (offer.length === 0) return [];
  const condition = argument.variadic
    ? `__remaster_verb ${verb}`
    : `__remaster_argument ${verb} ${String(index)}`;
  return [line(condition, offer)];
}

function offerWords(offer: Offer): readonly string[] {
  switch (offer.from) {
    case "nodes":
    case "poolers":
      return [`-a '(__remaster_names ${offer.from})'`];
    case "files":
      return ["-a '(__fish_complete_path (commandline -ct))'"];
    case "directories":
      return ["-a '(__fish_complete_directories (commandline -ct))'"];
    case "words":
      return [`-a ${quoted(offer.words.join(" "))}`];
    case "nothing":
      return [];
  }
}

function line(condition: string, words: readonly string[]): string {
  return `complete -c remaster -n ${quoted(condition)} ${words.join(" ")}`;
}

/** fish reads \' and \\ in single quotes, and nothing else. */
function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
