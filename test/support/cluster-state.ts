// What the servers of a test cluster hold, asked of them and of their files directly, and not through the program.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import { expect } from "vitest";
import { type Operator, nodeIn } from "./cli.ts";
import type { TestCluster, TestServer } from "./cluster.ts";

/** An open session of the operator's superuser. */
async function connected(server: TestServer): Promise<Client> {
  const client = new Client(server.clientConfig());
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function columnOf(client: Client, statement: string): Promise<readonly string[]> {
  const { rows } = await client.query<unknown[]>({ text: statement, rowMode: "array" });
  return rows.map((row) => String(row[0]));
}

/** Runs statements in one session; gives the first column of the last one's rows, as text. */
export async function sql(
  server: TestServer,
  ...statements: readonly string[]
): Promise<readonly string[]> {
  const client = await connected(server);
  try {
    let column: readonly string[] = [];
    for (const statement of statements) column = await columnOf(client, statement);
    return column;
  } finally {
    await client.end();
  }
}

/** Waits until the statement's first value on every named server is this one. */
export async function untilSees(
  cluster: TestCluster,
  names: readonly string[],
  wanted: { readonly statement: string; readonly value: string },
): Promise<void> {
  for (const name of names) await untilShows(cluster.server(name), wanted);
}

/** Asks over one session for as long as it lasts: logging in costs the server more than the answer. */
async function untilShows(
  server: TestServer,
  { statement, value }: { readonly statement: string; readonly value: string },
): Promise<void> {
  const until = performance.now() + 15_000;
  let client: Client | null = null;
  try {
    for (;;) {
      let shown: string;
      try {
        client ??= await connected(server);
        shown = (await columnOf(client, statement))[0] ?? "no row";
      } catch (error) {
        // A server on its way up lets nobody in: that is one more thing that it does not show yet.
        shown = error instanceof Error ? error.message : String(error);
        void client?.end().catch(() => undefined);
        client = null;
      }
      if (shown === value) return;
      if (performance.now() > until) throw new Error(`${server.name}: ${statement}: ${shown}`);
      await setTimeout(20);
    }
  } finally {
    await client?.end().catch(() => undefined);
  }
}

/** Makes `rows (n int)` on the primary with the numbers up to `count`, and waits until the standbys have it. */
export async function makeRows(
  cluster: TestCluster,
  primary: string,
  count: number,
): Promise<void> {
  await sql(
    cluster.server(primary),
    "CREATE TABLE IF NOT EXISTS rows (n int)",
    `INSERT INTO rows SELECT generate_series(1, ${count})`,
  );
}

export const countRows = "SELECT count(*) FROM rows";

/** postgresql.auto.conf: what ALTER SYSTEM wrote, each line to the letter. It moves what it changes to the end of the
 * file, so the order of the lines says nothing. */
export function autoSettings(server: TestServer): readonly string[] {
  return readFileSync(join(server.dataDir, "postgresql.auto.conf"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .toSorted();
}

/** The settings of all servers by name, also of those that are down. */
export function allSettings(cluster: TestCluster): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(cluster.servers.map((server) => [server.name, autoSettings(server)]));
}

/** The slots of the named servers by name. */
export async function slotsOf(
  cluster: TestCluster,
  names: readonly string[],
): Promise<Readonly<Record<string, readonly string[]>>> {
  const statement = "SELECT slot_name FROM pg_replication_slots ORDER BY 1";
  const entries = await Promise.all(
    names.map(async (name) => [name, await sql(cluster.server(name), statement)] as const),
  );
  return Object.fromEntries(entries);
}

/** Everything of a server that a look at it must leave as it is. */
export async function fullState(server: TestServer): Promise<Readonly<Record<string, unknown>>> {
  const asked = [
    "pg_is_in_recovery()",
    "pg_last_wal_receive_lsn()",
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END",
    "(SELECT timeline_id FROM pg_control_checkpoint())",
    "(SELECT json_agg(s ORDER BY slot_name)::text FROM pg_replication_slots s)",
    "(SELECT max(received_tli) FROM pg_stat_wal_receiver)",
    // No reload either.
    "pg_conf_load_time()",
  ];
  const [state] = await sql(server, `SELECT json_build_array(${asked.join(", ")})::text`);
  return {
    state,
    autoConf: readFileSync(join(server.dataDir, "postgresql.auto.conf"), "utf8"),
    files: readdirSync(server.dataDir).toSorted(),
    wal: readdirSync(join(server.dataDir, "pg_wal")).toSorted(),
  };
}

export interface Led {
  readonly by: string;
  readonly timeline: number;
  /** Standby to its upstream. */
  readonly followers: Readonly<Record<string, string>>;
  /** Node to slots there that nobody uses, and that no failover made. */
  readonly idle?: Readonly<Record<string, readonly string[]>>;
  /** A former primary that stays up, and takes no writes. */
  readonly fenced?: string;
}

let sights = 0;

/** Sees that the node leads on that timeline, that a row written to it now reaches each follower through its upstream, and
 * that nothing of a change is left: no marks, no slots but those that are in use. */
export async function expectLed(
  cluster: TestCluster,
  operator: Operator,
  { by, timeline, followers, idle = {}, fenced }: Led,
): Promise<void> {
  const names = Object.keys(followers);
  sights += 1;
  const table = `after_${sights}`;
  await sql(cluster.server(by), `CREATE TABLE ${table} AS SELECT 1 AS n`);
  await untilSees(cluster, names, {
    statement: `SELECT to_regclass('${table}') IS NOT NULL`,
    value: "true",
  });
  const { report } = await operator.ask("status");
  expect(report.topology?.primaries).toEqual(fenced === undefined ? [by] : [by, fenced]);
  if (fenced !== undefined) expect(nodeIn(report, fenced).fenced).toBe(true);
  const seen = [by, ...names].map((name) => {
    const { upstream, streaming, quiesced, repointing, slots, ...node } = nodeIn(report, name);
    const unused = slots.filter((slot) => !slot.active).map((slot) => slot.slotName);
    return {
      name,
      upstream,
      streaming,
      timeline: node.timeline,
      marks: [quiesced, repointing],
      idle: unused,
    };
  });
  const clean = { timeline, marks: [false, null] };
  expect(seen).toEqual([
    { name: by, upstream: null, streaming: null, idle: idle[by] ?? [], ...clean },
    ...names.map((name) => ({
      name,
      upstream: followers[name],
      streaming: true,
      idle: idle[name] ?? [],
      ...clean,
    })),
  ]);
}
