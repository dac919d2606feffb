// remaster in this process: no start-up, and nothing that was compiled is compiled again. For what is run a thousand times, or
// timed; whether a process of its own ends as it should is for others to see.

import { PassThrough } from "node:stream";
import { newRunState } from "../../src/cli/ending.ts";
import { type Edge, type Output, runProgram } from "../../src/cli/run.ts";
import type { ProgramResult } from "./program.ts";

function collecting(): { readonly output: Output; text(): string } {
  let text = "";
  const output: Output = {
    isTTY: false,
    columns: Number.POSITIVE_INFINITY,
    stream: new PassThrough().resume(),
    write: (more) => {
      text += more;
    },
  };
  return { output, text: () => text };
}

/** Runs `remaster` with these words to its end, with the environment of this process and this one beside it. */
export async function remasterHere(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ProgramResult> {
  const stdout = collecting();
  const stderr = collecting();
  const edge: Edge = {
    env: { ...process.env, ...env },
    stdinIsTTY: false,
    stdin: () => new PassThrough(),
    stdout: stdout.output,
    stderr: stderr.output,
    interrupt: new AbortController().signal,
    state: newRunState(),
    now: Date.now,
  };
  const status = await runProgram(words, edge);
  return { status, signal: null, stdout: stdout.text(), stderr: stderr.text() };
}
