// The completion script for bash, 3.2 and later. Uses nothing of the bash-completion package, and no expansion of what
// comes back from a program: a node name is never evaluated.

import type { ArgumentDefinition, OptionDefinition } from "../commands/define.ts";
import {
  clusterOptions,
  leadingOptions,
  type Offer,
  offeredOptions,
  offerFor,
  spellings,
  valueSpellings,
} from "./completion-words.ts";
import type { KnownVerb } from "./help.ts";

export function bashLines(verbs: readonly KnownVerb[]): readonly string[] {
  return [
    "# bash completion for remaster: generated from the verbs' definitions",
    "# shellcheck shell=bash",
    "",
    ...offerFunction,
    "",
    ...verbs.flatMap((verb) => [...verbFunction(verb), ""]),
    ...mainFunction(verbs),
    "",
    "complete -F _remaster remaster",
  ];
}

const offerFunction: readonly string[] = [
  "# candidates for the word under the cursor, one per line",
  "_remaster_candidates() {",
  "  local from=$1",
  "  shift",
  '  case "$from" in',
  "    words) printf '%s\\n' \"$@\" ;;",
  '    nodes | poolers) "${COMP_WORDS[0]/#\\~/$HOME}" completion "$from" "${_remaster_cluster[@]}" 2>/dev/null ;;',
  '    files) compgen -f -- "$_remaster_cur" ;;',
  '    directories) compgen -d -- "$_remaster_cur" ;;',
  "  esac",
  "}",
  "",
  "# those that begin with it; bash appends slashes to directories where they are file names",
  "_remaster_offer() {",
  "  local candidate",
  '  case "$1" in files | directories) compopt -o filenames 2>/dev/null ;; esac',
  "  while IFS= read -r candidate; do",
  '    if [[ $candidate == "$_remaster_cur"* ]]; then COMPREPLY+=("$candidate"); fi',
  '  done < <(_remaster_candidates "$@")',
  "}",
];

/** `_remaster_VERB PREVIOUS COUNT`: what may stand after an option, or as the argument with that index. */
function verbFunction(verb: KnownVerb): readonly string[] {
  const options = offeredOptions(verb);
  return [
    `_remaster_${functionName(verb.name)}() {`,
    '  case "$1" in',
    ...valueCases(options).map((line) => `    ${line}`),
    "  esac",
    "  if [[ $_remaster_cur == -* ]]; then",
    `    _remaster_offer words ${options.flatMap(spellings).join(" ")}`,
    "    return",
    "  fi",
    ...argumentCases(verb.definition.arguments),
    "}",
  ];
}

function valueCases(options: readonly OptionDefinition[]): readonly string[] {
  return options.flatMap((option) =>
    option.type === "value"
      ? [
          `${spellings(option).join(" | ")})`,
          `  ${offerCall(offerFor(option.kind))}`,
          "  return",
          "  ;;",
        ]
      : [],
  );
}

function argumentCases(definitions: readonly ArgumentDefinition[]): readonly string[] {
  if (definitions.length === 0) return [];
  return [
    '  case "$2" in',
    ...definitions.map((argument, index) => {
      const pattern = argument.variadic ? "*" : String(index);
      return `    ${pattern}) ${offerCall(offerFor(argument.kind, argument.choices))} ;;`;
    }),
    "  esac",
  ];
}

function offerCall(offer: Offer): string {
  switch (offer.from) {
    case "nodes":
    case "poolers":
    case "files":
    case "directories":
      return `_remaster_offer ${offer.from}`;
    case "words":
      return `_remaster_offer words ${offer.words.join(" ")}`;
    case "nothing":
      return ":";
  }
}

/** Finds the verb and what surrounds it, then hands over to the verb's own function. */
function mainFunction(verbs: readonly KnownVerb[]): readonly string[] {
  const names = verbs.map((verb) => verb.name);
  const leading = [...leadingOptions.flatMap(spellings), "--version"];
  return [
    "_remaster() {",
    "  COMPREPLY=()",
    "  local _remaster_cur=${COMP_WORDS[COMP_CWORD]} previous='' verb='' count=0 index word",
    "  local -a _remaster_cluster=()",
    "  for ((index = 1; index < COMP_CWORD; index++)); do",
    "    word=${COMP_WORDS[index]}",
    "    # bash splits --option=value into three words",
    "    if [[ $word == = ]]; then continue; fi",
    ...stepOverValues(verbs),
    "    previous=$word",
    "    if [[ $word == -* ]]; then continue; fi",
    "    if [[ -z $verb ]]; then verb=$word; else count=$((count + 1)); fi",
    "  done",
    "  if [[ $_remaster_cur == = ]]; then _remaster_cur=''; fi",
    '  case "$verb" in',
    ...names.map((name) => `    ${name}) _remaster_${functionName(name)} "$previous" "$count" ;;`),
    `    help) if ((count == 0)); then _remaster_offer words ${names.join(" ")}; fi ;;`,
    "    '')",
    '      case "$previous" in',
    ...valueCases(leadingOptions).map((line) => `        ${line}`),
    "      esac",
    "      if [[ $_remaster_cur == -* ]]; then",
    `        _remaster_offer words ${leading.join(" ")}`,
    "      else",
    `        _remaster_offer words ${[...names, "help"].join(" ")}`,
    "      fi",
    "      ;;",
    "  esac",
    "}",
  ];
}

/** The value of an option is neither verb nor argument; that of one which names the cluster is kept. */
function stepOverValues(verbs: readonly KnownVerb[]): readonly string[] {
  const cluster = valueSpellings(clusterOptions);
  const all = new Set([leadingOptions, ...verbs.map(offeredOptions)].flatMap(valueSpellings));
  const others = [...all].filter((spelling) => !cluster.includes(spelling));
  return [
    '    case "$previous" in',
    `      ${cluster.join(" | ")})`,
    '        _remaster_cluster+=("$previous" "${word/#\\~/$HOME}")',
    "        previous=''",
    "        continue",
    "        ;;",
    `      ${others.join(" | ")})`,
    "        previous=''",
    "        continue",
    "        ;;",
    "    esac",
  ];
}

function functionName(verb: string): string {
  return verb.replaceAll("-", "_");
}
