// Runs one hook of the operator's: a shell command under a limit, with facts in its environment beside what is ours, ended
// with its process group where it hangs. Its output is kept, without what looks like a password or is known to be one.

import { runCommand } from "./command.ts";
import { howItEnded } from "./control.ts";
import { lastWords, withoutSecrets } from "./control-error.ts";

export interface HookRequest {
  readonly command: string;
  /** Variables of its environment, over ours. */
  readonly facts: Readonly<Record<string, string>>;
  /** Passwords that must not come up in what is kept. */
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface HookEnd {
  /** How it ended, where that was not with 0, and its last words: `failed with status 3: not now`. */
  readonly failure: string | null;
  /** The end of what it wrote to both outputs. */
  readonly output: string;
}

/** Never throws for the command's sake. */
export async function runHook(request: HookRequest): Promise<HookEnd> {
  const { command, facts, timeoutMs, signal } = request;
  const result = await runCommand({
    file: "/bin/sh",
    args: ["-c", command],
    environment: { ...ourEnvironment(), ...facts },
    deadlineMs: timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  const output = withoutSecrets(result.output, request.secrets);
  if (result.exitCode === 0) return { failure: null, output };
  const words = lastWords(output);
  return { failure: `${howItEnded(result)}${words === "" ? "" : `: ${words}`}`, output };
}

function ourEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (each): each is [string, string] => each[1] !== undefined,
  );
  return Object.fromEntries(entries);
}
