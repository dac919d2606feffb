// The topology file as it is written: TOML text to checked values, before the environment and services are looked at.
// Refuses unknown keys, duplicate nodes (TOML's own rule), unsafe names, contradicting controls, and passwords in a
// file that others may read.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { isKeyword, isSecretKeyword, keywords } from "../conninfo/keywords.ts";
import { nearestWord } from "../conninfo/nearest.ts";
import { parseConninfo } from "../conninfo/parse.ts";
import { ConfigError } from "../errors.ts";
import type { Control } from "../topology/node.ts";
import type { PoolerConfig } from "../topology/pooler.ts";
import type { Hooks } from "../topology/hooks.ts";
import type { TopologyFile } from "./find-file.ts";
import { readHooks } from "./hooks.ts";
import {
  complaint,
  flagAt,
  integerAt,
  pathOf,
  rejectUnknown,
  type Table,
  tableAt,
  textAt,
  textsAt,
  wordAt,
} from "./table.ts";

export interface FileNode {
  readonly name: string;
  readonly dsn: Conninfo;
  readonly promotable: boolean;
  readonly priority: number;
  /** host, hostaddr and port at most; null when not given. */
  readonly replication: Conninfo | null;
  readonly control: Control | null;
}

/** A pooler, before the environment and services are looked at. */
export interface FilePooler extends Omit<PoolerConfig, "conninfo"> {
  readonly dsn: Conninfo;
}

export interface FileConfig {
  readonly cluster: string;
  readonly connect: Conninfo;
  readonly nodes: readonly FileNode[];
  readonly poolers: readonly FilePooler[];
  readonly hooks: Hooks | null;
}

/** Safe in file names, on command lines and in messages. */
const safeName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** The TOML parser, behind its own import: help and version never load it. */
export type TomlParser = (text: string) => Readonly<Record<string, unknown>>;

export function readFileConfig(file: TopologyFile, parseToml: TomlParser): FileConfig {
  const document: Table = { file: file.path, path: "", values: parseDocument(file, parseToml) };
  rejectUnknown(document, ["cluster", "connect", "nodes", "poolers", "hooks"]);
  const cluster = textAt(document, "cluster");
  if (cluster === null) {
    throw complaint(document, "cluster is missing", 'begin the file with cluster = "NAME"');
  }
  checkName(document, "cluster", cluster);
  const secrets = { allowed: !file.readableByOthers };
  const connect = readConnect(tableAt(document, "connect"), secrets);
  const nodes = tableAt(document, "nodes");
  const names = Object.keys(nodes?.values ?? {});
  if (nodes === null || names.length === 0) {
    throw complaint(document, "no nodes", "add a [nodes.NAME] table with a dsn for each server");
  }
  return {
    cluster,
    connect,
    nodes: names.map((name) => readNode(nodes, name, secrets)),
    poolers: readPoolers(tableAt(document, "poolers"), names, secrets),
    hooks: readHooks(tableAt(document, "hooks")),
  };
}

function parseDocument(
  file: TopologyFile,
  parseToml: TomlParser,
): Readonly<Record<string, unknown>> {
  try {
    return parseToml(file.text);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { line, column } = error as { line?: unknown; column?: unknown };
    if (typeof line !== "number" || typeof column !== "number") throw error;
    // The rest of the message shows the lines themselves, which may hold a password.
    const [first = ""] = error.message.split("\n");
    const reason = first.replace(/^Invalid TOML document: /, "");
    throw new ConfigError(`${file.path}:${line}:${column}: ${reason}`, "mend the TOML there");
  }
}

function checkName(table: Table, key: string, name: string): void {
  if (safeName.test(name)) return;
  throw complaint(
    table,
    `${pathOf(table, key)} is no usable name`,
    "letters, digits, dots, underscores and hyphens, at most 63, a letter or digit first",
  );
}

interface Secrets {
  readonly allowed: boolean;
}

function readConnect(table: Table | null, secrets: Secrets): Conninfo {
  if (table === null) return {};
  const conninfo: Record<string, string> = {};
  for (const key of Object.keys(table.values)) {
    if (!isKeyword(key)) {
      const near = nearestWord(key, keywords);
      const meant = near === null ? "" : `, did you mean "${near}"?`;
      throw complaint(table, `unknown connection keyword ${pathOf(table, key)}${meant}`);
    }
    checkSecret(table, key, secrets);
    conninfo[key] = wordAt(table, key);
  }
  return conninfo;
}

function checkSecret(table: Table, keyword: string, secrets: Secrets, where = ""): void {
  if (secrets.allowed || !isSecretKeyword(keyword)) return;
  throw complaint(
    table,
    `${where === "" ? pathOf(table, keyword) : `${where} holds a ${keyword}, which`} stands in a file that others may read`,
    `use a password file (passfile), or chmod 600 ${table.file}`,
  );
}

function checkSecretsIn(dsn: Conninfo, table: Table, secrets: Secrets): void {
  for (const keyword of Object.keys(dsn))
    checkSecret(table, keyword, secrets, pathOf(table, "dsn"));
}

function readNode(nodes: Table, name: string, secrets: Secrets): FileNode {
  checkName(nodes, name, name);
  const table = tableAt(nodes, name);
  if (table === null) throw complaint(nodes, `${pathOf(nodes, name)} must be a table`);
  rejectUnknown(table, ["dsn", "promotable", "priority", "replication", "control"]);
  const dsn = conninfoAt(table, "dsn");
  if (dsn === null) {
    throw complaint(table, `node ${name} has no dsn`, 'add dsn = "host=... port=..."');
  }
  checkSecretsIn(dsn, table, secrets);
  return {
    name,
    dsn,
    promotable: flagAt(table, "promotable") ?? true,
    priority: integerAt(table, "priority") ?? 0,
    replication: readReplication(table),
    control: readControl(tableAt(table, "control")),
  };
}

function conninfoAt(table: Table, key: string): Conninfo | null {
  const text = textAt(table, key);
  if (text === null) return null;
  const parsed = parseConninfo(text);
  if (!parsed.ok) throw complaint(table, `${pathOf(table, key)}: ${parsed.message}`);
  return parsed.conninfo;
}

function readReplication(table: Table): Conninfo | null {
  const conninfo = conninfoAt(table, "replication");
  if (conninfo === null) return null;
  for (const keyword of Object.keys(conninfo)) {
    if (["host", "hostaddr", "port"].includes(keyword)) continue;
    throw complaint(
      table,
      `${pathOf(table, "replication")} holds ${keyword}`,
      "it says how other nodes reach this one: host, hostaddr and port only",
    );
  }
  return conninfo;
}

function readControl(table: Table | null): Control | null {
  if (table === null) return null;
  rejectUnknown(table, ["start", "stop", "pg_ctl"]);
  const start = commandAt(table, "start");
  const stop = commandAt(table, "stop");
  const pgCtl = readPgCtl(tableAt(table, "pg_ctl"));
  if (pgCtl !== null && (start !== null || stop !== null)) {
    throw complaint(
      table,
      `${table.path} has pg_ctl and commands of its own`,
      "give either start and stop, or pg_ctl",
    );
  }
  if (pgCtl === null && start === null && stop === null) {
    throw complaint(table, `${table.path} is empty`, "give start and stop, or pg_ctl");
  }
  return { start, stop, pgCtl };
}

function commandAt(table: Table, key: string): string | null {
  const command = textAt(table, key);
  if (command?.trim() === "") throw complaint(table, `${pathOf(table, key)} is empty`);
  return command;
}

function readPgCtl(table: Table | null): Control["pgCtl"] {
  if (table === null) return null;
  rejectUnknown(table, ["bindir", "data"]);
  return { bindir: directoryAt(table, "bindir"), data: directoryAt(table, "data") };
}

function directoryAt(table: Table, key: string): string {
  const path = textAt(table, key);
  if (path === null) throw complaint(table, `${pathOf(table, key)} is missing`);
  if (path.startsWith("/")) return path;
  throw complaint(table, `${pathOf(table, key)} must be an absolute path`);
}

/** Their names stand where a node's may stand, so no name is both. */
function readPoolers(
  poolers: Table | null,
  nodes: readonly string[],
  secrets: Secrets,
): readonly FilePooler[] {
  if (poolers === null) return [];
  return Object.keys(poolers.values).map((name) => {
    if (nodes.includes(name)) throw complaint(poolers, `${name} is a node and a pooler`);
    return readPooler(poolers, name, secrets);
  });
}

function readPooler(poolers: Table, name: string, secrets: Secrets): FilePooler {
  checkName(poolers, name, name);
  const table = tableAt(poolers, name);
  if (table === null) throw complaint(poolers, `${pathOf(poolers, name)} must be a table`);
  rejectUnknown(table, ["dsn", "reconfigure", "databases", "pause_timeout"]);
  const dsn = conninfoAt(table, "dsn");
  if (dsn === null) {
    const hint = 'add dsn = "host=... port=6432", of its admin console';
    throw complaint(table, `pooler ${name} has no dsn`, hint);
  }
  checkSecretsIn(dsn, table, secrets);
  const seconds = integerAt(table, "pause_timeout") ?? 5;
  if (seconds < 1 || seconds > 3600) {
    throw complaint(table, `${pathOf(table, "pause_timeout")} must be 1 to 3600, in seconds`);
  }
  return {
    name,
    dsn,
    reconfigure: commandAt(table, "reconfigure"),
    databases: databasesAt(table),
    pauseTimeoutMs: seconds * 1000,
  };
}

/** The console takes names of up to 63 bytes, and its own database cannot be paused. */
function databasesAt(table: Table): readonly string[] {
  const names = textsAt(table, "databases");
  if (names === null) return [];
  const where = pathOf(table, "databases");
  if (names.length === 0) throw complaint(table, `${where} is empty`, "leave it out for all");
  const wrong = names.find((name) => name === "pgbouncer" || !/^[\x21-\x7e]{1,60}$/.test(name));
  if (wrong !== undefined) throw complaint(table, `${where}: "${wrong}" cannot be paused`);
  return names;
}
