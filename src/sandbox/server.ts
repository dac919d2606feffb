// One throw-away server: start, stop, kill, freeze and thaw its processes. It starts `postgres` itself, detached, so
// that servers outlive the command that started them, and needs no connection for any of this: readiness stands in
// the last line of postmaster.pid (`ready` or `standby`, 10 and later), stop modes are signals to the postmaster.

import { spawn } from "node:child_process";
import { open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Account, runCommand } from "../host/command.ts";
import { clearLockOfZombie, pidFile, pidFileStatus } from "../host/data-directory.ts";
import {
  killProcessesIn,
  type ProcessEntry,
  processesIn,
  signalProcess,
} from "../host/processes.ts";
import { serverEnvironment } from "./account.ts";

/** What is needed to handle a server from outside. */
export interface Server {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  /** Where the server writes its log. */
  readonly logFile: string;
  readonly bindir: string;
  /** Null: the servers run as ourselves. */
  readonly account: Account | null;
}

export type StopMode = "smart" | "fast" | "immediate";

/** `down`: no process. `starting`: not let in yet, crash recovery included. `frozen`: stopped by a signal. */
export type ServerState = "up" | "starting" | "frozen" | "down";

const stopSignals = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;
const pollMs = 5;

/** The server could not start because somebody else listens on its port. */
export class PortTaken extends Error {
  override readonly name = "PortTaken";
}

/** Starts the server unless it runs, and waits until it lets sessions in. */
export async function startServer(
  server: Server,
  limit: { readonly deadlineMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const patience = { deadlineMs: limit.deadlineMs ?? 60_000, signal: limit.signal };
  if ((await postmasterPid(server)) !== null) return untilReady(server, patience, () => null);
  await clearLockOfZombie(server.dataDir);
  const startLog = join(dirname(server.logFile), `${server.name}.start.log`);
  const output = await open(startLog, "w", 0o644);
  let failure: string | null = null;
  try {
    const child = spawn(join(server.bindir, "postgres"), ["-D", server.dataDir], {
      cwd: dirname(server.dataDir),
      detached: true,
      stdio: ["ignore", output.fd, output.fd],
      env: serverEnvironment(server.account),
      ...(server.account === null ? {} : { uid: server.account.uid, gid: server.account.gid }),
    });
    child.once("error", (error) => {
      failure = error.message;
    });
    child.once("exit", (code, signal) => {
      failure = `it ended at once (${signal ?? `status ${code ?? "unknown"}`})`;
    });
    child.unref();
  } finally {
    await output.close();
  }
  try {
    await untilReady(server, patience, () => failure);
  } catch (error) {
    const log = await tail(startLog);
    if (/could not bind|Address already in use/.test(log)) {
      throw new PortTaken(`port ${server.port} is taken`, { cause: error });
    }
    throw new Error(
      `${server.name} did not start: ${String(error)}\n${log}\n${await serverLog(server)}`,
      {
        cause: error,
      },
    );
  }
}

async function untilReady(
  server: Server,
  limit: { readonly deadlineMs: number; readonly signal: AbortSignal | undefined },
  failure: () => string | null,
): Promise<void> {
  const { deadlineMs } = limit;
  const until = performance.now() + deadlineMs;
  for (;;) {
    const status = await pidFileStatus(server.dataDir);
    if (status === "ready" || status === "standby") return;
    const reason = failure();
    if (reason !== null) throw new Error(reason);
    limit.signal?.throwIfAborted();
    if (performance.now() > until) throw new Error(`not ready after ${deadlineMs} ms`);
    await delay(pollMs);
  }
}

/** Stops the server as pg_ctl does, and waits until its last process has gone. */
export async function stopServer(
  server: Server,
  mode: StopMode = "fast",
  deadlineMs = 60_000,
): Promise<void> {
  const pid = await postmasterPid(server);
  if (pid === null) return;
  signalProcess(pid, stopSignals[mode]);
  const until = performance.now() + deadlineMs;
  while ((await processesIn(server.dataDir)).length > 0) {
    if (performance.now() > until) {
      throw new Error(`${server.name} did not stop (${mode}) within ${deadlineMs} ms`);
    }
    await delay(pollMs);
  }
}

/** SIGKILL to every process of the server, as a machine that loses power would end it; all of them are gone afterwards. */
export async function killServer(server: Server): Promise<void> {
  await killProcessesIn(server.dataDir, 10_000);
}

/** SIGSTOP to every process of the server, and sees them stopped: connections stay open and nothing answers. */
export async function freezeServer(server: Server): Promise<void> {
  // The postmaster first, so that it starts no child meanwhile.
  const pid = await postmasterPid(server);
  if (pid !== null) signalProcess(pid, "SIGSTOP");
  await untilEvery(server, { signal: "SIGSTOP", holds: (entry) => entry.stopped });
}

/** SIGCONT to every process of the server, and sees them go on. */
export async function thawServer(server: Server): Promise<void> {
  await untilEvery(server, { signal: "SIGCONT", holds: (entry) => !entry.stopped });
}

const signalDeadlineMs = 10_000;

/** A signal takes effect when its process next runs: sent to whom it does not hold of, until it holds of all. */
async function untilEvery(
  server: Server,
  wish: {
    readonly signal: "SIGSTOP" | "SIGCONT";
    readonly holds: (entry: ProcessEntry) => boolean;
  },
): Promise<void> {
  const until = performance.now() + signalDeadlineMs;
  for (;;) {
    const others = (await processesIn(server.dataDir)).filter((entry) => !wish.holds(entry));
    if (others.length === 0) return;
    for (const { pid } of others) signalProcess(pid, wish.signal);
    if (performance.now() > until) {
      throw new Error(`${wish.signal} has no effect on all processes of ${server.name}`);
    }
    await delay(2);
  }
}

/** Makes a running server read its configuration files again; false when it does not run. */
export async function reloadServer(server: Server): Promise<boolean> {
  const pid = await postmasterPid(server);
  return pid !== null && signalProcess(pid, "SIGHUP");
}

export async function serverState(server: Server): Promise<ServerState> {
  const postmaster = await postmasterOf(server);
  if (postmaster === null) return "down";
  if (postmaster.stopped) return "frozen";
  const status = await pidFileStatus(server.dataDir);
  return status === "ready" || status === "standby" ? "up" : "starting";
}

/** The postmaster's process id; null when the server does not run. */
export async function postmasterPid(server: Server): Promise<number | null> {
  return (await postmasterOf(server))?.pid ?? null;
}

async function postmasterOf(server: Server): Promise<ProcessEntry | null> {
  const pid = Number((await pidFile(server.dataDir))[0]);
  return (await processesIn(server.dataDir)).find((entry) => entry.pid === pid) ?? null;
}

/** What a dead server left in the machine: the small System V segment that its pid file names (line 7: key, id). */
export async function releaseSharedMemory(server: Server): Promise<void> {
  if ((await postmasterPid(server)) !== null) return;
  const id = (await pidFile(server.dataDir))[6]?.trim().split(/\s+/)[1];
  if (id === undefined || !/^\d+$/.test(id)) return;
  // Refused or already gone is the same to us: it is 56 bytes, and the server's next start would have taken it over.
  await runCommand({ file: "ipcrm", args: ["-m", id], deadlineMs: 5_000 });
  await rm(join(server.dataDir, "postmaster.pid"), { force: true });
}

/** The whole log of the server. */
export async function serverLog(server: Server): Promise<string> {
  return readFile(server.logFile, "utf8").catch(() => "");
}

async function tail(file: string): Promise<string> {
  return (await readFile(file, "utf8").catch(() => "")).slice(-2_000);
}
