// The processes of a server, found from outside. A PostgreSQL child calls setsid() when it starts (13 to 18), so no
// process group holds a whole server; what its processes share is their working directory, the data directory.
// Where /proc is missing (macOS), the parent and the directory named on the command line stand in for it.

import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** It has ended, and its parent has not noticed yet. */
  readonly zombie: boolean;
  /** Stopped by a signal. */
  readonly stopped: boolean;
  /** Title or command line. */
  readonly title: string;
  /** Null where it cannot be seen. */
  readonly cwd: string | null;
}

const run = promisify(execFile);

/** Every process of this machine that we may see. */
export async function listProcesses(): Promise<readonly ProcessEntry[]> {
  if (process.platform !== "linux") return listByPs();
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(names.map((name) => readProc(Number(name))));
  return entries.filter((entry) => entry !== null);
}

async function readProc(pid: number): Promise<ProcessEntry | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces and brackets: what follows starts after the last bracket.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const title = (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null);
    return {
      pid,
      parent: Number(parent),
      zombie: state === "Z" || state === "X",
      stopped: state === "T",
      title,
      cwd,
    };
  } catch {
    // It ended while we looked.
    return null;
  }
}

async function listByPs(): Promise<readonly ProcessEntry[]> {
  const { stdout } = await run("ps", ["-axo", "pid=,ppid=,stat=,command="], {
    maxBuffer: 16 * 1024 * 1024,
    timeout: 10_000,
  });
  return stdout.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null) return [];
    return [
      {
        pid: Number(match[1]),
        parent: Number(match[2]),
        zombie: (match[3] ?? "").startsWith("Z"),
        stopped: (match[3] ?? "").startsWith("T"),
        title: match[4] ?? "",
        cwd: null,
      },
    ];
  });
}

/** The living processes that work in a directory or below it, with their descendants. */
export async function processesIn(directory: string): Promise<readonly ProcessEntry[]> {
  const all = (await listProcesses()).filter((entry) => !entry.zombie);
  const inside = (entry: ProcessEntry) =>
    entry.cwd === null
      ? entry.title.includes(` ${directory}`)
      : entry.cwd === directory || entry.cwd.startsWith(`${directory}/`);
  const found = new Map<number, ProcessEntry>();
  for (const entry of all) {
    if (inside(entry) && entry.pid !== process.pid) found.set(entry.pid, entry);
  }
  for (let grown = true; grown; ) {
    grown = false;
    for (const entry of all) {
      if (found.has(entry.pid) || !found.has(entry.parent)) continue;
      found.set(entry.pid, entry);
      grown = true;
    }
  }
  return [...found.values()];
}

/** Sends a signal; false when the process is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Kills every process that works in the directory, and sees them gone. */
export async function killProcessesIn(directory: string, deadlineMs: number): Promise<void> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const living = await processesIn(directory);
    if (living.length === 0) return;
    // Stopped first, so that a postmaster cannot start another child between the look and the kill.
    for (const { pid } of living) signalProcess(pid, "SIGSTOP");
    for (const { pid } of await processesIn(directory)) signalProcess(pid, "SIGKILL");
    if (performance.now() > until) {
      throw new Error(
        `processes in ${directory} do not end: ${living.map((p) => p.pid).join(" ")}`,
      );
    }
    await delay(5);
  }
}
