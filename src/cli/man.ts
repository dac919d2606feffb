// The man pages, generated from the definitions: remaster(1) and one page per verb. No date stands in them: the same
// sources give the same pages.

import type { OptionDefinition, VerbDefinition } from "../commands/define.ts";
import { type VerbGroup, verbGroups } from "../commands/index.ts";
import { exitTable, type Outcome, outcomeMeanings } from "../errors.ts";
import { findingCatalogue } from "../topology/finding.ts";
import { environment, files } from "./environment.ts";
import { argumentText, type KnownVerb, optionHead, usageLine, valueName } from "./help.ts";
import { changeOptions, globalOptions, helpOption, optionsOf, versionOption } from "./options.ts";
import { bold, italic, paragraphs, roffText, section, tagged, verbatim } from "./roff.ts";

/** remaster.1 */
export function programPage(verbs: readonly KnownVerb[], version: string): string {
  return page([
    title("REMASTER", "1", version),
    ...section("NAME", [
      roffText(
        "remaster - change the primary of a PostgreSQL streaming cluster without losing a row",
      ),
    ]),
    ...section("SYNOPSIS", [
      `${bold("remaster")} ${italic("VERB")} [${italic("NODE")}...] [${italic("OPTIONS")}]`,
    ]),
    ...section("DESCRIPTION", paragraphs(programDescription)),
    ...section("VERBS", verbList(verbs)),
    ...section("OPTIONS", [
      roffText("Global options may stand before or after the verb."),
      ...optionList([...globalOptions, helpOption, versionOption]),
      ".PP",
      roffText("Verbs that change something also take:"),
      ...optionList(changeOptions),
    ]),
    ...section(
      "ENVIRONMENT",
      environment.flatMap(({ name, text }) => tagged(bold(name), [text])),
    ),
    ...section(
      "FILES",
      files.flatMap(({ name, text }) => tagged(italic(name), [text])),
    ),
    ...section("EXIT STATUS", [
      roffText("For scripts: 1 to 7 leave the cluster as it was; 8 needs a person."),
      ...exitList((outcome) => outcomeMeanings[outcome]),
    ]),
    ...section("FINDINGS", [
      roffText(
        "What remaster has to say about a node or a cluster has a stable code, the same in text and in JSON.",
      ),
      ...findingList(),
    ]),
    ...section("SEE ALSO", [
      seeAlso(
        verbs.map((verb) => verb.name),
        ["remaster.toml(5)"],
      ),
    ]),
  ]);
}

/** remaster-VERB.1 */
export function verbPage(verb: KnownVerb, version: string): string {
  const { definition } = verb;
  const name = `remaster-${definition.name}`;
  return page([
    title(name.toUpperCase(), "1", version),
    ...section("NAME", [roffText(`${name} - ${definition.summary}`)]),
    ...section("SYNOPSIS", [synopsis(definition)]),
    ...section("DESCRIPTION", paragraphs(definition.description)),
    ...section("ARGUMENTS", argumentList(definition)),
    ...section("OPTIONS", [
      ...joined([
        ...optionList(definition.options),
        ...(definition.changes ? optionList(changeOptions) : []),
        ...optionList(ownDefaults(definition)),
      ]),
      `The options of every verb are told in ${bold("remaster")}(1).`,
    ]),
    ...section("EXIT STATUS", [
      ...exitList((outcome) => verbOutcome(definition, outcome)),
      ".PP",
      `All of them are told in ${bold("remaster")}(1).`,
    ]),
    ...section("EXAMPLES", exampleList(definition)),
    ...section("SEE ALSO", [seeAlso([], ["remaster(1)", "remaster.toml(5)"])]),
  ]);
}

/** What came before, if anything, and a paragraph's gap after it. */
function joined(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [...lines, ".PP"];
}

const programDescription: readonly string[] = [
  "remaster changes the primary of a PostgreSQL streaming-replication cluster over SQL and the replication protocol alone. It stills the standbys, finds the one that is farthest ahead, brings what only that one has to a standby that may lead, promotes it, and points every other node at it. There is no agent, no daemon and no store of its own: the servers are the database of record.",
  "Every verb does the same: it observes the nodes, decides on a plan or refuses, shows the plan, carries it out, and reports. With --dry-run it shows the plan and stops there; with --script the plan is printed as a shell script of remaster subcommands. A goal that already holds is reported as done and changes nothing, so a verb may be run again after any interruption, by anyone, from any machine.",
  "stdout is data, stderr is talk. With --json every verb prints one report as JSON, on every exit status but 2; it wins over --quiet, which prints one word or nothing.",
  "A verb that changes something asks first. Without a terminal to ask on, and without --yes, it refuses.",
];

function page(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** The empty date keeps pages reproducible; names of settings and files are not hyphenated. */
export function title(name: string, sectionNumber: string, version: string): string {
  const header = `.TH "${name.replaceAll("-", "\\-")}" "${sectionNumber}" "" "remaster ${version}" "remaster"`;
  return `${header}\n.nh\n.ad l`;
}

function synopsis(definition: VerbDefinition): string {
  const [program = "", verb = "", ...rest] = usageLine(definition).split(" ");
  return `${bold(`${program} ${verb}`)} ${rest.map(roffText).join(" ")}`;
}

function verbList(verbs: readonly KnownVerb[]): readonly string[] {
  return (Object.keys(verbGroups) as VerbGroup[]).flatMap((group) => {
    const members = verbs.filter((verb) => verb.group === group);
    if (members.length === 0) return [];
    return [
      `.SS ${roffText(sentenceOf(`${verbGroups[group]}:`)).slice(0, -1)}`,
      ...members.flatMap((verb) =>
        tagged(`${bold(`remaster-${verb.name}`)}(1)`, [sentenceOf(verb.definition.summary)]),
      ),
    ];
  });
}

function optionList(options: readonly OptionDefinition[]): readonly string[] {
  return options.flatMap((option) => tagged(optionTag(option), [optionText(option)]));
}

function optionTag(option: OptionDefinition): string {
  const head =
    option.type === "value"
      ? optionHead(option).slice(0, -valueName(option).length - 1)
      : optionHead(option);
  const names = head.split(", ").map(bold).join(", ");
  return option.type === "value" ? `${names} ${italic(valueName(option))}` : names;
}

function optionText(option: OptionDefinition): string {
  const preset = option.type === "value" ? option.default : undefined;
  const text = sentenceOf(option.detail ?? option.summary);
  return preset === undefined ? text : `${text} Default: ${preset}.`;
}

/** Help speaks in fragments, a man page in sentences. */
function sentenceOf(text: string): string {
  const ended = /[.:?!]$/.test(text) ? text : `${text}.`;
  return `${ended.charAt(0).toUpperCase()}${ended.slice(1)}`;
}

/** Global options that this verb takes with a default of its own. */
function ownDefaults(definition: VerbDefinition): readonly OptionDefinition[] {
  if (definition.timeout === undefined) return [];
  return optionsOf(definition).filter((option) => option.flag === "timeout");
}

function argumentList(definition: VerbDefinition): readonly string[] {
  return definition.arguments.flatMap((argument) => {
    const tag = italic(argument.name.toUpperCase()) + (argument.variadic ? "..." : "");
    return tagged(tag, [sentenceOf(argumentText(argument))]);
  });
}

function exitList(meaning: (outcome: Outcome) => string | null): readonly string[] {
  return (Object.entries(exitTable) as [Outcome, number][]).flatMap(([outcome, code]) => {
    const text = meaning(outcome);
    if (text === null) return [];
    return tagged(`${bold(String(code))} (${outcome})`, [sentenceOf(text)]);
  });
}

/** What an outcome means here: the verb's own words, or the table's where it can happen to any verb of this kind. */
function verbOutcome(definition: VerbDefinition, outcome: Outcome): string | null {
  const own = outcome === "usage" ? undefined : definition.outcomes?.[outcome];
  if (own !== undefined) return own;
  const changing: readonly Outcome[] = ["refused", "declined", "undone", "incomplete"];
  if (changing.includes(outcome)) return definition.changes ? outcomeMeanings[outcome] : null;
  if (outcome === "no") return null;
  return outcomeMeanings[outcome];
}

function findingList(): readonly string[] {
  return Object.entries(findingCatalogue)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([code, text]) => tagged(bold(code), [text]));
}

function exampleList(definition: VerbDefinition): readonly string[] {
  return definition.examples.flatMap((example, index) => [
    ...(index === 0 ? [] : [".PP"]),
    roffText(sentenceOf(`${example.explanation}:`)),
    ...verbatim([example.command]),
  ]);
}

function seeAlso(verbs: readonly string[], others: readonly string[]): string {
  const pages = [...verbs.map((verb) => `remaster-${verb}(1)`), ...others];
  return pages
    .map((each) =>
      each.replace(/^(.*)(\(\d\))$/, (_, name: string, part: string) => `${bold(name)}${part}`),
    )
    .join(", ");
}
