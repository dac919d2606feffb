// Programs that work on the files of a data directory, run as their owner.

import { type CommandResult, runCommand } from "./command.ts";
import { ControlError, lastWords } from "./control-error.ts";
import type { DataDirectory } from "./data-directory.ts";

const deadlineMs = 30_000;

/** Throws ControlError where it fails. */
export async function runAsOwner(
  directory: DataDirectory,
  file: string,
  args: readonly string[],
): Promise<CommandResult> {
  const result = await runCommand({
    file,
    args,
    account: directory.account,
    cwd: directory.path,
    environment: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
    deadlineMs,
  });
  if (result.exitCode === 0) return result;
  throw new ControlError(`${file} failed: ${lastWords(result.spawnError ?? result.output)}`);
}
