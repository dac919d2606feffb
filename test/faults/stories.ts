// What the fault matrix runs: for each plan the cluster it starts on, the verb, and how the cluster looks when it is done.

import type { Operator } from "../support/cli.ts";
import { expectLed, makeRows, sql, untilSees, countRows } from "../support/cluster-state.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";

export interface Story {
  readonly name: string;
  readonly words: readonly string[];
  /** The end of a run that was given time and whole servers. */
  readonly goal: (cluster: TestCluster, operator: Operator) => Promise<void>;
  readonly start: (major: number) => Promise<TestCluster>;
  /** What the run may not lose. */
  readonly rows: number;
  /** The nodes that are down from the start. */
  readonly lost: readonly string[];
  /** Nodes that get another upstream, one on its own from the other: where one of them is done, no mark leads back. */
  readonly settles?: { readonly nodes: readonly string[]; readonly on: string };
}

/** An operator on another machine reaches them too. */
const settings = { listen_addresses: "*" } as const;

const failover = ["failover", "--primary-is-dead", "--to", "n2", "--timeout", "8s"] as const;

/** n3 may not lead and alone has the last rows; the primary is dead. */
async function withLaggards(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, settings, notPromotable: ["n3"] });
  await makeRows(cluster, "n1", 100);
  await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "100" });
  await cluster.cut("n2", "n4");
  await sql(cluster.server("n1"), "INSERT INTO rows SELECT generate_series(101, 140)");
  await untilSees(cluster, ["n3"], { statement: countRows, value: "140" });
  await cluster.server("n1").kill();
  await cluster.join("n2", "n4");
  return cluster;
}

/** A chain below the candidate; the primary is dead. */
async function withCascade(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, settings, cascade: { n4: "n3" } });
  await makeRows(cluster, "n1", 100);
  await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "100" });
  await cluster.server("n1").kill();
  return cluster;
}

async function alive(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, settings });
  await makeRows(cluster, "n1", 100);
  await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "100" });
  return cluster;
}

export const stories: readonly Story[] = [
  {
    name: "a failover with an exchange",
    words: failover,
    start: withLaggards,
    rows: 140,
    lost: ["n1"],
    goal: (cluster, operator) =>
      expectLed(cluster, operator, {
        by: "n2",
        timeline: 2,
        followers: { n3: "n2", n4: "n2" },
      }),
  },
  {
    name: "a failover with a cascade",
    words: failover,
    start: withCascade,
    rows: 100,
    lost: ["n1"],
    goal: (cluster, operator) =>
      expectLed(cluster, operator, {
        by: "n2",
        timeline: 2,
        followers: { n3: "n2", n4: "n3" },
      }),
  },
  {
    name: "a repoint of two standbys",
    words: ["repoint", "n3", "n4", "--to", "n2", "--timeout", "8s"],
    start: alive,
    rows: 100,
    lost: [],
    settles: { nodes: ["n3", "n4"], on: "n2" },
    goal: (cluster, operator) =>
      expectLed(cluster, operator, {
        by: "n1",
        timeline: 1,
        followers: { n2: "n1", n3: "n2", n4: "n2" },
        idle: { n1: ["n3", "n4"] },
      }),
  },
];
