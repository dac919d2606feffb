// One failover measured from outside: from the start of the command to the first acknowledged write of a client that
// keeps trying on the candidate, and to the moment when every standby streams from it.

import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { timeCommand } from "./measure.ts";

export interface Times {
  /** Milliseconds from the command's start. */
  readonly firstWrite: number;
  readonly allStreaming: number | null;
}

async function until(condition: () => Promise<boolean>, pauseMs: number): Promise<void> {
  while (!(await condition())) await setTimeout(pauseMs);
}

async function client(cluster: TestCluster, node: string): Promise<pg.Client> {
  const made = new pg.Client(cluster.server(node).clientConfig());
  await made.connect();
  return made;
}

async function count(connection: pg.Client, sql: string): Promise<number> {
  const { rows } = await connection.query<{ n: string }>(sql);
  return Number(rows[0]?.n ?? 0);
}

/** SIGKILL to the primary, then until no standby has a receiver. */
async function losePrimary(cluster: TestCluster, standbys: readonly pg.Client[]): Promise<void> {
  await cluster.server("n1").kill();
  for (const standby of standbys) {
    await until(
      async () => (await count(standby, "SELECT count(*) AS n FROM pg_stat_wal_receiver")) === 0,
      5,
    );
  }
}

async function writeOnce(connection: pg.Client): Promise<boolean> {
  try {
    await connection.query("INSERT INTO bench VALUES (1)");
    return true;
  } catch {
    return false;
  }
}

/** Measures one command on a fresh cluster; it must make n2 the primary. */
export async function measureFailover(options: {
  readonly major: number;
  readonly standbys: number;
  readonly command: (cluster: TestCluster) => readonly string[];
  readonly awaitStandbys: boolean;
}): Promise<Times> {
  await using cluster = await startCluster(options);
  const names = cluster.servers.map((server) => server.name).filter((name) => name !== "n1");
  const primary = await client(cluster, "n1");
  primary.on("error", () => undefined);
  await primary.query("CREATE TABLE bench (n int)");
  const standbys = await Promise.all(names.map((name) => client(cluster, name)));
  const [writer, watcher] = await Promise.all([client(cluster, "n2"), client(cluster, "n2")]);
  await losePrimary(cluster, standbys);
  const began = performance.now();
  const running = timeCommand(options.command(cluster));
  await until(() => writeOnce(writer), 1);
  const firstWrite = performance.now() - began;
  let allStreaming: number | null = null;
  if (options.awaitStandbys) {
    const sql = "SELECT count(*) AS n FROM pg_stat_replication WHERE state = 'streaming'";
    await until(async () => (await count(watcher, sql)) === names.length - 1, 2);
    allStreaming = performance.now() - began;
  }
  await running;
  await Promise.all([...standbys, writer, watcher].map((connection) => connection.end()));
  return { firstWrite, allStreaming };
}
