// Runs the user's command that gives a pooler the address of the new primary. What it needs to know stands in REMASTER_*
// variables; exit status 0 means that it is so.

import { runCommand } from "./command.ts";
import { lastWords, withoutSecrets } from "./control-error.ts";

/** Null where it succeeded, else why not: one line. Never throws. */
export async function reconfigure(
  command: string,
  facts: Readonly<Record<string, string>>,
  limit: {
    readonly timeoutMs: number;
    readonly signal?: AbortSignal;
    /** Passwords that must not come up in what is told. */
    readonly secrets: readonly string[];
  },
): Promise<string | null> {
  const result = await runCommand({
    file: "/bin/sh",
    args: ["-c", command],
    environment: { ...ownEnvironment(), ...facts },
    deadlineMs: limit.timeoutMs,
    ...(limit.signal === undefined ? {} : { signal: limit.signal }),
  });
  if (result.exitCode === 0) return null;
  const words = lastWords(withoutSecrets(result.output, limit.secrets));
  return `reconfigure ${howItEnded(result)}${words === "" ? "" : `: ${words}`}`;
}

function howItEnded(result: Awaited<ReturnType<typeof runCommand>>): string {
  if (result.spawnError !== null) return `could not be run (${lastWords(result.spawnError)})`;
  if (result.aborted) return "was interrupted";
  if (result.timedOut) return `had not ended after ${Math.round(result.ms)} ms, and was ended`;
  return result.exitCode === null
    ? "was ended by a signal"
    : `failed with status ${result.exitCode}`;
}

function ownEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>;
}
