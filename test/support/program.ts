// The program as it is installed: the real entry point in a process of its own, both streams and the exit status.
// `npm test` builds it beforehand.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./repository.ts";

export const entryPoint = join(repository, "bin", "remaster.js");

export interface ProgramOptions {
  /** Beside PATH and HOME; nothing else of our own environment is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly nodeArguments?: readonly string[];
  /** Gives the command line that runs this one somewhere else. */
  readonly elsewhere?: (...command: readonly string[]) => readonly [string, ...string[]];
  /** Told at once. */
  readonly onStart?: (child: ReturnType<typeof spawn>) => void;
  /** Told every chunk of stdout as it comes. */
  readonly onOutput?: (child: ReturnType<typeof spawn>, stdout: string) => void;
  /** Told what stderr holds so far, at every chunk. */
  readonly onTalk?: (child: ReturnType<typeof spawn>, stderr: string) => void;
}

export interface ProgramResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `remaster` with these words to its end. */
export async function remaster(
  words: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  if (!existsSync(join(repository, "dist", "main.js"))) {
    throw new Error("dist/ is missing: npm run build");
  }
  const command = [
    process.execPath,
    ...(options.nodeArguments ?? []),
    entryPoint,
    ...words,
  ] as const;
  const [program, ...rest] = options.elsewhere?.(...command) ?? command;
  const child = spawn(program, rest, {
    cwd: options.cwd ?? "/",
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  options.onStart?.(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    options.onOutput?.(child, stdout);
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
    options.onTalk?.(child, stderr);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      resolve({ status, signal, stdout, stderr });
    });
  });
}
