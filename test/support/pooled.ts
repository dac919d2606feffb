// PgBouncer between clients and a test cluster, in transaction mode, with passwords: its topology file, and clients that
// commit through it in a loop and count every error.

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { changedConfig } from "./cli.ts";
import type { TestCluster, TestServer } from "./cluster.ts";
import { poolerProgram } from "./pooler.ts";
import { closedPort } from "./strangers.ts";

/** Of the pooler's administrator: must not show anywhere. */
export const poolerSecret = "console'secret%";

export interface AppPooler extends AsyncDisposable {
  readonly port: number;
  /** pgbouncer.ini. */
  readonly file: string;
  /** A client's way in. */
  readonly client: { host: string; port: number; user: string; password: string; database: string };
  /** Gives the rows of a command on the console. */
  ask(command: string): Promise<readonly Record<string, unknown>[]>;
  /** Whether clients wait. */
  isPaused(): Promise<boolean>;
  kill(): Promise<void>;
}

const listens = async (port: number): Promise<boolean> => {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

/** Leads `app` to that server, until its file says otherwise. */
export async function startAppPooler(
  server: TestServer,
  settings: readonly string[] = [],
): Promise<AppPooler> {
  const directory = mkdtempSync(join(tmpdir(), "remaster-pooled-"));
  const port = await closedPort();
  const { password } = server.clientConfig("app");
  const file = join(directory, "pgbouncer.ini");
  const users = join(directory, "users");
  const text = [
    "[databases]",
    `app = host=127.0.0.1 port=${server.port} dbname=postgres user=app password=${password}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = scram-sha-256",
    `auth_file = ${users}`,
    "admin_users = keeper",
    "stats_users = watcher",
    "pool_mode = transaction",
    ...settings,
    "",
  ];
  writeFileSync(file, text.join("\n"));
  const credentials = { keeper: poolerSecret, watcher: poolerSecret, app: password };
  const lines = Object.entries(credentials).map(([user, secret]) => `"${user}" "${secret}"`);
  writeFileSync(users, `${lines.join("\n")}\n`);
  const { uid, gid } = statSync(server.dataDir);
  for (const path of [directory, file, users]) chownSync(path, uid, gid);
  const child = spawn(poolerProgram, [file], {
    stdio: "ignore",
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  });
  while (!(await listens(port))) await delay(20);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  const ask = async (command: string): Promise<readonly Record<string, unknown>[]> => {
    const place = { host: "127.0.0.1", port, database: "pgbouncer" };
    const client = new Client({ ...place, user: "keeper", password: poolerSecret });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(command)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    port,
    file,
    client: { host: "127.0.0.1", port, user: "app", password, database: "app" },
    ask,
    isPaused: () =>
      ask("PAUSE pgbouncer").then(
        () => true,
        (error: unknown) => /already suspended\/paused/.test(String(error)),
      ),
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Rewrites the ini as an operator's own script would. */
export function rewriting({ file }: AppPooler): string {
  return `sed -i "s/port=[0-9]*/port=$REMASTER_PRIMARY_PORT/" ${file}`;
}

export interface PoolerLines {
  readonly user?: string;
  readonly password?: string;
  readonly reconfigure?: string;
  readonly more?: readonly string[];
}

/** The cluster's topology file with the pooler in it. */
export function pooledConfig(
  cluster: TestCluster,
  pooler: AppPooler,
  { user = "keeper", password = poolerSecret, reconfigure, more = [] }: PoolerLines = {},
): string {
  const quoted = password.replaceAll("'", "\\\\'");
  const lines = [
    "",
    "[poolers.bouncer]",
    `dsn = "host=127.0.0.1 port=${pooler.port} user=${user} password='${quoted}'"`,
    `reconfigure = '''${reconfigure ?? rewriting(pooler)}'''`,
    ...more,
    "",
  ];
  const file = changedConfig(cluster, "pooled", (text) => text + lines.join("\n"));
  chmodSync(file, 0o600);
  return file;
}

/** Where the file of the pooler leads `app` to. */
export function leadsTo({ file }: AppPooler): number {
  return Number(/^app = .*? port=(\d+)/m.exec(readFileSync(file, "utf8"))?.[1]);
}

export interface PooledClients extends AsyncDisposable {
  readonly errors: readonly string[];
  /** Numbers whose commit was acknowledged. */
  readonly acknowledged: readonly number[];
  /** The longest transaction so far, milliseconds. */
  readonly longest: number;
  waitForMore(commits: number): Promise<void>;
  stop(): Promise<void>;
}

/** Each commits a row at a time, on one connection for as long as that lasts. The table is `pooled (n int)`. */
export async function startPooledClients(pooler: AppPooler, count: number): Promise<PooledClients> {
  const errors: string[] = [];
  const acknowledged: number[] = [];
  let longest = 0;
  let next = 0;
  let over = false;
  const inUse = new Set<Client>();
  const open = async (): Promise<Client> => {
    const client = new Client(pooler.client);
    client.on("error", () => undefined);
    await client.connect();
    inUse.add(client);
    return client;
  };
  const work = async (first: Client): Promise<void> => {
    let client: Client | null = first;
    while (!over) {
      const number = (next += 1);
      const began = performance.now();
      try {
        client ??= await open();
        await client.query("BEGIN");
        await client.query("INSERT INTO pooled VALUES ($1)", [number]);
        await client.query("COMMIT");
        acknowledged.push(number);
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error));
        if (client !== null) inUse.delete(client);
        void client?.end().catch(() => undefined);
        client = null;
        await delay(20);
      }
      longest = Math.max(longest, performance.now() - began);
      await delay(5);
    }
    await client?.end();
  };
  const clients = await Promise.all(Array.from({ length: count }, open));
  const working = Promise.all(clients.map(work));
  const stop = async (): Promise<void> => {
    over = true;
    // Where a test failed they may be waiting for ever.
    const late = setTimeout(() => {
      for (const client of inUse) void client.end().catch(() => undefined);
    }, 5_000);
    await working;
    clearTimeout(late);
  };
  return {
    errors,
    acknowledged,
    get longest() {
      return Math.round(longest);
    },
    async waitForMore(commits) {
      const goal = acknowledged.length + commits;
      const until = performance.now() + 20_000;
      while (acknowledged.length < goal) {
        if (performance.now() > until) throw new Error(`no more commits: ${errors.join("; ")}`);
        await delay(5);
      }
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
