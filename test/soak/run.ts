// Plays one scene on real servers and holds the outcome against what must always be true: never two nodes that take
// writes, no row lost that a node had which let the operator in, none at all where the failover called it proven, every
// standby follows in the end, and an exit status that said what was so.

import type { ChildProcess } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import { acknowledgedNumbers } from "../../src/sandbox/ledger.ts";
import { ledgerTable, startWorkload, type Workload } from "../../src/sandbox/workload.ts";
import { type CliReport, type Operator, operatorOf } from "../support/cli.ts";
import { startCluster, type TestCluster, type TestServer } from "../support/cluster.ts";
import type { Scene } from "./scene.ts";

export interface Played {
  readonly acknowledged: number;
  /** Acknowledged, and on no node in the end. */
  readonly lost: number;
  readonly guarantee: string;
  /** Exit statuses (or signals) of the failovers, in order. */
  readonly statuses: readonly (number | string)[];
  readonly violations: readonly string[];
}

async function query(server: TestServer, sql: string): Promise<readonly unknown[]> {
  const client = new Client({
    ...server.clientConfig(),
    connectionTimeoutMillis: 2000,
    query_timeout: 5000,
  });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: "array" });
    return rows.map((row) => row[0]);
  } finally {
    await client.end();
  }
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await setTimeout(20);
  }
}

/** The numbers that a standby has, once it has replayed all that it received whole. */
async function numbersOn(server: TestServer): Promise<ReadonlySet<number>> {
  let last: unknown = null;
  let same = 0;
  await until(`replay of ${server.name}`, async () => {
    const [now] = await query(server, "SELECT pg_last_wal_replay_lsn()::text");
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= 8;
  });
  const rows = await query(server, `SELECT number FROM ${ledgerTable}`);
  return new Set(rows.map(Number));
}

function standbysOf(cluster: TestCluster): readonly TestServer[] {
  return cluster.servers.filter(({ name }) => name !== "n1");
}

async function writeRows(cluster: TestCluster, scene: Scene): Promise<Workload> {
  const n1 = cluster.server("n1");
  await query(n1, `CREATE TABLE ${ledgerTable} (number bigint PRIMARY KEY, payload text)`);
  await query(n1, `ALTER TABLE ${ledgerTable} OWNER TO app`);
  if (scene.synchronous !== "") {
    await query(n1, `ALTER SYSTEM SET synchronous_standby_names = '${scene.synchronous}'`);
    await query(n1, "SELECT pg_reload_conf()");
  }
  const [node] = cluster.config.nodes;
  if (node === undefined) throw new Error("no primary");
  const conninfo = { ...node.conninfo, user: "app" };
  const client = startWorkload({
    nodes: [{ name: "n1", conninfo }],
    everyMs: 2,
    rowsPerCommit: scene.rowsPerCommit,
  });
  await client.waitForMore(20, { timeoutMs: 20_000 });
  if (scene.lagging.length > 0) await cluster.cut(...scene.lagging);
  await client.waitForMore(20, { timeoutMs: 20_000 });
  return client;
}

async function losePrimary(cluster: TestCluster, scene: Scene): Promise<void> {
  const n1 = cluster.server("n1");
  if (scene.end === "killed") await n1.kill();
  if (scene.end === "stopped") await n1.stop("immediate");
  if (scene.end === "frozen") await n1.freeze();
  if (scene.lagging.length > 0) await cluster.join(...scene.lagging);
}

/** Makes its trouble once the failover has run so long. */
async function disturb(cluster: TestCluster, scene: Scene, child: ChildProcess): Promise<void> {
  const { disturbance } = scene;
  if (disturbance.kind === "none") return;
  await setTimeout(disturbance.atMs);
  switch (disturbance.kind) {
    case "operator-killed":
      child.kill("SIGKILL");
      return;
    case "interrupted":
      child.kill("SIGINT");
      return;
    case "server-killed":
      return cluster.server(disturbance.node).kill();
    case "server-frozen":
      return cluster.server(disturbance.node).freeze();
    case "replication-cut":
      return cluster.cut(disturbance.node);
  }
}

async function repair(cluster: TestCluster, { disturbance }: Scene): Promise<void> {
  if (disturbance.kind === "server-killed") await cluster.server(disturbance.node).start();
  if (disturbance.kind === "server-frozen") await cluster.server(disturbance.node).thaw();
  if (disturbance.kind === "replication-cut") await cluster.join(disturbance.node);
}

const failover = ["failover", "--primary-is-dead", "--yes", "--json", "--patience", "1s"] as const;

interface Attempt {
  readonly status: number | string;
  readonly report: CliReport | null;
}

async function attempt(
  operator: Operator,
  onStart: (child: ChildProcess) => Promise<void>,
): Promise<Attempt> {
  const trouble: Promise<void>[] = [];
  const result = await operator.run([...failover, "--timeout", "20s"], {
    onStart: (child) => {
      trouble.push(onStart(child));
    },
  });
  await Promise.all(trouble);
  const report = result.stdout === "" ? null : (JSON.parse(result.stdout) as CliReport);
  return { status: result.status ?? result.signal ?? "nothing", report };
}

async function writable(cluster: TestCluster): Promise<readonly string[]> {
  const seen = await Promise.all(
    standbysOf(cluster).map(async (server) => {
      const [recovering] = await query(server, "SELECT pg_is_in_recovery()").catch(() => [true]);
      return recovering === false ? [server.name] : [];
    }),
  );
  return seen.flat();
}

/** Every standby gets a row that is written to the leader now. */
async function whoDoesNotFollow(cluster: TestCluster, leader: string): Promise<readonly string[]> {
  await query(cluster.server(leader), "CREATE TABLE afterwards AS SELECT 1 AS n");
  const others = standbysOf(cluster).filter(({ name }) => name !== leader);
  const astray = await Promise.all(
    others.map(async (server) => {
      const arrived = async (): Promise<boolean> => {
        const [there] = await query(server, "SELECT to_regclass('afterwards') IS NOT NULL");
        return there === true;
      };
      return until(server.name, arrived).then(
        () => [],
        () => [server.name],
      );
    }),
  );
  return astray.flat();
}

/** A signal that comes before the program is on duty ends it as it ends any other, with nothing begun. */
function mayEnd({ disturbance: { kind } }: Scene, status: Attempt["status"] | undefined): boolean {
  if (kind === "none") return status === 0;
  if (kind === "operator-killed" && status === "SIGKILL") return true;
  if (kind === "interrupted" && status === "SIGINT") return true;
  return [0, 4, 5, 6, 7, 8].some((told) => told === status);
}

export async function play(scene: Scene): Promise<Played> {
  await using cluster = await startCluster(scene);
  const client = await writeRows(cluster, scene);
  const operator = operatorOf(cluster);
  if (scene.looked) await operator.ask("status");
  await losePrimary(cluster, scene);
  await client.stop();
  const had = await Promise.all(standbysOf(cluster).map(numbersOn));
  const survived = new Set(had.flatMap((numbers) => [...numbers]));

  const attempts = [await attempt(operator, (child) => disturb(cluster, scene, child))];
  const violations: string[] = [];
  const first = attempts[0]?.status;
  if (!mayEnd(scene, first)) violations.push(`exit status ${String(first)}`);
  if ((await writable(cluster)).length > 1) violations.push("two nodes take writes");
  await repair(cluster, scene);
  const other = operatorOf(cluster, { desk: "other" });
  while (attempts.at(-1)?.status !== 0 && attempts.length < 4) {
    attempts.push(await attempt(other, () => Promise.resolve()));
  }
  const last = attempts.at(-1);
  if (last?.status !== 0) violations.push(`not finished: ${last?.report?.summary ?? "no report"}`);
  return await judge(cluster, { client, survived, attempts, violations });
}

async function judge(
  cluster: TestCluster,
  seen: {
    readonly client: Workload;
    readonly survived: ReadonlySet<number>;
    readonly attempts: readonly Attempt[];
    readonly violations: readonly string[];
  },
): Promise<Played> {
  const violations = [...seen.violations];
  const [leader, ...more] = await writable(cluster);
  if (more.length > 0) violations.push(`${[leader, ...more].join(" and ")} take writes`);
  const numbers = acknowledgedNumbers(seen.client.acknowledgements);
  const guarantee = seen.attempts[0]?.report?.plan?.guarantee?.kind ?? "none";
  let lost = 0;
  if (leader === undefined) violations.push("nobody takes writes");
  else {
    const present = new Set(
      (await query(cluster.server(leader), `SELECT number FROM ${ledgerTable}`)).map(Number),
    );
    const gone = [...seen.survived].filter((number) => !present.has(number));
    if (gone.length > 0) violations.push(`${gone.length} rows that a standby had are gone`);
    lost = numbers.filter((number) => !present.has(number)).length;
    if (lost > 0 && guarantee === "proven") violations.push(`${lost} rows lost, called proven`);
    const astray = await whoDoesNotFollow(cluster, leader);
    if (astray.length > 0) violations.push(`${astray.join(", ")} do not follow ${leader}`);
  }
  return {
    acknowledged: numbers.length,
    lost,
    guarantee,
    statuses: seen.attempts.map(({ status }) => status),
    violations,
  };
}
