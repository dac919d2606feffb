// A throw-away cluster of real servers on this machine: made, looked at, and cleared away. It refuses to touch a
// directory that is not a sandbox. Standbys are copies of the first primary's directory, taken before that was ever
// started: same system identifier, same WAL, so they stream from its first record (13 to 18).

import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigError } from "../errors.ts";
import type { ClusterConfig } from "../topology/node.ts";
import { serverAccount } from "./account.ts";
import { findInstallation, type InstallationWish } from "./installation.ts";
import {
  clientRole,
  commonSettings,
  hbaText,
  layoutOf,
  operatorRole,
  passfileText,
  replicationRole,
  settingsText,
  upstreamConninfo,
  writeOwned,
} from "./layout.ts";
import { claimPorts, releasePorts } from "./ports.ts";
import { killProcessesIn, processesIn } from "../host/processes.ts";
import { releaseSharedMemory, type Server, startServer } from "./server.ts";
import { readState, type SandboxNode, type SandboxState, writeState } from "./state.ts";
import { copyDataDirectory, initialize, runSingleUser } from "./template.ts";

export interface SandboxWish extends InstallationWish {
  /** Absolute path. */
  readonly directory: string;
  readonly standbys: number;
  /** Node names that must never lead. */
  readonly notPromotable?: readonly string[];
  /** Standby to the node it streams from, where that is not n1. */
  readonly cascade?: Readonly<Record<string, string>>;
  /** Further server settings, for all nodes. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Makes the cluster, starts it, and returns once every standby streams. */
export async function makeSandbox(wish: SandboxWish): Promise<SandboxState> {
  const { directory } = wish;
  const account = await serverAccount();
  const installation = await findInstallation(wish);
  const ownsDirectory = await takeDirectory(directory);
  const blank: SandboxState = {
    sandbox: 1,
    directory,
    phase: "making",
    maker: process.pid,
    ownsDirectory,
    version: installation.version,
    bindir: installation.bindir,
    account,
    nodes: [],
  };
  await writeState(blank);
  try {
    const ports = await claimPorts(directory, wish.standbys + 1);
    const state: SandboxState = { ...blank, nodes: nodesOf(wish, ports) };
    await writeState(state);
    await writeFiles(state, wish.settings ?? {});
    await startAll(state);
    const made: SandboxState = { ...state, phase: "made" };
    await writeState(made);
    return made;
  } catch (error) {
    await removeSandbox(directory);
    throw error;
  }
}

function nodesOf(wish: SandboxWish, ports: readonly number[]): readonly SandboxNode[] {
  return ports.map((port, index) => {
    const name = `n${index + 1}`;
    return {
      name,
      port,
      promotable: !(wish.notPromotable ?? []).includes(name),
      upstream: index === 0 ? null : (wish.cascade?.[name] ?? "n1"),
      cut: false,
    };
  });
}

async function takeDirectory(directory: string): Promise<boolean> {
  const entries = await readdir(directory).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw new ConfigError(`${directory} cannot be used: ${code ?? String(error)}`);
  });
  if (entries === null) {
    await mkdir(directory, { mode: 0o755, recursive: true });
    return true;
  }
  if (entries.length > 0) {
    throw new ConfigError(
      `${directory} is not empty, and no sandbox of ours`,
      "choose another directory with --dir",
    );
  }
  return false;
}

async function writeFiles(
  state: SandboxState,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const { account, directory, nodes } = state;
  const layout = layoutOf(directory);
  await chmod(directory, 0o755);
  for (const path of [layout.servers, layout.logs]) {
    await mkdir(path, { mode: 0o755 });
    if (account !== null) await chown(path, account.uid, account.gid);
  }
  const passwords: Record<string, string> = {};
  const replicators = nodes.map((node) => replicationRole(node.name));
  for (const role of [operatorRole, clientRole, ...replicators]) {
    passwords[role] = randomBytes(18).toString("hex");
  }
  const only = (roles: readonly string[]) =>
    Object.fromEntries(roles.map((role) => [role, passwords[role] ?? ""]));
  await writeOwned(layout.passfile, passfileText(only([operatorRole, clientRole])), {
    account: null,
    mode: 0o600,
  });
  await writeOwned(layout.serversPassfile, passfileText(only(replicators)), {
    account,
    mode: 0o600,
  });

  const primary = layout.dataDir("n1");
  await initialize(state, primary);
  await writeOwned(
    join(primary, "postgresql.conf"),
    settingsText({
      ...commonSettings,
      log_directory: layout.logs,
      ...settings,
    }),
    { account, mode: 0o600 },
  );
  await writeOwned(join(primary, "pg_hba.conf"), hbaText([]), { account, mode: 0o600 });
  await runSingleUser(state, primary, preparation(nodes, passwords));
  const standbys = nodes.filter((node) => node.upstream !== null);
  await Promise.all(
    standbys.map((node) => copyDataDirectory(state, primary, layout.dataDir(node.name))),
  );
  for (const node of nodes) await settle(state, node);
  await writeFile(layout.config, configText(state), { mode: 0o644 });
}

function preparation(
  nodes: readonly SandboxNode[],
  passwords: Readonly<Record<string, string>>,
): readonly string[] {
  const password = (role: string) => `PASSWORD '${passwords[role] ?? ""}'`;
  return [
    `ALTER ROLE ${operatorRole} ${password(operatorRole)}`,
    `CREATE ROLE ${clientRole} LOGIN ${password(clientRole)}`,
    `CREATE SCHEMA ${clientRole} AUTHORIZATION ${clientRole}`,
    ...nodes.map(({ name }) => {
      const role = replicationRole(name);
      return `CREATE ROLE ${role} LOGIN REPLICATION ${password(role)}`;
    }),
    ...nodes
      .filter((node) => node.upstream !== null)
      .map(({ name }) => `SELECT pg_create_physical_replication_slot('${name}', true)`),
  ];
}

/** Makes a node's copy its own: name, port, upstream, and the slots of those below it alone. */
async function settle(state: SandboxState, node: SandboxNode): Promise<void> {
  const { account, directory, nodes } = state;
  const dataDir = layoutOf(directory).dataDir(node.name);
  const owner = { account, mode: 0o600 };
  for (const other of nodes) {
    if (other.upstream === null || other.upstream === node.name) continue;
    await rm(join(dataDir, "pg_replslot", other.name), { recursive: true, force: true });
  }
  const conf = join(dataDir, "postgresql.conf");
  await writeFile(
    conf,
    settingsText({
      port: String(node.port),
      cluster_name: node.name,
      log_filename: `${node.name}.log`,
    }),
    { flag: "a" },
  );
  const upstream = nodes.find((other) => other.name === node.upstream);
  if (upstream === undefined) return;
  await writeOwned(
    join(dataDir, "postgresql.auto.conf"),
    settingsText({
      primary_conninfo: upstreamConninfo(directory, { node: node.name, port: upstream.port }),
      primary_slot_name: node.name,
    }),
    owner,
  );
  await writeOwned(join(dataDir, "standby.signal"), "", owner);
}

async function startAll(state: SandboxState): Promise<void> {
  const server = (node: SandboxNode) => serverOf(state, node.name);
  let started = state.nodes.filter((node) => node.upstream === null);
  while (started.length > 0) {
    await Promise.all(started.map((node) => startServer(server(node))));
    const names = started.map((node) => node.name);
    started = state.nodes.filter((node) => node.upstream !== null && names.includes(node.upstream));
  }
  for (const node of state.nodes) {
    if (node.upstream !== null) await untilStreaming(server(node), 30_000);
  }
}

async function untilStreaming(server: Server, deadlineMs: number): Promise<void> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const entries = await processesIn(server.dataDir);
    if (entries.some((entry) => /walreceiver +streaming/.test(entry.title))) return;
    if (performance.now() > until) throw new Error(`${server.name} does not stream`);
    await delay(10);
  }
}

/** Clears a sandbox away: processes, shared memory, files, ports. False when there is none. */
export async function removeSandbox(directory: string): Promise<boolean> {
  const state = await readState(directory);
  if (state === null) return false;
  const layout = layoutOf(directory);
  await killProcessesIn(layout.servers, 10_000);
  for (const node of state.nodes) await releaseSharedMemory(serverOf(state, node.name));
  for (const path of [layout.servers, layout.logs, layout.config, layout.passfile]) {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
  await rm(`${layout.marker}.new`, { force: true });
  await releasePorts(directory);
  await rm(layout.marker, { force: true });
  if (state.ownsDirectory) await rmdir(directory);
  return true;
}

/** The server of a node. Throws ConfigError for an unknown name. */
export function serverOf(state: SandboxState, name: string): Server {
  const node = state.nodes.find((entry) => entry.name === name);
  if (node === undefined) {
    throw new ConfigError(
      `the sandbox has no node ${name}`,
      `its nodes are ${state.nodes.map((entry) => entry.name).join(", ")}`,
    );
  }
  const layout = layoutOf(state.directory);
  return {
    name,
    port: node.port,
    dataDir: layout.dataDir(name),
    logFile: layout.logFile(name),
    bindir: state.bindir,
    account: state.account,
  };
}

/** The topology file as a value. */
export function configOf(state: SandboxState): ClusterConfig {
  const layout = layoutOf(state.directory);
  return {
    name: "sandbox",
    file: layout.config,
    nodes: state.nodes.map((node) => ({
      name: node.name,
      conninfo: {
        user: operatorRole,
        dbname: "postgres",
        passfile: layout.passfile,
        connect_timeout: "2",
        host: "127.0.0.1",
        port: String(node.port),
      },
      promotable: node.promotable,
      priority: 0,
      replication: { host: "127.0.0.1", hostaddr: null, port: node.port },
      control: {
        start: null,
        stop: null,
        pgCtl: { bindir: state.bindir, data: layout.dataDir(node.name) },
      },
    })),
  };
}

/** The topology file as text. A JSON string is a TOML basic string. */
function configText(state: SandboxState): string {
  const layout = layoutOf(state.directory);
  const quote = (value: string) => JSON.stringify(value);
  const nodes = state.nodes.flatMap((node) => [
    "",
    `[nodes.${node.name}]`,
    `dsn = ${quote(`host=127.0.0.1 port=${node.port}`)}`,
    ...(node.promotable ? [] : ["promotable = false"]),
    `control.pg_ctl = { bindir = ${quote(state.bindir)}, data = ${quote(layout.dataDir(node.name))} }`,
  ]);
  return [
    `cluster = "sandbox"`,
    "",
    "[connect]",
    `user = ${quote(operatorRole)}`,
    `dbname = "postgres"`,
    `passfile = ${quote(layout.passfile)}`,
    "connect_timeout = 2",
    ...nodes,
    "",
  ].join("\n");
}
