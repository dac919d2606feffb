// Plays one scene on real servers and holds the outcome against what must always be true: never two nodes that take
// writes, no row lost that a node had which let the operator in, none at all where the failover called it proven, every
// standby follows in the end, an exit status that said what was so, and an undo that leaves every setting as it was.

import type { ChildProcess } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import { acknowledgedNumbers } from "../../src/sandbox/ledger.ts";
import { ledgerTable, startWorkload, type Workload } from "../../src/sandbox/workload.ts";
import { type CliReport, type Operator, operatorOf } from "../support/cli.ts";
import { allSettings } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, type TestServer } from "../support/cluster.ts";
import { watchWriters } from "../support/writers.ts";
import type { Scene } from "./scene.ts";

export interface Played {
  readonly acknowledged: number;
  /** Acknowledged, and on no node in the end. */
  readonly lost: number;
  readonly guarantee: string;
  /** Exit statuses (or signals) of the failovers, in order, and of the undo. */
  readonly statuses: readonly string[];
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

/** Exit statuses that say that nothing is changed, or changed back. */
const unchanged: readonly (number | string)[] = [4, 5, 6, 7];

/** What the failover left behind goes, and every setting is what it was; a promotion is not taken back, and said to be none. */
async function takeBack(
  cluster: TestCluster,
  operator: Operator,
  before: string,
): Promise<{ readonly status: number | null; readonly violations: readonly string[] }> {
  const { status, report } = await operator.change("undo");
  const violations = [0, 5].some((told) => told === status)
    ? []
    : [`undo: ${String(status)}, ${report.summary}`];
  if (status !== 0 || (await writable(cluster)).length > 0) return { status, violations };
  const isBack = settingsOf(cluster) === before;
  return {
    status,
    violations: isBack ? violations : ["undone, and settings are not what they were"],
  };
}

function settingsOf(cluster: TestCluster): string {
  return JSON.stringify(allSettings(cluster));
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
  const before = settingsOf(cluster);
  await using writers = watchWriters(cluster, ["n1"]);

  const attempts = [await attempt(operator, (child) => disturb(cluster, scene, child))];
  const statuses = [String(attempts[0]?.status)];
  const violations: string[] = [];
  const first = attempts[0]?.status ?? "nothing";
  if (!mayEnd(scene, first)) violations.push(`exit status ${String(first)}`);
  if (unchanged.includes(first) && settingsOf(cluster) !== before) {
    violations.push(`exit status ${String(first)}, and settings are not what they were`);
  }
  await repair(cluster, scene);
  const other = operatorOf(cluster, { desk: "other" });
  if (scene.undone && first !== 0) {
    const undone = await takeBack(cluster, other, before);
    statuses.push(`undo ${String(undone.status)}`);
    violations.push(...undone.violations);
  }
  while (attempts.at(-1)?.status !== 0 && attempts.length < 4) {
    attempts.push(await attempt(other, () => Promise.resolve()));
    statuses.push(String(attempts.at(-1)?.status));
  }
  const last = attempts.at(-1);
  if (last?.status !== 0) violations.push(`not finished: ${last?.report?.summary ?? "no report"}`);
  if ((await writers.most()) > 1) violations.push("two nodes took writes");
  const judged = await judge(cluster, { client, survived, attempts });
  return { ...judged, statuses, violations: [...violations, ...judged.violations] };
}

async function judge(
  cluster: TestCluster,
  seen: {
    readonly client: Workload;
    readonly survived: ReadonlySet<number>;
    readonly attempts: readonly Attempt[];
  },
): Promise<Omit<Played, "statuses">> {
  const violations: string[] = [];
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
    violations,
  };
}
