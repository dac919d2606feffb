// Looks at the servers of a test cluster, and waits until a look shows what a test needs to begin.

import { expect, vi } from "vitest";
import { observeNode } from "../../src/postgres/observe.ts";
import type { NodeConfig, Observation, ReachedNode } from "../../src/topology/node.ts";
import type { TestCluster } from "./cluster.ts";
import { ask } from "./access.ts";

export function nodeOf(cluster: TestCluster, name: string): NodeConfig {
  const node = cluster.config.nodes.find((each) => each.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

/** One look, in a session of its own. `as` replaces parameters of the node's connection string. */
export async function look(
  cluster: TestCluster,
  name: string,
  as: Readonly<Record<string, string>> = {},
): Promise<Observation> {
  const node = nodeOf(cluster, name);
  const config = { ...node, conninfo: { ...node.conninfo, ...as } };
  const { observation, session } = await observeNode(config, {
    timeoutMs: 5000,
    now: () => Date.now(),
  });
  await session?.close();
  return observation;
}

export async function reach(
  cluster: TestCluster,
  name: string,
  as: Readonly<Record<string, string>> = {},
): Promise<ReachedNode> {
  const observation = await look(cluster, name, as);
  if (!observation.reachable) throw new Error(`${name}: ${observation.reason}`);
  return observation;
}

/** The first value of a statement in a session of its own. */
export async function valueOf(
  cluster: TestCluster,
  name: string,
  sql: string,
): Promise<string | null> {
  const [row] = await ask(cluster.server(name).conninfo, sql);
  return row === undefined ? null : (Object.values(row)[0] ?? null);
}

/** Runs statements one after the other, each in a session of its own. */
export async function run(
  cluster: TestCluster,
  name: string,
  ...statements: readonly string[]
): Promise<void> {
  for (const sql of statements) await ask(cluster.server(name).conninfo, sql);
}

/** Waits until the standbys have replayed all that the primary has now. */
export async function level(
  cluster: TestCluster,
  primary: string,
  ...standbys: readonly string[]
): Promise<void> {
  const target = await valueOf(cluster, primary, "SELECT pg_current_wal_lsn()");
  const reached = `SELECT pg_last_wal_replay_lsn() >= '${target ?? ""}'::pg_lsn`;
  for (const name of standbys) {
    await vi.waitFor(
      async () => {
        expect(await valueOf(cluster, name, reached), `${name} is level with ${primary}`).toBe("t");
      },
      { timeout: 20_000, interval: 10 },
    );
  }
}
