// One invocation from words to an exit status: parse, make the context, run the verb, print its report. Knows no process:
// streams, environment and the interrupt come in as an Edge, so that all of it runs in tests.

import type { Context } from "../commands/context.ts";
import type { Input, VerbDefinition } from "../commands/define.ts";
import { exitTable, RemasterError, UsageError } from "../errors.ts";
import type { Report } from "../plan/report.ts";
import type { RunState } from "./ending.ts";
import type { GlobalOptions } from "./program.ts";
import type { Typed } from "./typed.ts";
import { splitWords, type Words } from "./words.ts";

/** A stream as the program sees it. */
export interface Output {
  readonly isTTY: boolean;
  /** Infinite where nobody's screen folds the lines: programs like them whole. */
  readonly columns: number;
  readonly stream: NodeJS.WritableStream;
  write(text: string): void;
}

/** The process, handed in by main. */
export interface Edge {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdinIsTTY: boolean;
  /** Opened with the first question. */
  stdin(): NodeJS.ReadableStream;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted by the first SIGINT or SIGTERM; its reason is a DeclinedError. */
  readonly interrupt: AbortSignal;
  readonly state: RunState;
  now(): number;
}

/** Runs a command line (without node and script) to its exit status. Throws only what is a bug before a verb is known. */
export async function runProgram(argv: readonly string[], edge: Edge): Promise<number> {
  try {
    const words = splitWords(argv);
    if (words.version) return await printVersion(edge);
    if (words.help || words.verb === "help" || words.verb === null)
      return await printHelp(words, edge);
    return await runVerb(words.verb, words, edge);
  } catch (error) {
    if (error instanceof UsageError) return await usage(error, edge);
    throw error;
  }
}

async function printVersion(edge: Edge): Promise<number> {
  const { readVersion } = await import("./version.ts");
  edge.stdout.write(`${readVersion()}\n`);
  return exitTable.done;
}

async function printHelp(words: Words, edge: Edge): Promise<number> {
  const topic =
    words.verb === "help" ? (words.rest.find((word) => !word.startsWith("-")) ?? null) : words.verb;
  const { renderProgramHelp, renderVerbHelp } = await import("./help.ts");
  if (topic !== null) {
    edge.stdout.write(`${renderVerbHelp(await loadVerb(topic, words))}\n`);
    return exitTable.done;
  }
  const { loadVerbs } = await import("./verbs.ts");
  const text = `${renderProgramHelp(await loadVerbs())}\n`;
  if (words.help || words.verb === "help") {
    edge.stdout.write(text);
    return exitTable.done;
  }
  if (words.strayOption !== null) {
    const { strayOptionError } = await import("./verbs.ts");
    throw await strayOptionError(words.strayOption);
  }
  if (words.rest.length > 0) throw new UsageError("no verb given", "see remaster --help");
  edge.stderr.write(text);
  return exitTable.usage;
}

async function loadVerb(name: string, words: Words): Promise<VerbDefinition> {
  const { findVerb } = await import("./verbs.ts");
  return findVerb(name, words.strayOption);
}

async function runVerb(name: string, words: Words, edge: Edge): Promise<number> {
  const definition = await loadVerb(name, words);
  const { parseInvocation } = await import("./program.ts");
  const { input, options } = parseInvocation(definition, words.rest);
  edge.state.verb = name;
  edge.state.json = options.json;
  const typed = await typedWords(definition, input);
  if (definition.changes) edge.state.next = [typed.again, typed.command("undo")];
  const { createContext } = await import("./context.ts");
  const { context, conclude, close } = createContext({
    options,
    typed,
    argv: [name, ...words.rest],
    locksFor: definition.changes || definition.locks === true ? name : null,
    edge,
  });
  try {
    const report = await runDefinition(definition, input, context).catch((error: unknown) =>
      reportOf(error, { definition, context, words, edge }),
    );
    conclude(report);
    await printReport(report, options, edge);
    return report.exitStatus ?? exitTable[report.outcome];
  } finally {
    await close();
  }
}

async function typedWords(definition: VerbDefinition, input: Input): Promise<Typed> {
  const { typedOf } = await import("./typed.ts");
  const { optionsOf } = await import("./options.ts");
  return typedOf({ ...definition, options: optionsOf(definition) }, input);
}

/** A run that throws before its first await fails like one that rejects. */
async function runDefinition(
  definition: VerbDefinition,
  input: Input,
  context: Context,
): Promise<Report> {
  return definition.run(input, context);
}

interface Failure {
  readonly definition: VerbDefinition;
  readonly context: Context;
  readonly words: Words;
  readonly edge: Edge;
}

/** What stopped a verb from reporting, as a report. Usage errors that only the verb could see go on as they are. */
async function reportOf(thrown: unknown, failure: Failure): Promise<Report> {
  const { definition, context } = failure;
  const { signal, typed } = context;
  const { name: command, changes } = definition;
  const { bugReport, causeOf, errorReport } = await import("./failure.ts");
  const error = causeOf(thrown, signal);
  if (error instanceof UsageError) throw error;
  if (error instanceof RemasterError) {
    const report = errorReport(command, error);
    return changes && signal.aborted ? { ...report, next: [typed.again] } : report;
  }
  const { bugLines, hideSecrets } = await import("./bug.ts");
  failure.edge.stderr.write(bugLines(error, [command, ...failure.words.rest]));
  return bugReport(command, hideSecrets(error instanceof Error ? error.message : String(error)));
}

async function printReport(report: Report, options: GlobalOptions, edge: Edge): Promise<void> {
  const { renderOutput } = await import("../ui/output.ts");
  const { stdout, stderr } = await renderOutput(report, {
    json: options.json,
    quiet: options.quiet,
    verbose: options.verbose,
    stdout: await lookOf(edge.stdout, options, edge),
    stderr: await lookOf(edge.stderr, options, edge),
  });
  // What must not be missed stands last where both lead to one screen.
  if (stdout !== "") edge.stdout.write(stdout);
  if (stderr !== "") edge.stderr.write(stderr);
}

async function lookOf(output: Output, options: GlobalOptions, edge: Edge) {
  const { lookFor } = await import("../ui/look.ts");
  return lookFor({
    env: edge.env,
    isTTY: output.isTTY,
    columns: output.columns,
    colour: options.colour,
  });
}

/** What was typed is quoted, and may be a connection string in the wrong place. */
async function usage(error: UsageError, edge: Edge): Promise<number> {
  const { hideSecrets } = await import("./bug.ts");
  edge.stderr.write(`remaster: ${hideSecrets(error.message)}\n`);
  if (error.hint !== undefined) edge.stderr.write(`hint: ${hideSecrets(error.hint)}\n`);
  return exitTable.usage;
}
