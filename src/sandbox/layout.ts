// Where the files of a sandbox stand, and what is written into them. No password stands in a connection string, on a
// command line or in remaster.toml: two passfiles hold them (libpq ignores one that others may read), the operator's
// and the servers' own. Every node has a replication role of its own, so that others can turn it away by pg_hba.conf.

import { chmod, chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "../host/command.ts";

export const operatorRole = "remaster";
export const clientRole = "app";
export const replicationRole = (node: string) => `repl_${node}`;

export interface Layout {
  readonly marker: string;
  readonly config: string;
  readonly passfile: string;
  /** Everything that belongs to the servers' user. */
  readonly servers: string;
  readonly serversPassfile: string;
  readonly programs: string;
  readonly logs: string;
  /** Journals of what remaster did here in a rehearsal. */
  readonly journals: string;
  dataDir(node: string): string;
  logFile(node: string): string;
}

export function layoutOf(directory: string): Layout {
  const servers = join(directory, "servers");
  return {
    marker: join(directory, "sandbox.json"),
    config: join(directory, "remaster.toml"),
    passfile: join(directory, "passfile"),
    servers,
    serversPassfile: join(servers, "passfile"),
    programs: join(servers, "programs"),
    logs: join(directory, "logs"),
    journals: join(directory, "state"),
    dataDir: (node) => join(servers, node),
    logFile: (node) => join(directory, "logs", `${node}.log`),
  };
}

/** Writes a file that the given account owns. */
export async function writeOwned(
  file: string,
  text: string,
  owner: { readonly account: Account | null; readonly mode: number },
): Promise<void> {
  await writeFile(file, text, { mode: owner.mode });
  await chmod(file, owner.mode);
  if (owner.account !== null) await chown(file, owner.account.uid, owner.account.gid);
}

/** A value for postgresql.conf, which knows backslash escapes. */
export const quoteSetting = (value: string) =>
  `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

/** A value for a keyword connection string. */
export const quoteConninfo = (value: string) =>
  /^[A-Za-z0-9_./:-]+$/.test(value)
    ? value
    : `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

export function settingsText(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${quoteSetting(value)}\n`)
    .join("");
}

/** Settings of every sandbox server. A killed process loses nothing that it wrote, so fsync is off: only a machine that
 * crashes would, and takes a throw-away cluster with it. */
export const commonSettings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "32MB",
  dynamic_shared_memory_type: "mmap",
  wal_level: "logical",
  wal_log_hints: "on",
  max_wal_senders: "20",
  max_replication_slots: "20",
  hot_standby: "on",
  fsync: "off",
  wal_init_zero: "off",
  // Each WAL receiver loads it, with all of libcrypto, when it starts: here it is there already.
  shared_preload_libraries: "libpqwalreceiver",
  logging_collector: "on",
  log_rotation_age: "0",
  log_rotation_size: "0",
  log_file_mode: "0644",
  log_line_prefix: "%m [%p] %q%u ",
  password_encryption: "scram-sha-256",
};

export function hbaText(cutNodes: readonly string[]): string {
  const rejects = cutNodes.flatMap((node) => [
    `host replication ${replicationRole(node)} 0.0.0.0/0 reject`,
    `host all ${replicationRole(node)} 0.0.0.0/0 reject`,
  ]);
  return [
    "# written by remaster sandbox: a node that is cut is turned away by its replication role",
    ...rejects,
    "host replication all 127.0.0.1/32 scram-sha-256",
    "host all all 127.0.0.1/32 scram-sha-256",
    "",
  ].join("\n");
}

/** primary_conninfo of a node below the server that listens on `port`. */
export function upstreamConninfo(
  directory: string,
  edge: { readonly node: string; readonly port: number },
): string {
  const parts = {
    host: "127.0.0.1",
    port: String(edge.port),
    user: replicationRole(edge.node),
    dbname: "postgres",
    passfile: layoutOf(directory).serversPassfile,
    application_name: edge.node,
  };
  return Object.entries(parts)
    .map(([keyword, value]) => `${keyword}=${quoteConninfo(value)}`)
    .join(" ");
}

/** One line for each role, for any host and database. */
export function passfileText(passwords: Readonly<Record<string, string>>): string {
  return Object.entries(passwords)
    .map(([role, password]) => `*:*:*:${role}:${password}\n`)
    .join("");
}
