// Who takes the lock of a cluster: the operator and this process, or, within `remaster lock`, the run of that one. What the
// environment says of it is a name and no secret, and counts only as far as the servers and this machine bear it out.

import { randomInt } from "node:crypto";
import { hostname, userInfo } from "node:os";
import type { ClusterLock, LockParent } from "../postgres/cluster-lock.ts";
import { formatOwner, type LockOwner, makeOwner, parseOwner } from "../postgres/lock-owner.ts";
import type { ClusterConfig } from "../topology/node.ts";
import type { Edge } from "./run.ts";

/** Names the run of `remaster lock` to what it runs: the application_name of its sessions. */
export const lockVariable = "REMASTER_LOCK";

export interface LockWish {
  readonly verb: string;
  /** `opening`: nobody is asked first, so what is seen must be seen under the lock. */
  readonly when: "opening" | "asked";
  readonly rival: "refuse" | "end";
}

export async function createLock(
  config: ClusterConfig,
  wish: LockWish,
  env: Edge["env"],
): Promise<{ readonly lock: ClusterLock; readonly token: string }> {
  const { ClusterLock: Lock } = await import("../postgres/cluster-lock.ts");
  const parent = parentOf(env[lockVariable] ?? "");
  const own = ownerOf(wish.verb);
  const owner = parent === null ? own : { ...own, mark: parent.owner.mark };
  const { when, rival } = wish;
  return {
    lock: new Lock({ config, owner, parent, when, rival }),
    token: formatOwner(parent?.owner ?? owner),
  };
}

function ownerOf(verb: string): LockOwner {
  const letters = randomInt(36 ** 4)
    .toString(36)
    .padStart(4, "0");
  return makeOwner({ verb, user: userName(), host: hostname(), pid: process.pid, letters });
}

/** A user of a container may have no entry in passwd. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "?");
  }
}

/** Null where it is not said, or said of another machine: whether that run lives could not be seen from here. */
function parentOf(token: string): LockParent | null {
  const owner = parseOwner(token);
  if (owner?.verb !== "lock") return null;
  const here = ownerOf("lock").operator;
  const hostOf = (operator: string): string => operator.slice(operator.indexOf("@"));
  const host = hostOf(owner.operator);
  if (host.length < 2 || !hostOf(here).startsWith(host)) return null;
  return { owner, lives: () => lives(owner.pid) };
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives, and is somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
