// What the fault matrix runs: for each plan the cluster it starts on, the verb, and how the cluster looks when it is done.

import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { countRows, type Led, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { consume } from "../support/ledger-consumer.ts";
import { entryPoint } from "../support/program.ts";
import { tearTails } from "../support/torn-tail.ts";

export interface Story {
  readonly name: string;
  readonly words: readonly string[];
  /** The end of a run that was given time and whole servers. */
  readonly goal: Led;
  readonly start: (major: number) => Promise<TestCluster>;
  /** What the run may not lose. */
  readonly rows: number;
  /** The nodes that are down from the start. */
  readonly lost: readonly string[];
  /** Part of the default run as well. */
  readonly always?: true;
  /** The acts that are struck, where not all: the others are those of another story. */
  readonly acts?: RegExp;
  /** The majors that it is about, where not all. */
  readonly isFor?: (major: number) => boolean;
  /** How its network is lost: by a namespace of its own, unless it starts a server, which would be born into that. */
  readonly network?: "proxies";
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

/** The primary is frozen: only its control can vouch that it stays gone. */
async function withFrozenPrimary(major: number): Promise<TestCluster> {
  const cluster = await alive(major);
  const kill = [process.execPath, entryPoint, "sandbox", "kill", "n1", "--dir", cluster.directory];
  const text = readFileSync(cluster.configFile, "utf8");
  const stop = `control.stop = ${JSON.stringify(kill.join(" "))}`;
  writeFileSync(cluster.configFile, text.replace(/^control\.pg_ctl.*$/m, stop));
  await cluster.server("n1").freeze();
  return cluster;
}

/** The WAL of n4 ends in the middle of a record, which it alone has the beginning of; it may not lead. */
async function withTornTail(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, settings, notPromotable: ["n4"] });
  await tearTails(cluster, { n2: "behind", n3: "behind", n4: "torn" });
  return cluster;
}

/** Nobody here can stop the primary: it is fenced. */
async function withoutControl(major: number): Promise<TestCluster> {
  const cluster = await alive(major);
  const text = readFileSync(cluster.configFile, "utf8");
  writeFileSync(cluster.configFile, text.replaceAll(/^control\..*$/gm, ""));
  return cluster;
}

async function alive(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, settings });
  await makeRows(cluster, "n1", 100);
  await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "100" });
  return cluster;
}

/** A consumer reads from the primary, which is written to, and no standby has a copy of its slot. */
async function withConsumer(major: number): Promise<TestCluster> {
  const cluster = await alive(major);
  const n1 = cluster.server("n1");
  const slot = "SELECT pg_create_logical_replication_slot('orders', 'test_decoding')";
  await sql(n1, "CREATE TABLE ticks (n int)", "INSERT INTO ticks VALUES (0)", slot);
  const consumer = consume(n1, "orders");
  const end = new AbortController();
  const ticking = (async () => {
    while (!end.signal.aborted) {
      // Where it is fenced, frozen or gone, the next one sees.
      await sql(n1, "UPDATE ticks SET n = n + 1").catch(() => undefined);
      await setTimeout(50);
    }
  })();
  return {
    ...cluster,
    async [Symbol.asyncDispose]() {
      end.abort();
      await ticking;
      await consumer[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

export const stories: readonly Story[] = [
  {
    name: "a failover with an exchange",
    always: true,
    words: failover,
    start: withLaggards,
    rows: 140,
    lost: ["n1"],
    goal: { by: "n2", timeline: 2, followers: { n3: "n2", n4: "n2" } },
  },
  {
    name: "a failover with a cascade",
    words: failover,
    start: withCascade,
    rows: 100,
    lost: ["n1"],
    goal: { by: "n2", timeline: 2, followers: { n3: "n2", n4: "n3" } },
  },
  {
    name: "a failover that stops the primary",
    words: ["failover", "--to", "n2", "--timeout", "8s"],
    start: withFrozenPrimary,
    always: true,
    acts: / stop /,
    rows: 100,
    lost: ["n1"],
    goal: { by: "n2", timeline: 2, followers: { n3: "n2", n4: "n2" } },
  },
  {
    name: "a failover that heals a torn tail",
    words: failover,
    start: withTornTail,
    always: true,
    acts: / (stop|start) /,
    rows: 2,
    lost: ["n1"],
    goal: { by: "n2", timeline: 2, followers: { n3: "n2", n4: "n2" } },
  },
  {
    name: "a switchover",
    always: true,
    words: ["switchover", "--to", "n2", "--timeout", "12s"],
    start: alive,
    rows: 100,
    lost: [],
    goal: { by: "n2", timeline: 2, followers: { n1: "n2", n3: "n2", n4: "n2" } },
    network: "proxies",
  },
  {
    name: "a switchover with a fence",
    words: ["switchover", "--to", "n2", "--timeout", "12s"],
    start: withoutControl,
    rows: 100,
    lost: [],
    goal: { by: "n2", timeline: 2, followers: { n3: "n2", n4: "n2" }, fenced: "n1" },
  },
  {
    name: "a switchover that makes a slot",
    isFor: (major) => major < 16,
    words: ["switchover", "--to", "n2", "--timeout", "12s"],
    start: withConsumer,
    rows: 100,
    lost: [],
    goal: {
      by: "n2",
      timeline: 2,
      followers: { n1: "n2", n3: "n2", n4: "n2" },
      idle: { n2: ["orders"] },
    },
    network: "proxies",
  },
  {
    name: "a repoint of two standbys",
    words: ["repoint", "n3", "n4", "--to", "n2", "--timeout", "8s"],
    start: alive,
    rows: 100,
    lost: [],
    settles: { nodes: ["n3", "n4"], on: "n2" },
    goal: {
      by: "n1",
      timeline: 1,
      followers: { n2: "n1", n3: "n2", n4: "n2" },
      idle: { n1: ["n3", "n4"] },
    },
  },
];
