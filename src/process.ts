// The process edge: argv in, exit status out, signals become an AbortSignal. The only file that knows any of them.

import { isatty } from "node:tty";
import {
  answerSignal,
  crashed,
  type Ending,
  interrupted,
  newRunState,
  stoppedAtOnce,
  unwritable,
} from "./cli/ending.ts";
import { ProcessOutput } from "./cli/process-output.ts";
import { type Edge, runProgram } from "./cli/run.ts";

export async function runProcess(argv: readonly string[]): Promise<void> {
  const interrupt = new AbortController();
  const stdout = new ProcessOutput(process.stdout, 1);
  const stderr = new ProcessOutput(process.stderr, 2);
  const edge: Edge = {
    env: process.env,
    stdinIsTTY: isatty(0),
    stdin: () => process.stdin,
    stdout,
    stderr,
    interrupt: interrupt.signal,
    state: newRunState(),
    now: Date.now,
  };
  const endAtOnce = (ending: Ending): never => {
    stderr.write(ending.stderr);
    stdout.write(ending.stdout);
    process.exit(ending.exitCode);
  };
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (edge.state.passOn !== null) {
      edge.state.passOn(signal);
      return;
    }
    signals += 1;
    const answer = answerSignal(signals, signal, edge.state);
    if (answer.kind === "at-once") return endAtOnce(stoppedAtOnce(edge.state));
    if (answer.line !== null) edge.state.say?.(answer.line);
    if (answer.kind === "stop") interrupt.abort(interrupted(signal));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  process.on("uncaughtException", (error) => endAtOnce(crashed(edge.state, error, argv)));

  const exitCode = await runProgram(argv, edge);
  await stdout.flush();
  await stderr.flush();
  if (stdout.failure === null) process.exit(exitCode);
  const lost = unwritable(stdout.failure, exitCode, edge.state);
  stderr.write(lost.stderr);
  process.exit(lost.exitCode);
}
