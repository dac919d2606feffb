// The processes of a server, found from outside. A PostgreSQL child calls setsid() when it starts (13 to 18), so no
// process group holds a whole server; what its processes share is their working directory, the data directory.
// Where that cannot be seen (macOS, root in a container without CAP_SYS_PTRACE), the directory on the postmaster's
// command line and the chain of parents stand in for it.

import { execFile } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

export interface ProcessEntry {
  readonly pid: number;
  /** Stopped by a signal (SIGSTOP). */
  readonly stopped: boolean;
  /** Title or command line. */
  readonly title: string;
}

interface Candidate extends ProcessEntry {
  readonly parent: number;
  readonly inside: boolean;
}

const run = promisify(execFile);

/** The living processes that work in a directory or below it. The directory is given without symbolic links. */
export async function processesIn(directory: string): Promise<readonly ProcessEntry[]> {
  if (process.platform !== "linux") return withDescendants(await listByPs(directory));
  // The kernel answers from memory: a promise for each file would take ten times as long as reading it.
  const names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const mayMissOurs = process.getuid?.() === 0;
  const links = names.map(workingDirectory);
  const found = names.flatMap((name, index) => {
    const link = links[index] ?? "";
    const worksThere = link === directory || link.startsWith(`${directory}/`);
    if (!worksThere && !(mayMissOurs && link === "EACCES")) return [];
    return readProc(Number(name), { directory, worksThere }) ?? [];
  });
  return mayMissOurs && links.includes("EACCES") ? withDescendants(found) : found;
}

/** EACCES where we may not look; a kernel thread or a process that just ended has none: then the code of the error. */
function workingDirectory(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
}

function readProc(
  pid: number,
  where: { readonly directory: string; readonly worksThere: boolean },
): Candidate | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces and brackets: what follows starts after the last bracket.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (state === "Z" || state === "X") return null;
    const title = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return {
      pid,
      parent: Number(parent),
      stopped: state === "T",
      title,
      inside: where.worksThere || isNamedBy(title, where.directory),
    };
  } catch {
    // It ended while we looked.
    return null;
  }
}

async function listByPs(directory: string): Promise<readonly Candidate[]> {
  const { stdout } = await run("ps", ["-axo", "pid=,ppid=,stat=,command="], {
    maxBuffer: 16 * 1024 * 1024,
    timeout: 10_000,
  });
  return stdout.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null || match[3]?.startsWith("Z") === true) return [];
    const title = match[4] ?? "";
    return [
      {
        pid: Number(match[1]),
        parent: Number(match[2]),
        stopped: match[3]?.startsWith("T") === true,
        title,
        inside: isNamedBy(title, directory),
      },
    ];
  });
}

/** A server program whose command line names the directory after -D. */
function isNamedBy(title: string, directory: string): boolean {
  const at = title.indexOf(` -D ${directory}`);
  if (at < 0) return false;
  return /^(?:$|[/ ])/.test(title.slice(at + ` -D ${directory}`.length));
}

function withDescendants(all: readonly Candidate[]): readonly ProcessEntry[] {
  const found = new Set(all.filter((entry) => entry.inside));
  const pids = new Set([...found].map((entry) => entry.pid));
  for (let grown = true; grown; ) {
    grown = false;
    for (const entry of all) {
      if (pids.has(entry.pid) || !pids.has(entry.parent)) continue;
      found.add(entry);
      pids.add(entry.pid);
      grown = true;
    }
  }
  return [...found];
}

/** Sends a signal; false when the process is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH") return false;
    // Signal 0 only asks, and what belongs to somebody else does exist.
    if (code === "EPERM" && signal === 0) return true;
    throw error;
  }
}

/** Whether a process has ended and only waits for its parent to notice; some parents (pid 1 of a container) never do. */
export async function isZombie(pid: number): Promise<boolean> {
  if (process.platform !== "linux") {
    const { stdout } = await run("ps", ["-o", "stat=", "-p", String(pid)]).catch(() => ({
      stdout: "",
    }));
    return stdout.startsWith("Z");
  }
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}

/** When a process was started, as the system writes it: with its number, it names one process. Null when it is gone. */
export async function processBirth(pid: number): Promise<string | null> {
  if (process.platform !== "linux") {
    const { stdout } = await run("ps", ["-o", "lstart=", "-p", String(pid)]).catch(() => ({
      stdout: "",
    }));
    return stdout.trim() === "" ? null : stdout.trim();
  }
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // proc(5): starttime is field 22, state is field 3 and the first after the name.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? null : (fields[19] ?? null);
}

/** Kills every process that works in the directory, and sees them gone. */
export async function killProcessesIn(directory: string, deadlineMs: number): Promise<void> {
  const until = performance.now() + deadlineMs;
  const known = new Set<number>();
  for (;;) {
    // Stopped first, so that a postmaster cannot start another child between the look and the kill.
    for (const { pid } of await processesIn(directory)) known.add(pid);
    for (const pid of known) signalProcess(pid, "SIGSTOP");
    for (const { pid } of await processesIn(directory)) known.add(pid);
    for (const pid of known) signalProcess(pid, "SIGKILL");
    while ((await someLive(known)) && performance.now() <= until) await delay(2);
    const living = await processesIn(directory);
    if (living.length === 0) return;
    if (performance.now() > until) {
      const pids = living.map((entry) => entry.pid).join(" ");
      throw new Error(`processes in ${directory} do not end: ${pids}`);
    }
  }
}

/** Looks at these alone: a look at all of the machine's processes takes a hundred times as long. */
export async function someLive(pids: Iterable<number>): Promise<boolean> {
  for (const pid of pids) {
    if (signalProcess(pid, 0) && !(await isZombie(pid))) return true;
  }
  return false;
}
