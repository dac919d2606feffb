// The completion script for zsh: one _arguments call per verb, names of nodes and poolers through a function that asks the program.

import type { ArgumentDefinition, OptionDefinition, VerbDefinition } from "../commands/define.ts";
import {
  clusterOptions,
  leadingOptions,
  type Offer,
  offeredOptions,
  offerFor,
  plainSummary,
  singleQuoted,
  spellings,
  valueSpellings,
} from "./completion-words.ts";
import { type KnownVerb, valueName } from "./help.ts";

export function zshLines(verbs: readonly KnownVerb[]): readonly string[] {
  return [
    "#compdef remaster",
    "# zsh completion for remaster: generated from the verbs' definitions",
    "",
    ...namesFunctions,
    "",
    ...verbs.flatMap((verb) => [...verbFunction(verb), ""]),
    ...mainFunction(verbs),
    "",
    "# autoloaded by compinit, or sourced",
    'if [[ "${funcstack[1]-}" = _remaster ]]; then',
    '  _remaster "$@"',
    "else",
    "  compdef _remaster remaster",
    "fi",
  ];
}

/** `_remaster_names nodes node`: names of the topology file that the command line names. */
const namesFunctions: readonly string[] = [
  "_remaster_names() {",
  "  local -a cluster names",
  "  local index",
  "  for ((index = 2; index < ${#_remaster_words}; index++)); do",
  "    case ${_remaster_words[index]} in",
  `      ${valueSpellings(clusterOptions).join("|")})`,
  '        cluster+=("${_remaster_words[index]}" "${(Q)_remaster_words[index + 1]/#\\~\\//$HOME/}")',
  "        ;;",
  `      ${valueSpellings(clusterOptions)
    .filter((spelling) => spelling.startsWith("--"))
    .map((spelling) => `${spelling}=*`)
    .join("|")})`,
  '        cluster+=("${(Q)_remaster_words[index]}")',
  "        ;;",
  "    esac",
  "  done",
  '  names=("${(@f)$("${(Q)_remaster_words[1]/#\\~\\//$HOME/}" completion "$1" "${cluster[@]}" 2>/dev/null)}")',
  "  names=(${names:#})",
  '  _wanted "$1" expl "$2" compadd -a names',
  "}",
  "_remaster_nodes() { _remaster_names nodes node }",
  "_remaster_poolers() { _remaster_names poolers pooler }",
];

function verbFunction(verb: KnownVerb): readonly string[] {
  const specs = [
    ...offeredOptions(verb).flatMap(optionSpecs),
    ...verb.definition.arguments.map(argumentSpec),
  ];
  return [
    `_remaster_${verb.name}() {`,
    "  _arguments -s -S \\",
    ...specs.map(
      (spec, index) => `    ${singleQuoted(spec)}${index < specs.length - 1 ? " \\" : ""}`,
    ),
    "}",
  ];
}

/** One spec per spelling, each of which shuts the others out: `(-f --config)--config=[topology file]:FILE:_files`. One that
 * takes several values may be given again: `*--standby=[...]:NODE...:_remaster_nodes`. */
function optionSpecs(option: OptionDefinition): readonly string[] {
  const all = spellings(option);
  const takesValue = option.type === "value";
  const value = takesValue ? `:${valueName(option)}:${action(offerFor(option.kind))}` : "";
  return all.map((spelling) => {
    const joint = spelling.startsWith("--") ? "=" : "+";
    const again = option.type === "value" && option.several === true;
    const head = again ? "*" : `(${all.join(" ")})`;
    return `${head}${spelling}${takesValue ? joint : ""}[${bracketed(option.summary)}]${value}`;
  });
}

function argumentSpec(argument: ArgumentDefinition): string {
  const message = escapeColons(argument.name);
  const head = argument.variadic ? "*" : argument.required ? "" : ":";
  return `${head}:${message}:${action(offerFor(argument.kind, argument.choices))}`;
}

function action(offer: Offer): string {
  switch (offer.from) {
    case "nodes":
      return "_remaster_nodes";
    case "poolers":
      return "_remaster_poolers";
    case "files":
      return "_files";
    case "directories":
      return "_files -/";
    case "words":
      return `(${offer.words.join(" ")})`;
    case "nothing":
      return " ";
  }
}

function mainFunction(verbs: readonly KnownVerb[]): readonly string[] {
  return [
    "_remaster() {",
    "  local -a _remaster_words verbs",
    "  local curcontext=$curcontext state line expl",
    "  typeset -A opt_args",
    '  _remaster_words=("${words[@]}")',
    "  verbs=(",
    ...verbs.map((verb) => `    ${singleQuoted(described(verb.definition))}`),
    "    'help:explain a verb'",
    "  )",
    "  # -A: what stands after the verb is left to the verb",
    "  _arguments -C -s -S -A '-*' \\",
    ...leadingOptions.flatMap(optionSpecs).map((spec) => `    ${singleQuoted(spec)} \\`),
    "    '--version[the version of remaster]' \\",
    "    '1:verb:->verb' \\",
    "    '*::argument:->argument' && return",
    "  case $state in",
    "    verb) _describe -t verbs verb verbs ;;",
    "    argument)",
    "      case $words[1] in",
    ...verbs.map((verb) => `        ${verb.name}) _remaster_${verb.name} ;;`),
    "        help) _describe -t verbs verb verbs ;;",
    "      esac",
    "      ;;",
    "  esac",
    "}",
  ];
}

function described(definition: VerbDefinition): string {
  return `${definition.name}:${escapeColons(plainSummary(definition.summary))}`;
}

function bracketed(summary: string): string {
  return plainSummary(summary).replace(/[[\]\\]/g, "\\$&");
}

function escapeColons(text: string): string {
  return text.replace(/[:\\]/g, "\\$&");
}
