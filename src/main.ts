// The process edge: argv in, exit status out, signals become an AbortSignal. The only file that knows any of them.
// `--version` is answered here, with nothing imported beyond the runtime; everything else waits behind import().

import { isatty } from "node:tty";
import type { Edge } from "./cli/run.ts";
import { readVersion } from "./cli/version.ts";

const argv = process.argv.slice(2);
const only = argv.length === 1 ? argv[0] : undefined;
if (only === "--version" || only === "-V") process.stdout.write(`${readVersion()}\n`);
else await run();

async function run(): Promise<void> {
  const { interrupted, newRunState, runProgram, stoppedAtOnce, unwritable } = await import(
    "./cli/run.ts"
  );
  const { bugLines } = await import("./cli/bug.ts");
  const { ProcessOutput } = await import("./cli/process-output.ts");
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
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!interrupt.signal.aborted) {
      interrupt.abort(interrupted(signal));
      return;
    }
    const stopped = stoppedAtOnce(edge.state);
    stderr.write(stopped.stderr);
    stdout.write(stopped.stdout);
    process.exit(stopped.exitCode);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("uncaughtException", (error) => {
    stderr.write(bugLines(error, argv));
    process.exit(70);
  });

  const exitCode = await runProgram(argv, edge);
  await stdout.flush();
  await stderr.flush();
  if (stdout.failure === null) process.exit(exitCode);
  const lost = unwritable(stdout.failure, exitCode, edge.state);
  stderr.write(lost.stderr);
  process.exit(lost.exitCode);
}
