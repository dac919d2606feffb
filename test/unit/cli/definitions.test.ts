// What every definition must hold, and that its examples are command lines of the program as it is.

import { describe, expect, test } from "vitest";
import { parseInvocation } from "../../../src/cli/program.ts";
import { changeOptions, globalOptions } from "../../../src/cli/options.ts";
import { loadVerbs } from "../../../src/cli/verbs.ts";
import { splitWords } from "../../../src/cli/words.ts";
import { renderProgramHelp, renderVerbHelp } from "../../../src/cli/help.ts";

const verbs = await loadVerbs();

/** The commands of remaster in an example, as words: quotes, `$( )`, `&&`, pipes and redirections of a shell taken away. */
function commandsIn(example: string): readonly (readonly string[])[] {
  return example
    .replace(/[<>]\s*("[^"]*"|\S+)/g, " ")
    .split(/\$\(|\)|&&|\|\||\||;/)
    .map((part) => part.trim())
    .filter((part) => part.startsWith("remaster "))
    .map((part) => shellWords(part).slice(1));
}

function shellWords(text: string): readonly string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? "",
  );
}

describe.each(verbs)("$name", ({ name, definition }) => {
  test("is registered under its own name", () => {
    expect(definition.name).toBe(name);
  });

  test("has a summary for the list of verbs", () => {
    expect(definition.summary).toMatch(/^[^A-Z].*[^.]$/);
    expect(definition.summary.length).toBeLessThanOrEqual(60);
    expect(definition.description.length).toBeGreaterThan(0);
  });

  test("does not take an option of all verbs for its own", () => {
    const common = [...globalOptions, ...(definition.changes ? changeOptions : [])];
    const flags = [...definition.options, ...common].map((option) => option.flag);
    const letters = [...definition.options, ...common].flatMap((option) => option.short ?? []);
    expect(new Set(flags).size).toBe(flags.length);
    expect(new Set(letters).size).toBe(letters.length);
  });

  test("takes several values in its last argument only, and required ones first", () => {
    const shape = definition.arguments;
    expect(shape.slice(0, -1).some((argument) => argument.variadic)).toBe(false);
    const firstOptional = shape.findIndex((argument) => !argument.required);
    const after = firstOptional === -1 ? [] : shape.slice(firstOptional);
    expect(after.some((argument) => argument.required)).toBe(false);
  });

  test("defaults are of their own kind", () => {
    const required = definition.options.flatMap((option) =>
      option.type === "value" && option.required === true ? [`--${option.flag}`, "1@0/1"] : [],
    );
    const positional = definition.arguments
      .filter((argument) => argument.required)
      .map((argument) => argument.choices?.[0] ?? "n1");
    const dashes = definition.arguments.some(({ afterDashes }) => afterDashes === true)
      ? ["--"]
      : [];
    const words = [...required, ...dashes, ...positional];
    expect(() => parseInvocation(definition, words)).not.toThrow();
  });

  test.each(definition.examples)("example: $command", ({ command }) => {
    const commands = commandsIn(command);
    expect(commands.length).toBeGreaterThan(0);
    for (const argv of commands) {
      const words = splitWords(argv);
      const used = verbs.find((verb) => verb.name === words.verb);
      expect(used, `no verb in ${argv.join(" ")}`).toBeDefined();
      if (used !== undefined) parseInvocation(used.definition, words.rest);
    }
    expect(command).toContain(`remaster ${name}`);
  });

  test("its help fits 80 columns", () => {
    const wide = renderVerbHelp(definition)
      .split("\n")
      .filter((line) => line.length > 80 && !line.startsWith("  remaster "));
    expect(wide).toEqual([]);
  });
});

test("the program's help fits 80 columns and names every verb", () => {
  const help = renderProgramHelp(verbs);
  expect(help.split("\n").filter((line) => line.length > 80)).toEqual([]);
  for (const { name } of verbs) expect(help).toContain(`  ${name} `);
  for (const { definition } of verbs) expect(help).toContain(definition.summary);
});
