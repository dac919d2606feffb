// Makes a throw-away cluster of real servers on this machine. The marker is written before anything else, so whatever
// happens to this process, `down` knows what to clear away. A failure or an interrupt clears away at once.

import { chmod, lstat, mkdir, readdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigError, UsageError } from "../errors.ts";
import { processBirth } from "../host/processes.ts";
import { serverAccount } from "./account.ts";
import { type FilesWish, makeDirectories, writeClusterFiles } from "./cluster-files.ts";
import { findInstallation, type InstallationWish } from "./installation.ts";
import { layoutOf } from "./layout.ts";
import { openSession } from "./operator.ts";
import { claimPorts } from "./ports.ts";
import { runnablePrograms } from "./programs.ts";
import { removeSandbox } from "./remove.ts";
import { PortTaken, startServer } from "./server.ts";
import { type SandboxNode, type SandboxState, serverOf, writeState } from "./state.ts";

export interface SandboxWish extends InstallationWish, FilesWish {
  /** Absolute path, without symbolic links. */
  readonly directory: string;
  readonly standbys: number;
  /** Node names that must never lead. */
  readonly notPromotable?: readonly string[];
  /** Standby to the node it streams from, where that is not n1. */
  readonly cascade?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

const attempts = 5;
const streamingDeadlineMs = 30_000;

/** Makes the cluster, starts it, and returns once every standby streams. */
export async function makeSandbox(wish: SandboxWish): Promise<SandboxState> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryMake(wish);
    } catch (error) {
      // Somebody took a port between our look and the server's start: others are as good.
      if (!(error instanceof PortTaken) || attempt === attempts) throw error;
    }
  }
}

async function tryMake(wish: SandboxWish): Promise<SandboxState> {
  const { directory, signal } = wish;
  const account = await serverAccount();
  const installation = await findInstallation(wish);
  signal?.throwIfAborted();
  const ownsDirectory = await takeDirectory(directory);
  const blank: SandboxState = {
    sandbox: 1,
    directory,
    phase: "making",
    maker: { pid: process.pid, birth: await processBirth(process.pid) },
    ownsDirectory,
    version: installation.version,
    bindir: installation.bindir,
    account,
    nodes: [],
  };
  await writeState(blank);
  try {
    const ports = await claimPorts(directory, wish.standbys + 1);
    await makeDirectories(blank);
    const { programs } = layoutOf(directory);
    const bindir = await runnablePrograms(installation, account, programs);
    const state: SandboxState = { ...blank, bindir, nodes: nodesOf(wish, ports) };
    await writeState(state);
    signal?.throwIfAborted();
    await writeClusterFiles(state, wish);
    signal?.throwIfAborted();
    await startAll(state, signal);
    const made: SandboxState = { ...state, phase: "made" };
    await writeState(made);
    return made;
  } catch (error) {
    await removeSandbox(directory);
    throw error;
  }
}

function nodesOf(wish: SandboxWish, ports: readonly number[]): readonly SandboxNode[] {
  const nodes = ports.map((port, index) => {
    const name = `n${index + 1}`;
    return {
      name,
      port,
      promotable: !(wish.notPromotable ?? []).includes(name),
      upstream: index === 0 ? null : (wish.cascade?.[name] ?? "n1"),
      cut: false,
    };
  });
  const known = new Set(nodes.map((node) => node.name));
  const upstreams = Object.entries(wish.cascade ?? {}).flat();
  for (const name of [...(wish.notPromotable ?? []), ...upstreams]) {
    if (known.has(name)) continue;
    throw new UsageError(
      `the sandbox would have no node ${name}`,
      `its nodes would be ${[...known].join(", ")}`,
    );
  }
  return nodes;
}

/** Makes the directory, or takes an empty one of ours; true when it was made. */
async function takeDirectory(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { mode: 0o755 });
    // Whatever the umask says: the servers' user has to pass.
    await chmod(directory, 0o755);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new ConfigError(`the directory above ${directory} does not exist`);
    if (code !== "EEXIST") throw new ConfigError(`${directory} cannot be made: ${code ?? ""}`);
  }
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new ConfigError(`${directory} is no directory of yours`, "choose another with --dir");
  }
  if ((await readdir(directory)).length > 0) {
    throw new ConfigError(
      `${directory} is not empty, and no sandbox`,
      "choose another directory with --dir",
    );
  }
  return false;
}

/** Upstreams before those below them: a first attempt that fails costs a standby 5 s (wal_retrieve_retry_interval). */
async function startAll(state: SandboxState, signal: AbortSignal | undefined): Promise<void> {
  let level = state.nodes.filter((node) => node.upstream === null);
  let started = 0;
  while (level.length > 0) {
    await Promise.all(level.map((node) => startServer(serverOf(state, node.name), { signal })));
    started += level.length;
    const names = level.map((node) => node.name);
    level = state.nodes.filter((node) => node.upstream !== null && names.includes(node.upstream));
  }
  if (started < state.nodes.length) throw new ConfigError("the cascade has a cycle");
  await Promise.all(state.nodes.map((node) => untilFeeding(state, node, signal)));
}

/** Waits until every standby that was set up below the node streams from it. */
async function untilFeeding(
  state: SandboxState,
  upstream: SandboxNode,
  signal: AbortSignal | undefined,
): Promise<void> {
  const below = state.nodes.filter((node) => node.upstream === upstream.name);
  if (below.length === 0) return;
  const until = performance.now() + streamingDeadlineMs;
  await using session = await openSession(state, upstream);
  for (;;) {
    const rows = await session.query(
      "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'",
    );
    const streaming = new Set(rows.map((row) => row["application_name"]));
    const missing = below.filter((node) => !streaming.has(node.name));
    if (missing.length === 0) return;
    signal?.throwIfAborted();
    if (performance.now() > until) {
      const names = missing.map((node) => node.name).join(", ");
      throw new Error(`${names} did not stream within ${streamingDeadlineMs} ms`);
    }
    await delay(10);
  }
}
