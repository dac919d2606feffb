// What a sandbox may leave behind and must not: processes, files, claims on ports, shared memory.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processesIn } from "../../src/host/processes.ts";

/** One line for everything that is left of the sandbox in a directory. */
export async function leftoversOf(directory: string): Promise<readonly string[]> {
  const registry = join(tmpdir(), "remaster-sandbox-ports");
  const claims = existsSync(registry) ? readdirSync(registry) : [];
  return [
    ...(await processesIn(directory)).map((entry) => `process ${entry.pid}: ${entry.title}`),
    ...(existsSync(directory)
      ? [`directory ${directory}: ${readdirSync(directory).join(" ")}`]
      : []),
    ...claims
      .filter((port) => readClaim(join(registry, port)) === directory)
      .map((port) => `claim on port ${port}`),
  ];
}

function readClaim(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Given back by another sandbox in between.
    return null;
  }
}

/** Ids of the System V segments that the pid files below a sandbox name. */
export function sharedMemoryOf(dataDirs: readonly string[]): readonly string[] {
  return dataDirs.map((dataDir) => {
    const line = readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n")[6] ?? "";
    return line.trim().split(/\s+/)[1] ?? "";
  });
}

/** Those of them that still exist. */
export function livingSharedMemory(ids: readonly string[]): readonly string[] {
  if (!existsSync("/proc/sysvipc/shm")) return [];
  const lines = readFileSync("/proc/sysvipc/shm", "utf8").split("\n");
  const living = new Set(lines.map((line) => line.trim().split(/\s+/)[1]));
  return ids.filter((id) => living.has(id));
}
