// A command that runs while the lock of the cluster is held: signals go to it, and so does the loss of the lock.

import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandEnd } from "../commands/context.ts";
import type { Attached } from "../host/attached.ts";
import type { ClusterLock } from "../postgres/cluster-lock.ts";
import { lockVariable } from "./lock.ts";
import type { Edge } from "./run.ts";

export interface LockedRun {
  readonly command: readonly string[];
  readonly lock: ClusterLock;
  readonly token: string;
  readonly edge: Edge;
  say(line: string): void;
}

/** How often the lock is looked after, milliseconds. */
const watchMs = 250;

export async function runLocked(run: LockedRun): Promise<CommandEnd> {
  const { edge, token } = run;
  const { runAttached } = await import("../host/attached.ts");
  const [file = "", ...args] = run.command;
  const child = await runAttached({
    file,
    args,
    environment: { ...environmentOf(edge.env), [lockVariable]: token },
  });
  edge.state.passOn = passOnTo(child);
  const over = new AbortController();
  const watching = watch(run, child, over.signal);
  try {
    return { ...(await child.ended), lost: run.lock.lost };
  } finally {
    over.abort();
    edge.state.passOn = null;
    await watching;
  }
}

function environmentOf(env: Edge["env"]): Record<string, string> {
  const entries = Object.entries(env).filter((each): each is [string, string] => {
    return each[1] !== undefined;
  });
  return Object.fromEntries(entries);
}

/** Ctrl-C at a terminal reaches every process in the foreground, and must not come twice. */
function passOnTo(child: Attached): (signal: NodeJS.Signals) => void {
  const atTerminal = hasTerminal();
  return (signal) => {
    if (signal !== "SIGINT" || !atTerminal) child.signal(signal);
  };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/** Takes the lock again on nodes that were away; where it is lost, the command is told to stop. */
async function watch(run: LockedRun, child: Attached, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const lost = await run.lock.keep();
    if (lost !== null) {
      run.say(`the lock was lost, so ${run.command[0] ?? ""} is told to stop: ${lost.message}`);
      child.signal("SIGTERM");
      return;
    }
    await sleep(watchMs, undefined, { signal: over }).catch(() => undefined);
  }
}
