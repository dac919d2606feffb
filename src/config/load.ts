// The cluster to work on: the topology file, or the hosts of --dsn, with libpq's environment, services and defaults
// laid under every node. The environment is an argument. A password on the command line is refused: argv is public.

import { formatAddress, parseHosts } from "../conninfo/hosts.ts";
import type { Address, Conninfo } from "../conninfo/conninfo.ts";
import { isSecretKeyword } from "../conninfo/keywords.ts";
import { parseConninfo } from "../conninfo/parse.ts";
import { ConfigError, UsageError } from "../errors.ts";
import type { ClusterConfig, NodeConfig } from "../topology/node.ts";
import type { PoolerConfig } from "../topology/pooler.ts";
import { type FileConfig, type FileNode, type FilePooler, readFileConfig } from "./file-config.ts";
import { findTopologyFile, type Surroundings } from "./find-file.ts";
import { completeConninfo } from "./layers.ts";

export interface ClusterWish extends Surroundings {
  /** --config */
  readonly config?: string | undefined;
  /** --cluster */
  readonly cluster?: string | undefined;
  /** --dsn */
  readonly dsn?: string | undefined;
}

/** Throws ConfigError for what is wrong in file, environment or connection string, UsageError for contradicting options. */
export async function loadCluster(wish: ClusterWish): Promise<ClusterConfig> {
  if (wish.dsn === undefined) return await loadFile(wish);
  if (wish.config !== undefined || wish.cluster !== undefined) {
    throw new UsageError("--dsn describes the cluster by itself, without --config or --cluster");
  }
  return await adHocCluster(wish.dsn, wish);
}

async function loadFile(wish: ClusterWish): Promise<ClusterConfig> {
  if (wish.cluster !== undefined && !/^[\w.-]+$/.test(wish.cluster)) {
    throw new ConfigError(`"${wish.cluster}" is no cluster name`);
  }
  const { parse } = await import("smol-toml");
  const names = (text: string): string | null => clusterNamed(text, parse);
  const file = await findTopologyFile(wish, wish, names);
  const config = readFileConfig(file, parse);
  if (wish.cluster !== undefined && wish.cluster !== config.cluster) {
    throw new ConfigError(
      `${file.path} describes cluster "${config.cluster}", not "${wish.cluster}"`,
    );
  }
  const nodes: NodeConfig[] = [];
  for (const node of config.nodes) {
    nodes.push(await completeNode(node, config, { file: file.path, around: wish }));
  }
  rejectSamePlace(nodes, file.path);
  const poolers: PoolerConfig[] = [];
  for (const pooler of config.poolers) {
    poolers.push(await completePooler(pooler, config, { file: file.path, around: wish }));
  }
  const { cluster: name, hooks } = config;
  return {
    name,
    file: file.path,
    nodes,
    ...(poolers.length === 0 ? {} : { poolers }),
    ...(hooks === null ? {} : { hooks }),
  };
}

/** What of [connect] holds for a pooler too: who we are. The rest is about servers, and its console knows little of it. */
const sharedWithPoolers = ["user", "passfile", "connect_timeout"];

/** What a console would refuse. */
const serverOnly = ["options", "target_session_attrs", "load_balance_hosts"];

async function completePooler(
  { dsn, ...pooler }: FilePooler,
  config: FileConfig,
  place: { readonly file: string; readonly around: Surroundings },
): Promise<PoolerConfig> {
  const { file, around } = place;
  const shared = Object.entries(config.connect).filter(([key]) => sharedWithPoolers.includes(key));
  const written = { dsn: { dbname: "pgbouncer", ...dsn }, connect: Object.fromEntries(shared) };
  const conninfo = await completeConninfo(written, around);
  const hosts = parseHosts(conninfo);
  const where = `${file}: pooler ${pooler.name}`;
  if (!hosts.ok) throw new ConfigError(`${where}: ${hosts.message}`);
  if (hosts.addresses.length > 1) {
    throw new ConfigError(`${where}: several hosts`, "give every pooler a table of its own");
  }
  const kept = Object.entries(conninfo).filter(([keyword]) => !serverOnly.includes(keyword));
  return { ...pooler, conninfo: Object.fromEntries(kept) };
}

/** The cluster's name in a file that is only asked for it; a file that is broken is complained about when it is read. */
function clusterNamed(text: string, parse: (text: string) => TomlDocument): string | null {
  try {
    const { cluster } = parse(text);
    return typeof cluster === "string" ? cluster : null;
  } catch {
    return null;
  }
}

type TomlDocument = Readonly<Record<string, unknown>>;

async function completeNode(
  node: FileNode,
  config: FileConfig,
  place: { readonly file: string; readonly around: Surroundings },
): Promise<NodeConfig> {
  const { file, around } = place;
  const conninfo = await completeConninfo({ dsn: node.dsn, connect: config.connect }, around);
  const where = `${file}: node ${node.name}`;
  const address = onlyAddress(conninfo, where);
  for (const keyword of ["target_session_attrs", "load_balance_hosts"]) {
    const value = conninfo[keyword];
    if (value === undefined || value === "any" || value === "disable") continue;
    throw new ConfigError(
      `${where}: ${keyword}=${value} chooses between servers, and a node is one server`,
      `remove ${keyword}`,
    );
  }
  return {
    name: node.name,
    conninfo,
    promotable: node.promotable,
    priority: node.priority,
    replication: replicationAddress(node.replication, address, where),
    control: node.control,
  };
}

function onlyAddress(conninfo: Conninfo, where: string): Address {
  const hosts = parseHosts(conninfo);
  if (!hosts.ok) throw new ConfigError(`${where}: ${hosts.message}`);
  const [address, ...others] = hosts.addresses;
  if (address === undefined || others.length > 0) {
    throw new ConfigError(
      `${where}: several hosts, and a node is one server`,
      "give every host a [nodes.NAME] table of its own",
    );
  }
  return address;
}

/** How other nodes reach this one: what `replication` says, the rest from the dsn. */
function replicationAddress(given: Conninfo | null, dsn: Address, where: string): Address {
  if (given === null) return dsn;
  const placed = (given["host"] ?? given["hostaddr"] ?? "") !== "";
  return onlyAddress(
    {
      ...(placed ? {} : { host: dsn.host, hostaddr: dsn.hostaddr ?? "" }),
      port: String(dsn.port),
      ...given,
    },
    `${where}: replication`,
  );
}

function rejectSamePlace(nodes: readonly NodeConfig[], file: string): void {
  const seen = new Map<string, string>();
  for (const { name, conninfo } of nodes) {
    const { host, hostaddr, port } = onlyAddress(conninfo, name);
    const place = `${hostaddr ?? host}:${port}`;
    const other = seen.get(place);
    if (other !== undefined) {
      throw new ConfigError(`${file}: nodes ${other} and ${name} are both at ${place}`);
    }
    seen.set(place, name);
  }
}

/** Every host of a connection string as a node of its own, named host:port. */
async function adHocCluster(dsn: string, around: Surroundings): Promise<ClusterConfig> {
  const parsed = parseConninfo(dsn);
  if (!parsed.ok) throw new ConfigError(`--dsn: ${parsed.message}`);
  rejectSecrets(parsed.conninfo);
  const complete = await completeConninfo({ dsn: parsed.conninfo, connect: {} }, around);
  const hosts = parseHosts(complete);
  if (!hosts.ok) throw new ConfigError(`--dsn: ${hosts.message}`);
  const nodes = hosts.addresses.map((address) => adHocNode(address, complete));
  const names = nodes.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ConfigError(`--dsn names ${twice} twice`);
  return { name: "ad-hoc", file: null, nodes };
}

/** The keywords that choose between hosts say nothing here: every host is looked at. */
const choosing = new Set([
  "host",
  "hostaddr",
  "port",
  "target_session_attrs",
  "load_balance_hosts",
]);

function adHocNode(address: Address, complete: Conninfo): NodeConfig {
  const kept = Object.entries(complete).filter(([keyword]) => !choosing.has(keyword));
  return {
    name: formatAddress(address),
    conninfo: {
      ...Object.fromEntries(kept),
      ...(address.host === "" ? {} : { host: address.host }),
      ...(address.hostaddr === null ? {} : { hostaddr: address.hostaddr }),
      port: String(address.port),
    },
    promotable: true,
    priority: 0,
    replication: address,
    control: null,
  };
}

function rejectSecrets(conninfo: Conninfo): void {
  const secret = Object.keys(conninfo).find(isSecretKeyword);
  if (secret === undefined) return;
  throw new ConfigError(
    `--dsn holds a ${secret}, and everybody on this machine can read command lines`,
    "give it in PGPASSWORD, a password file (~/.pgpass, passfile=FILE) or a service (PGSERVICEFILE)",
  );
}
