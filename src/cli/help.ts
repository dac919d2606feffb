// Help for people: the program's page and one per verb, made from the definitions. The man pages tell the same in full.

import type {
  ArgumentDefinition,
  OptionDefinition,
  ValueOption,
  VerbDefinition,
} from "../commands/define.ts";
import { type VerbEntry, type VerbGroup, verbGroups } from "../commands/index.ts";
import { fold } from "../ui/line.ts";
import { changeOptions, globalOptions, helpOption, versionOption } from "./options.ts";

export interface KnownVerb extends VerbEntry {
  readonly definition: VerbDefinition;
}

/** `remaster --help`. */
export function renderProgramHelp(verbs: readonly KnownVerb[]): string {
  const width = Math.max(...verbs.map((verb) => verb.name.length)) + 2;
  const groups = (Object.keys(verbGroups) as VerbGroup[]).map((group) => {
    const lines = verbs
      .filter((verb) => verb.group === group)
      .map((verb) => `  ${verb.name.padEnd(width)}${verb.definition.summary}`);
    return lines.length === 0 ? "" : `${verbGroups[group]}\n${lines.join("\n")}\n`;
  });
  const options = [...globalOptions, helpOption, versionOption];
  return [
    "usage: remaster VERB [NODE...] [OPTIONS]\n",
    "Change the primary of a PostgreSQL streaming cluster without losing a row.\n",
    ...groups.filter((group) => group !== ""),
    `options of every verb\n${optionLines(options).join("\n")}\n`,
    `options of verbs that change something\n${optionLines(changeOptions).join("\n")}\n`,
    "remaster VERB --help explains a verb; man remaster has the whole story.",
  ].join("\n");
}

/** `remaster VERB --help`. */
export function renderVerbHelp(definition: VerbDefinition): string {
  const sections = [
    `usage: ${usageLine(definition)}\n`,
    ...definition.description.map((paragraph) => `${fold(plain(paragraph), 80).join("\n")}\n`),
    ...section("arguments", argumentLines(definition)),
    ...section("options", optionLines(definition.options)),
    ...section(
      "options of verbs that change something",
      definition.changes ? optionLines(changeOptions) : [],
    ),
    ...section("examples", exampleLines(definition)),
    `Options of every verb: remaster --help. More: man remaster-${definition.name}.`,
  ];
  return sections.join("\n");
}

/** `remaster repoint NODE... --to NODE [OPTIONS]`. */
export function usageLine(definition: VerbDefinition): string {
  const words = definition.arguments.map((argument) => {
    if (argument.afterDashes === true) return `-- ${argument.name.toUpperCase()} [ARG...]`;
    const choices = argument.choices ?? [];
    const listed = choices.length <= 4 ? choices.join("|") : "";
    const fits = listed !== "" && listed.length <= 40;
    const name = fits ? listed : argument.name.toUpperCase();
    const repeated = argument.variadic ? `${name}...` : name;
    return argument.required ? repeated : `[${repeated}]`;
  });
  const required = definition.options
    .filter((option) => option.type === "value" && option.required === true)
    .map((option) => optionHead(option).replace(/^-\w, /, ""));
  const command = words.filter((word) => word.startsWith("-- "));
  const others = words.filter((word) => !word.startsWith("-- "));
  return ["remaster", definition.name, ...others, ...required, "[OPTIONS]", ...command].join(" ");
}

/** `FILE`, or `NODE...` where it takes several. */
export function valueName({ placeholder, several }: ValueOption): string {
  return several === true ? `${placeholder}...` : placeholder;
}

/** `-f, --config FILE`. */
export function optionHead(option: OptionDefinition): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.type === "value" ? ` ${valueName(option)}` : "";
  return `${short}--${option.flag}${value}`;
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`${title}\n${lines.join("\n")}\n`];
}

function optionLines(options: readonly OptionDefinition[]): readonly string[] {
  return columns(
    options.map((option) => {
      const head = optionHead(option);
      const indented = option.short === undefined ? `    ${head}` : head;
      return [indented, summaryOf(option)];
    }),
  );
}

function summaryOf(option: OptionDefinition): string {
  const preset = option.type === "value" ? option.default : undefined;
  return preset === undefined ? option.summary : `${option.summary} (default: ${preset})`;
}

function argumentLines(definition: VerbDefinition): readonly string[] {
  return columns(
    definition.arguments.map((argument) => [argument.name.toUpperCase(), argumentText(argument)]),
  );
}

/** What it is, and what there is to choose from. */
export function argumentText({ summary, choices }: ArgumentDefinition): string {
  return choices === undefined ? summary : `${summary}: ${choices.join(", ")}`;
}

function exampleLines(definition: VerbDefinition): readonly string[] {
  return definition.examples.flatMap((example) => [
    `  ${example.command}`,
    ...fold(plain(example.explanation), 74).map((line) => `      ${line}`),
  ]);
}

/** Two columns, the second wrapped within 80. */
function columns(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.min(26, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const [first = "", ...more] = fold(plain(right), 80 - width - 4);
    const indent = " ".repeat(width + 4);
    const fits = left.length <= width;
    return [
      ...(fits ? [`  ${left.padEnd(width)}  ${first}`] : [`  ${left}`, `${indent}${first}`]),
      ...more.map((line) => `${indent}${line}`),
    ];
  });
}

/** Definitions mark code with backticks for the man page; a terminal needs none. */
function plain(text: string): string {
  return text.replaceAll("`", "");
}
