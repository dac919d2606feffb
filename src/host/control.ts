// Starts and stops one server on its machine: by the user's own commands (exit 0 means "it is so"), or by pg_ctl run
// here as the owner of the data directory. By pg_ctl, stopped means that no process works in the data directory any
// more; a server that does not stop in its time is ended, because whoever asks needs to know that it is gone, unless a
// clean stop or none was asked for.
// Server output goes to remaster-start.log in the data directory: pg_ctl without -l would leave it to a broken pipe.

import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type CommandResult, runCommand } from "./command.ts";
import { ControlError, lastWords } from "./control-error.ts";
import {
  clearLockOfZombie,
  type DataDirectory,
  type Liveness,
  livenessOf,
  openDataDirectory,
  pidFile,
  pidFileStatus,
} from "./data-directory.ts";
import { type DataFiles, dataFiles } from "./data-files.ts";
import { killProcessesIn, signalProcess, someLive } from "./processes.ts";
import { type Rewind, rewind } from "./rewind.ts";
import { type SlotFiles, slotFiles } from "./slot-files.ts";
import { type StandbySignal, standbySignal } from "./standby-signal.ts";
import { type WalFolder, walFolder } from "./wal-folder.ts";

/** How to start and stop a server, as the topology file says it. */
export interface ControlWish {
  readonly start: string | null;
  readonly stop: string | null;
  readonly pgCtl: { readonly bindir: string; readonly data: string } | null;
}

export interface TimeLimit {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** `clean`: by a shutdown checkpoint or not at all. `certain`: whatever it takes, SIGKILL in the end. */
export type StopWish = "clean" | "certain";

export interface StopLimit extends TimeLimit {
  readonly how?: StopWish;
  /** Told when the server is about to be asked. */
  readonly onRequest?: () => void;
}

/** Every function throws ControlError where its goal is not reached. */
export interface ServerControl {
  start(limit: TimeLimit): Promise<void>;
  /** `certain` unless told otherwise; the user's own command decides by itself how it stops. */
  stop(limit: StopLimit): Promise<void>;
  /** As what its server runs by its own word; null where it does not, or is on its way, or where nobody here can tell. */
  runsAs(): Promise<"primary" | "standby" | null>;
  /** No process works in the data directory. False where only the user's own command could tell. */
  isStopped(): Promise<boolean>;
  /** Null without pg_ctl, which alone says where the data directory is. */
  readonly wal: WalFolder | null;
  readonly standbySignal: StandbySignal | null;
  readonly files: DataFiles | null;
  readonly rewind: Rewind | null;
  readonly slotFiles: SlotFiles | null;
}

/** Null where the topology file gives no way at all. */
export function createControl(wish: ControlWish): ServerControl | null {
  const { start, stop, pgCtl } = wish;
  if (start === null && stop === null && pgCtl === null) return null;
  return {
    start: async (limit) => {
      if (start !== null) return runShell("control.start", start, limit);
      if (pgCtl === null) throw new ControlError("the topology file gives no control.start");
      return startByPgCtl(pgCtl, limit);
    },
    stop: async (limit) => {
      if (stop !== null) {
        limit.onRequest?.();
        return runShell("control.stop", stop, limit);
      }
      if (pgCtl === null) throw new ControlError("the topology file gives no control.stop");
      return stopByPgCtl(pgCtl, limit);
    },
    runsAs: async () => {
      if (pgCtl === null) return null;
      const status = await pidFileStatus((await openDataDirectory(pgCtl.data)).path);
      if (status === "standby") return "standby";
      return status === "ready" ? "primary" : null;
    },
    isStopped: async () => {
      if (stop !== null || pgCtl === null) return false;
      return (await livenessOf(await openDataDirectory(pgCtl.data))).processes.length === 0;
    },
    wal: pgCtl === null ? null : walFolder(pgCtl.data),
    standbySignal: pgCtl === null ? null : standbySignal(pgCtl.data),
    files: pgCtl === null ? null : dataFiles(pgCtl),
    rewind: pgCtl === null ? null : rewind(pgCtl),
    slotFiles: pgCtl === null ? null : slotFiles(pgCtl.data),
  };
}

async function runShell(name: string, command: string, limit: TimeLimit): Promise<void> {
  const result = await runCommand({
    file: "/bin/sh",
    args: ["-c", command],
    deadlineMs: limit.timeoutMs,
    ...(limit.signal === undefined ? {} : { signal: limit.signal }),
  });
  checkResult(name, result);
}

function checkResult(name: string, result: CommandResult): void {
  if (result.exitCode === 0) return;
  const words = lastWords(result.output);
  throw new ControlError(`${name} ${howItEnded(result)}${words === "" ? "" : `: ${words}`}`);
}

/** Completes "the command ...": `failed with status 3`. */
export function howItEnded(result: CommandResult): string {
  if (result.spawnError !== null) return `could not be run (${lastWords(result.spawnError)})`;
  if (result.aborted) return "was interrupted, and ended with all its processes";
  if (result.timedOut) {
    return `had not ended after ${Math.round(result.ms)} ms, and was ended with all its processes`;
  }
  return result.exitCode === null
    ? "was ended by a signal"
    : `failed with status ${result.exitCode}`;
}

type PgCtl = NonNullable<ControlWish["pgCtl"]>;

async function startByPgCtl(pgCtl: PgCtl, limit: TimeLimit): Promise<void> {
  const directory = await openDataDirectory(pgCtl.data);
  const { postmaster } = await livenessOf(directory);
  if (postmaster !== null) return untilLetIn(directory, limit);
  await access(join(directory.path, "postgresql.conf")).catch(() => {
    throw new ControlError(
      `${pgCtl.data} holds no postgresql.conf, so pg_ctl cannot start it; use control.start with your system's command`,
    );
  });
  await clearLockOfZombie(directory.path);
  const log = join(directory.path, "remaster-start.log");
  const before = (await readFile(log, "utf8").catch(() => "")).length;
  const result = await runPgCtl(pgCtl, directory, { args: ["-l", log, "start"], limit });
  // For a standby that was shut down cleanly and does not come up, pg_ctl 18 answers 0: it takes that for the end of a
  // recovery which was to shut down at its target.
  const runs = result.exitCode === 0 && (await livenessOf(directory)).postmaster !== null;
  if (runs) return;
  const said = (await readFile(log, "utf8").catch(() => "")).slice(before);
  const output = said.trim() === "" ? result.output : said;
  checkResult("pg_ctl start", { ...result, exitCode: result.exitCode || 1, output });
}

/** A server that runs already may still be on its way up. */
async function untilLetIn(directory: DataDirectory, limit: TimeLimit): Promise<void> {
  const until = performance.now() + limit.timeoutMs;
  for (;;) {
    const status = await pidFileStatus(directory.path);
    if (status === "ready" || status === "standby") return;
    if (limit.signal?.aborted === true || performance.now() > until) {
      throw new ControlError(`the server in ${directory.path} is still ${status ?? "not there"}`);
    }
    await delay(10);
  }
}

async function stopByPgCtl(pgCtl: PgCtl, limit: StopLimit): Promise<void> {
  const started = performance.now();
  const directory = await openDataDirectory(pgCtl.data);
  const left = () => Math.max(1, limit.timeoutMs - (performance.now() - started));
  const living = await livenessOf(directory);
  const { postmaster, processes } = living;
  if (processes.length === 0) return;
  if (limit.how === "clean") {
    return stopCleanly(directory, living, { ...limit, timeoutMs: left() });
  }
  // A process that is frozen obeys no request to stop.
  if (postmaster !== null && !postmaster.stopped) {
    const asked = await runPgCtl(pgCtl, directory, {
      args: ["-m", "fast", "stop"],
      limit: { ...limit, timeoutMs: left() / 2 },
    });
    if (asked.aborted) checkResult("pg_ctl stop", asked);
    if (asked.exitCode === 0 && (await livenessOf(directory)).processes.length === 0) return;
  }
  await killProcessesIn(directory.path, left()).catch((error: unknown) => {
    throw new ControlError(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  });
}

/** What `pg_ctl -m fast stop` does, without a program to start for it and without a look every 100 ms only: writes have stopped
 * from the signal on. A postmaster that ends in order has waited for its children, and takes its pid file away last
 * (13 to 18); behind one that does not, every process of the machine is looked at. */
async function stopCleanly(
  directory: DataDirectory,
  { postmaster, processes }: Liveness,
  limit: StopLimit,
): Promise<void> {
  if (postmaster?.stopped === true) {
    throw new ControlError(
      `the server in ${directory.path} is frozen and cannot be stopped cleanly`,
    );
  }
  limit.onRequest?.();
  if (postmaster !== null) signalProcess(postmaster.pid, "SIGINT");
  const until = performance.now() + limit.timeoutMs;
  const pids = processes.map(({ pid }) => pid);
  const remain = async (): Promise<boolean> =>
    (await someLive(pids)) ||
    ((await pidFile(directory.path)).length > 0 &&
      (await livenessOf(directory)).processes.length > 0);
  while (await remain()) {
    if (performance.now() > until || limit.signal?.aborted === true) {
      throw new ControlError(`processes still work in ${directory.path}`);
    }
    await delay(5);
  }
}

async function runPgCtl(
  pgCtl: PgCtl,
  directory: DataDirectory,
  request: { readonly args: readonly string[]; readonly limit: TimeLimit },
): Promise<CommandResult> {
  const { limit } = request;
  const seconds = Math.max(1, Math.ceil(limit.timeoutMs / 1000));
  return runCommand({
    file: join(pgCtl.bindir, "pg_ctl"),
    args: ["-D", directory.path, "-w", "-t", String(seconds), ...request.args],
    account: directory.account,
    cwd: directory.path,
    environment: withoutPg(),
    deadlineMs: limit.timeoutMs,
    ...(limit.signal === undefined ? {} : { signal: limit.signal }),
  });
}

/** Our environment without PGPORT, PGDATA and the like, which would speak to the server. */
function withoutPg(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith("PG")) environment[name] = value;
  }
  return environment;
}
