// Runs one command on this machine under a deadline, as ourselves or as another user, and keeps the end of its output.
// It refuses to wait for what a command left behind: a server started by pg_ctl keeps the command's pipes open for as
// long as it lives, so the end is the exit of the command itself. A command that hangs is ended with its whole
// process group (children of /bin/sh included). No secret is ever put into argv or environment here.

import { setTimeout as delay } from "node:timers/promises";

/** A user of this machine that a command runs as; only root may name another than itself. */
export interface Account {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface CommandRequest {
  /** The program and its arguments; a shell command is `/bin/sh`, `-c`, text. */
  readonly file: string;
  readonly args: readonly string[];
  /** Null: as ourselves. */
  readonly account?: Account | null;
  readonly cwd?: string;
  /** The whole environment; ours when absent. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Written to its standard input, which is then closed. */
  readonly input?: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  /** Null when it was ended by a signal, or never started. */
  readonly exitCode: number | null;
  /** The last part of standard output and standard error, as they came. */
  readonly output: string;
  readonly stdout: string;
  readonly timedOut: boolean;
  readonly aborted: boolean;
  /** Why it could not be started at all: ENOENT, EACCES and the like. */
  readonly spawnError: string | null;
  readonly ms: number;
}

/** Of a longer output the beginning is lost. */
export const keptCharacters = 65_536;
const drainMs = 100;
const graceMs = 1_000;

/** Runs a command to its end, or ends it. Never throws: what happened is in the result. */
export async function runCommand(request: CommandRequest): Promise<CommandResult> {
  const started = performance.now();
  const result = (rest: Partial<CommandResult>): CommandResult => ({
    exitCode: null,
    output: "",
    stdout: "",
    timedOut: false,
    aborted: false,
    spawnError: null,
    ...rest,
    ms: performance.now() - started,
  });
  if (request.signal?.aborted === true) return result({ aborted: true });

  const { execa } = await import("execa");
  const child = execa(request.file, request.args, {
    reject: false,
    buffer: false,
    detached: true,
    cleanup: false,
    stdin: request.input === undefined ? "ignore" : "pipe",
    stdout: "pipe",
    stderr: "pipe",
    ...(request.input === undefined ? {} : { input: request.input }),
    ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
    ...(request.account ? { uid: request.account.uid, gid: request.account.gid } : {}),
    ...(request.environment === undefined
      ? {}
      : { env: { ...request.environment }, extendEnv: false }),
  });
  const output = keepOutput(child.stdout, child.stderr);
  const settled = Promise.resolve(child).then(
    (end) => ({ code: end.exitCode ?? null, error: end.code ?? null }),
    (error: unknown) => ({ code: null, error: error instanceof Error ? error.message : "unknown" }),
  );
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      resolve();
    });
    child.once("error", () => {
      resolve();
    });
  });
  const reason = await firstOf(exited, request);
  if (reason !== "exit") await endGroup(child.pid, exited);
  // What it left behind may hold the pipes open; take what has arrived and let go of them.
  await Promise.race([settled, delay(drainMs)]);
  child.stdout.destroy();
  child.stderr.destroy();
  const end = await settled;
  return result({
    exitCode: reason === "exit" ? (child.exitCode ?? end.code) : null,
    output: output.all(),
    stdout: output.stdout(),
    timedOut: reason === "deadline",
    aborted: reason === "abort",
    spawnError: child.pid === undefined ? (end.error ?? "it could not be started") : null,
  });
}

type Readable = NodeJS.ReadableStream & { destroy(): void };

function keepOutput(stdout: Readable, stderr: Readable) {
  let all = "";
  let out = "";
  const keep = (text: string) => {
    all = (all + text).slice(-keptCharacters);
  };
  stdout.on("data", (chunk: Buffer) => {
    keep(chunk.toString("utf8"));
    out = (out + chunk.toString("utf8")).slice(-keptCharacters);
  });
  stderr.on("data", (chunk: Buffer) => {
    keep(chunk.toString("utf8"));
  });
  const ignoreBrokenPipe = () => undefined;
  stdout.on("error", ignoreBrokenPipe);
  stderr.on("error", ignoreBrokenPipe);
  return { all: () => all, stdout: () => out };
}

async function firstOf(
  exited: Promise<void>,
  request: CommandRequest,
): Promise<"exit" | "deadline" | "abort"> {
  const timer = new AbortController();
  const { signal } = request;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<"abort">((resolve) => {
    onAbort = () => {
      resolve("abort");
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  const deadline = delay(request.deadlineMs, "deadline" as const, { signal: timer.signal }).catch(
    () => "deadline" as const,
  );
  try {
    return await Promise.race([exited.then(() => "exit" as const), deadline, aborted]);
  } finally {
    timer.abort();
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
  }
}

async function endGroup(pid: number | undefined, exited: Promise<void>): Promise<void> {
  if (pid === undefined) return;
  signalGroup(pid, "SIGTERM");
  const grace = new AbortController();
  await Promise.race([
    exited,
    delay(graceMs, undefined, { signal: grace.signal }).catch(() => undefined),
  ]);
  grace.abort();
  signalGroup(pid, "SIGKILL");
  await exited;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // The group has ended by itself in between: nothing to end.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
