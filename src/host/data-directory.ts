// A data directory on this machine: whose it is, and whether a server really works in it. A pid file that a killed
// server left proves nothing, and its number may belong to another program by now; a postmaster that was killed alone
// leaves backends that may still commit (13 to 18). Only "no process works in the directory" means stopped.

import { readFile, realpath, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ControlError } from "./control-error.ts";
import type { Account } from "./command.ts";
import { isZombie, type ProcessEntry, processesIn, signalProcess } from "./processes.ts";

export interface DataDirectory {
  /** Without symbolic links. */
  readonly path: string;
  /** Null: it is ours. */
  readonly account: Account | null;
}

/** Looks at a data directory. Throws ControlError when we may not act for its owner. */
export async function openDataDirectory(data: string): Promise<DataDirectory> {
  let path: string;
  let owner: { readonly uid: number; readonly gid: number };
  try {
    path = await realpath(data);
    owner = await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ControlError(`the data directory ${data} cannot be used here: ${code}`);
  }
  const own = process.getuid?.() ?? -1;
  if (own === owner.uid && own !== 0) return { path, account: null };
  if (own !== 0) {
    throw new ControlError(
      `the data directory ${data} belongs to user ${owner.uid}, and we are user ${own}`,
    );
  }
  if (owner.uid === 0) {
    throw new ControlError(`the data directory ${data} belongs to root, as whom no server runs`);
  }
  const account = { user: String(owner.uid), uid: owner.uid, gid: owner.gid, home: path };
  return { path, account };
}

export interface Liveness {
  /** The postmaster, when it lives. */
  readonly postmaster: ProcessEntry | null;
  /** Every process that works in the directory, the postmaster among them. */
  readonly processes: readonly ProcessEntry[];
}

/** Who works in the directory now. */
export async function livenessOf(directory: DataDirectory): Promise<Liveness> {
  const processes = await processesIn(directory.path);
  const pid = Number((await pidFile(directory.path))[0]);
  const postmaster = processes.find((entry) => entry.pid === pid) ?? null;
  return { postmaster, processes };
}

/** The lines of postmaster.pid; none without the file. */
export async function pidFile(data: string): Promise<readonly string[]> {
  try {
    return (await readFile(join(data, "postmaster.pid"), "utf8")).split("\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** The server's own word in its pid file: `starting`, `ready`, `standby`, `stopping`; null without a living process. */
export async function pidFileStatus(data: string): Promise<string | null> {
  const lines = await pidFile(data);
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !signalProcess(pid, 0)) return null;
  return lines[7]?.trim() ?? null;
}

/** Takes away the pid file of a server that ended and was not reaped by its parent: PostgreSQL takes a zombie for a
 * running server and would not start (13 to 18). Its check of the shared memory segment still guards the directory. */
export async function clearLockOfZombie(data: string): Promise<void> {
  const pid = Number((await pidFile(data))[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !(await isZombie(pid))) return;
  if ((await processesIn(data)).length > 0) return;
  await rm(join(data, "postmaster.pid"), { force: true });
}
