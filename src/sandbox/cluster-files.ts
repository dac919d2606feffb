// Writes the files of a sandbox: passwords, one data directory for each node, remaster.toml. Standbys are copies of the
// first primary's directory, taken before that was ever started: same system identifier, same WAL, so they stream from
// its first record (13 to 18). The slots of a cascade are made there too, and kept only by the node that feeds it.

import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { type Account, runCommand } from "../host/command.ts";
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
import type { SandboxNode, SandboxState } from "./state.ts";
import { copyDataDirectory, initialize, runSingleUser } from "./template.ts";
import { configText } from "./topology-file.ts";
import { scramVerifier } from "./verifier.ts";

/** What the files of a cluster are to be like. */
export interface FilesWish {
  /** Further server settings, for all nodes. */
  readonly settings?: Readonly<Record<string, string>>;
  /** What initdb made for this installation, to be copied: it costs as much as all the rest, which counts for many. */
  readonly template?: (made: SandboxState) => Promise<string>;
}

/** The directories that belong to the servers' user. */
export async function makeDirectories(state: SandboxState): Promise<void> {
  const layout = layoutOf(state.directory);
  await chmod(state.directory, 0o755);
  for (const path of [layout.servers, layout.logs]) {
    await mkdir(path, { mode: 0o755 });
    await chmod(path, 0o755);
    if (state.account !== null) await chown(path, state.account.uid, state.account.gid);
  }
  if (state.account !== null) await checkReach(layout.servers, state.account);
}

/** The way to the directory may be closed to the servers' user (below /root, say). */
async function checkReach(directory: string, account: Account): Promise<void> {
  const result = await runCommand({
    file: "/bin/sh",
    args: ["-c", 'test -w "$1"', "sh", directory],
    account,
    cwd: "/",
    deadlineMs: 10_000,
  });
  if (result.exitCode === 0) return;
  throw new ConfigError(
    `the servers run as user ${account.user}, who cannot reach ${directory}`,
    "choose with --dir a directory that every user can enter",
  );
}

/** Passwords and data directories; nothing is started. */
export async function writeClusterFiles(state: SandboxState, wish: FilesWish): Promise<void> {
  const { account, directory, nodes } = state;
  const layout = layoutOf(directory);
  const passwords = await writePasswords(state);
  const primary = layout.dataDir("n1");
  if (wish.template === undefined) await initialize(state, primary);
  else await copyDataDirectory(state, await wish.template(state), primary);
  await writeOwned(
    join(primary, "postgresql.conf"),
    settingsText({
      ...commonSettings,
      log_directory: layout.logs,
      ...wish.settings,
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

/** Makes a random password for every role, and writes the two passfiles. */
async function writePasswords(state: SandboxState): Promise<Readonly<Record<string, string>>> {
  const { account, directory, nodes } = state;
  const layout = layoutOf(directory);
  const replicators = nodes.map((node) => replicationRole(node.name));
  const make = (roles: readonly string[]) =>
    Object.fromEntries(roles.map((role) => [role, randomBytes(18).toString("hex")]));
  const ours = make([operatorRole, clientRole]);
  const theirs = make(replicators);
  await writeOwned(layout.passfile, passfileText(ours), { account: null, mode: 0o600 });
  await writeOwned(layout.serversPassfile, passfileText(theirs), { account, mode: 0o600 });
  return { ...ours, ...theirs };
}

function preparation(
  nodes: readonly SandboxNode[],
  passwords: Readonly<Record<string, string>>,
): readonly string[] {
  const password = (role: string) => `PASSWORD '${scramVerifier(passwords[role] ?? "")}'`;
  return [
    `ALTER ROLE ${operatorRole} ${password(operatorRole)}`,
    // Left to the server: some clients refuse fewer iterations than the usual.
    `CREATE ROLE ${clientRole} LOGIN PASSWORD '${passwords[clientRole] ?? ""}'`,
    `CREATE SCHEMA ${clientRole} AUTHORIZATION ${clientRole}`,
    ...nodes.map(({ name }) => {
      const role = replicationRole(name);
      return `CREATE ROLE ${role} LOGIN REPLICATION ${password(role)}`;
    }),
    // A receiver asks from the start of its segment: in a new one there is little to send.
    "SELECT pg_switch_wal()",
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
