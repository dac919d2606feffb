// Clears a sandbox away: processes, shared memory, files, claims on ports. Nothing but a directory with our marker is
// touched, and the marker goes last, so a removal that was cut short can be repeated.

import { rm, rmdir } from "node:fs/promises";
import { ConfigError } from "../errors.ts";
import { runCommand } from "../host/command.ts";
import { killProcessesIn, processBirth } from "../host/processes.ts";
import { layoutOf } from "./layout.ts";
import { releasePorts } from "./ports.ts";
import { releaseSharedMemory } from "./server.ts";
import { readState, type SandboxState, serverOf } from "./state.ts";

/** False when there is no sandbox. Throws ConfigError while another process is making it. */
export async function removeSandbox(directory: string): Promise<boolean> {
  const state = await readState(directory);
  if (state === null) return false;
  if (state.maker.pid !== process.pid && (await isBeingMade(state))) {
    throw new ConfigError(
      `process ${state.maker.pid} is making the sandbox in ${directory}`,
      "wait for it, or end it first",
    );
  }
  const layout = layoutOf(directory);
  await killProcessesIn(layout.servers, 10_000);
  for (const node of state.nodes) await releaseSharedMemory(serverOf(state, node.name));
  // Thousands of files: rm does in a fifth of the time what Node.js does one by one, and what it leaves is removed below.
  await runCommand({ file: "rm", args: ["-rf", "--", layout.servers], deadlineMs: 60_000 });
  for (const path of [
    layout.servers,
    layout.logs,
    layout.journals,
    layout.config,
    layout.passfile,
  ]) {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
  await rm(`${layout.marker}.new`, { force: true });
  await releasePorts(directory);
  await rm(layout.marker, { force: true });
  if (state.ownsDirectory) await removeOwnDirectory(directory);
  return true;
}

async function removeOwnDirectory(directory: string): Promise<void> {
  await rmdir(directory).catch((error: unknown) => {
    // Somebody put a file of theirs beside ours: theirs stays.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  });
}

/** Whether the process that began to make it still lives: the same process, not another with its number. */
export async function isBeingMade(state: SandboxState): Promise<boolean> {
  if (state.phase === "made") return false;
  const birth = await processBirth(state.maker.pid);
  return birth !== null && birth === state.maker.birth;
}
