import { describe, expect, test } from "vitest";
import type { VerbDefinition } from "../../../src/commands/define.ts";
import { lock } from "../../../src/commands/lock.ts";
import { UsageError } from "../../../src/errors.ts";
import { type Invocation, parseInvocation } from "../../../src/cli/program.ts";
import { splitWords } from "../../../src/cli/words.ts";

const verb: VerbDefinition = {
  name: "repoint",
  summary: "for tests",
  description: ["For tests."],
  arguments: [{ name: "node", summary: "nodes", kind: "node", required: false, variadic: true }],
  options: [
    { type: "value", flag: "to", placeholder: "NODE", kind: "node", required: true, summary: "to" },
    { type: "flag", flag: "no-wait", summary: "only tell them" },
    {
      type: "value",
      flag: "patience",
      placeholder: "D",
      kind: "duration",
      default: "2s",
      summary: "p",
    },
    { type: "value", flag: "require", placeholder: "P", kind: "position", summary: "r" },
    { type: "value", flag: "standbys", placeholder: "N", kind: "count", summary: "s" },
    { type: "value", flag: "pg", placeholder: "MAJOR", kind: "major", summary: "m" },
  ],
  examples: [],
  changes: true,
  run: () => Promise.reject(new Error("not run here")),
};

const chooser: VerbDefinition = {
  ...verb,
  name: "sandbox",
  changes: false,
  timeout: "2m",
  arguments: [
    {
      name: "action",
      summary: "what",
      kind: "text",
      required: true,
      variadic: false,
      choices: ["up", "down", "freeze"],
    },
  ],
  options: [],
};

/** As the program does it: the verb's word is found, the rest parsed. */
function parse(line: string, definition = verb): Invocation {
  return parseInvocation(definition, splitWords(line.split(" ").filter(Boolean)).rest);
}

function usageOf(line: string, definition = verb): { message: string; hint: string | undefined } {
  try {
    parse(line, definition);
  } catch (error) {
    if (error instanceof UsageError) return { message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error(`parsed well: ${line}`);
}

describe("finding the verb", () => {
  test.each([
    ["status", "status", []],
    ["--json status", "status", ["--json"]],
    ["-f a.toml status -v", "status", ["-f", "a.toml", "-v"]],
    ["-fa.toml status", "status", ["-fa.toml"]],
    ["-qf a.toml status", "status", ["-qf", "a.toml"]],
    ["--config=a.toml status", "status", ["--config=a.toml"]],
    ["--config status status", "status", ["--config", "status"]],
    ["--timeout 5 -n failover", "failover", ["--timeout", "5", "-n"]],
    ["-- status", null, ["--", "status"]],
    ["", null, []],
  ])("%s", (line, expected, rest) => {
    const words = splitWords(line.split(" ").filter(Boolean));
    expect(words.verb).toBe(expected);
    expect(words.rest).toEqual(rest);
  });

  test("help and version are seen anywhere before --", () => {
    expect(splitWords(["status", "--help"]).help).toBe(true);
    expect(splitWords(["-h"]).help).toBe(true);
    expect(splitWords(["status", "--", "--help"]).help).toBe(false);
    expect(splitWords(["status", "-V"]).version).toBe(true);
  });

  test("an option of a verb before it is remembered", () => {
    expect(splitWords(["--to", "n2", "repoint"])).toMatchObject({
      verb: "n2",
      strayOption: "--to",
    });
  });
});

describe("a command line", () => {
  test("global options may stand before and after the verb", () => {
    const before = parse("--json -f x.toml --timeout 2m repoint n3 --to n2");
    const after = parse("repoint n3 --to n2 --json -f x.toml --timeout 2m");
    expect(before).toEqual(after);
    expect(before.options).toMatchObject({ json: true, config: "x.toml", timeoutMs: 120_000 });
    expect(before.input).toMatchObject({ arguments: { node: ["n3"] }, options: { to: "n2" } });
  });

  test("defaults are filled in, flags that were not given are absent", () => {
    const { input, options } = parse("repoint --to n2");
    expect(input.options).toEqual({ to: "n2", patience: "2s", timeout: "30s" });
    expect(input.arguments).toEqual({ node: [] });
    expect(options).toEqual({
      acceptTimeline: null,
      overrideManager: false,
      config: null,
      cluster: null,
      dsn: null,
      json: false,
      quiet: false,
      verbose: false,
      colour: true,
      timeoutMs: 30_000,
      dryRun: false,
      script: false,
      yes: false,
      takeOver: false,
    });
  });

  test("a flag that begins with no- is a flag like any other", () => {
    expect(parse("repoint --to n2 --no-wait --no-color")).toMatchObject({
      input: { options: { "no-wait": true } },
      options: { colour: false },
    });
  });

  test("short letters may be joined", () => {
    expect(parse("repoint --to n2 -nyq").options).toMatchObject({
      dryRun: true,
      yes: true,
      quiet: true,
    });
  });

  test("after -- everything is an argument", () => {
    expect(parse("repoint --to n2 -- --odd").input.arguments).toEqual({ node: ["--odd"] });
  });

  test("a command stands after --, with options of its own", () => {
    const { input, options } = parse("lock --take-over --json -- sh -c true --yes", lock);
    expect(input.arguments["command"]).toEqual(["sh", "-c", "true", "--yes"]);
    expect(options).toMatchObject({ takeOver: true, json: true, yes: false, cluster: null });
    for (const words of ["lock sh -c true", "lock sh -- -c true", "lock -- ", "lock"]) {
      expect(() => parse(words, lock), words).toThrow(UsageError);
    }
  });

  test("a verb may have its own default of --timeout", () => {
    expect(parse("sandbox up", chooser).options.timeoutMs).toBe(120_000);
    expect(parse("sandbox up --timeout 500ms", chooser).options.timeoutMs).toBe(500);
  });
});

describe("a wrong command line", () => {
  test.each([
    ["repoint n3 --too n2", "repoint has no option --too", "did you mean --to?"],
    [
      "repoint n3 --to n2 --frobnicate",
      "repoint has no option --frobnicate",
      "see remaster repoint --help",
    ],
    [
      "repoint n3 --to=n2 --patiense=3",
      "repoint has no option --patiense",
      "did you mean --patience?",
    ],
    ["repoint n3", "repoint needs --to NODE", "see remaster repoint --help"],
    ["repoint n3 --to", "option --to needs a value", "see remaster repoint --help"],
    [
      "repoint n3 --to --json",
      "option --to needs a value, found '--json'",
      "if that is the value, write --to=--json",
    ],
    [
      "repoint --to n2 --patience soon",
      "--patience: 'soon' is not a duration",
      "write 500ms, 10s, 2m, or seconds as a bare number",
    ],
    [
      "repoint --to n2 --require 0/1",
      "--require: '0/1' is not a position",
      "a position is a timeline and an LSN, such as 3@16/B374D848",
    ],
    [
      "repoint --to n2 --standbys two",
      "--standbys: 'two' is not a count",
      "write a whole number, 0 or more",
    ],
    [
      "repoint --to n2 --pg 12",
      "--pg: '12' is not a supported PostgreSQL major version",
      "one of 13, 14, 15, 16, 17, 18",
    ],
    ["repoint --to n2 -q -v", "--quiet and --verbose contradict each other", "give one of them"],
    [
      "repoint --to n2 -d host=a -f x",
      "--dsn stands in place of a topology file",
      "leave out --config and --cluster, or --dsn",
    ],
    [
      "repoint --to n2 --timeout 0",
      "--timeout must be more than nothing",
      "write 500ms, 10s or 2m",
    ],
  ])("%s", (line, message, hint) => {
    expect(usageOf(line)).toEqual({ message, hint });
  });

  test.each([
    ["sandbox", "sandbox needs ACTION", "one of up, down, freeze"],
    ["sandbox dwon", "unknown action: 'dwon'", "did you mean 'down'?"],
    ["sandbox explode", "unknown action: 'explode'", "one of up, down, freeze"],
    ["sandbox up down", "too many arguments for sandbox", "see remaster sandbox --help"],
    ["sandbox up --yes", "sandbox has no option --yes", "see remaster sandbox --help"],
  ])("%s", (line, message, hint) => {
    expect(usageOf(line, chooser)).toEqual({ message, hint });
  });
});
