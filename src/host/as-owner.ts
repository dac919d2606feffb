// Programs that work on the files of a data directory, run as their owner.

import { type CommandResult, runCommand } from "./command.ts";
import { ControlError, lastWords } from "./control-error.ts";
import type { DataDirectory } from "./data-directory.ts";

const usualMs = 30_000;

export interface OwnersProgram {
  readonly file: string;
  readonly args: readonly string[];
  /** Written to its standard input. */
  readonly input?: string;
  /** Beside PATH and the language. */
  readonly environment?: Readonly<Record<string, string>>;
  /** 30 seconds when not given. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** Runs it to its end; what came of it is in the result. */
export function runProgram(
  directory: DataDirectory,
  { environment, deadlineMs, ...program }: OwnersProgram,
): Promise<CommandResult> {
  return runCommand({
    ...program,
    account: directory.account,
    cwd: directory.path,
    environment: { PATH: process.env["PATH"] ?? "", LC_ALL: "C", ...environment },
    deadlineMs: deadlineMs ?? usualMs,
  });
}

/** Throws ControlError where it fails. */
export async function runAsOwner(
  directory: DataDirectory,
  file: string,
  args: readonly string[],
): Promise<CommandResult> {
  return mustSucceed(file, await runProgram(directory, { file, args }));
}

/** Throws ControlError unless it ended with 0. */
export function mustSucceed(name: string, result: CommandResult): CommandResult {
  if (result.exitCode === 0) return result;
  const words = lastWords(result.spawnError ?? result.output);
  throw new ControlError(`${name} failed: ${result.timedOut ? "its time was up; " : ""}${words}`);
}
