// Runs of an operator that is struck at one of its acts: killed, cut off, or with the server dead, frozen or silent under
// it. An act is a statement that changes a server, named as the saboteur names it: `n2 alter 1`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { letIn } from "../support/access.ts";
import { changedConfig, type Operator, operatorOf } from "../support/cli.ts";
import type { TestCluster, TestServer } from "../support/cluster.ts";
import { canBeFarAway, goFarAway } from "../support/far-away.ts";
import type { ProgramOptions, ProgramResult } from "../support/program.ts";
import { goThroughProxies } from "../support/proxied.ts";

/** `kill-*`: SIGKILL to the operator before the statement is sent, right after it, or when its answer comes. `cut`: the
 * connection ends right after the sending. `stall`: nothing gets through on it any more, so that the time runs out.
 * `network-lost`: the operator's machine is off the network, and no server is told. */
export const faultKinds = [
  "kill-before",
  "kill-during",
  "kill-after",
  "cut",
  "stall",
  "network-lost",
  "server-killed",
  "server-frozen",
] as const;

export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly act: string;
}

export interface StruckResult extends ProgramResult {
  /** In the order of sending, the one that was struck included. */
  readonly acts: readonly string[];
  readonly struck: boolean;
}

/** What can become of a command that the operator runs on the server's machine. */
const commandFaults: readonly FaultKind[] = ["kill-before", "kill-during", "kill-after", "stall"];

/** The kinds that there are of an act. */
export function faultsOf(act: string): readonly FaultKind[] {
  return ["stop", "start", "signal"].includes(act.split(" ")[1] ?? "") ? commandFaults : faultKinds;
}

/** The node that an act changes. */
export function nodeOfAct(act: string): string {
  return act.split(" ")[0] ?? "";
}

const saboteur = new URL("saboteur.js", import.meta.url).pathname;

let runs = 0;

/** How a network is lost: that of a namespace, or of proxies, which need no root. */
export type Network = "namespace" | "proxies";

interface Attempt {
  readonly words: readonly string[];
  /** Null: only to learn which acts there are. */
  readonly fault: Fault | null;
  /** Nodes that are down. */
  readonly lost: readonly string[];
  /** By default a namespace, where one can be made. */
  readonly network?: Network;
}

/** How the operator reaches the servers. */
interface Route extends AsyncDisposable {
  readonly operator: Operator;
  /** What has to go to cut it, as the saboteur knows it. */
  readonly link: string;
  readonly elsewhere: ProgramOptions["elsewhere"];
  /** At which port the operator finds a server. */
  portOf(port: number): number;
}

/** Runs the words with --yes and --json. */
export async function runStruck(cluster: TestCluster, attempt: Attempt): Promise<StruckResult> {
  const { words, fault } = attempt;
  await using route = await findRoute(cluster, attempt);
  runs += 1;
  const log = join(cluster.directory, `acts-${runs}`);
  const servers = Object.fromEntries(
    cluster.servers.map(({ name, port, dataDir }) => [route.portOf(port), { node: name, dataDir }]),
  );
  const result = await route.operator.run([...words, "--yes", "--json"], {
    nodeArguments: ["--import", saboteur],
    ...(route.elsewhere === undefined ? {} : { elsewhere: route.elsewhere }),
    env: {
      FAULT_ACT: fault?.act ?? "",
      FAULT_KIND: fault?.kind ?? "",
      FAULT_LINK: route.link,
      FAULT_LOG: log,
      FAULT_SERVERS: JSON.stringify(servers),
    },
  });
  const lines = readFileSync(log, "utf8").trim().split("\n");
  return {
    ...result,
    acts: lines.filter((line) => line !== "struck"),
    struck: lines.includes("struck"),
  };
}

function findRoute(cluster: TestCluster, { fault, lost, network }: Attempt): Promise<Route> {
  if (fault?.kind !== "network-lost") return Promise.resolve(straight(cluster));
  const servers = cluster.servers.filter(({ name }) => !lost.includes(name));
  return (network ?? (canBeFarAway ? "namespace" : "proxies")) === "namespace"
    ? fromFarAway(cluster, servers)
    : throughProxies(cluster, servers);
}

function straight(cluster: TestCluster): Route {
  return {
    operator: operatorOf(cluster),
    link: "",
    elsewhere: undefined,
    portOf: (port) => port,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** An operator for whom each server has another dsn; the servers have theirs of each other all the same. */
function operatorBy(cluster: TestCluster, dsnOf: (port: number) => string): Operator {
  const config = changedConfig(cluster, "far", (text) =>
    text.replaceAll(
      /^dsn = "host=127\.0\.0\.1 port=(\d+)"$/gm,
      (_, port: string) =>
        `dsn = "${dsnOf(Number(port))}"\nreplication = "host=127.0.0.1 port=${port}"`,
    ),
  );
  return operatorOf(cluster, { config });
}

async function fromFarAway(cluster: TestCluster, servers: readonly TestServer[]): Promise<Route> {
  const far = goFarAway();
  await Promise.all(
    servers.map((server) => letIn(server, [`host all all ${far.there}/32 scram-sha-256`])),
  );
  return {
    operator: operatorBy(cluster, (port) => `host=${far.here} port=${port}`),
    link: far.link,
    elsewhere: (...command) => far.run(...command),
    portOf: (port) => port,
    [Symbol.asyncDispose]: () => {
      far[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

async function throughProxies(
  cluster: TestCluster,
  servers: readonly TestServer[],
): Promise<Route> {
  const ports = servers.map(({ port }) => port);
  const proxied = await goThroughProxies(ports, join(cluster.directory, `cut-${runs}`));
  return {
    operator: operatorBy(cluster, (port) => `host=127.0.0.1 port=${proxied.portOf(port)}`),
    link: proxied.link,
    elsewhere: undefined,
    portOf: (port) => proxied.portOf(port),
    [Symbol.asyncDispose]: () => proxied[Symbol.asyncDispose](),
  };
}
