// Runs of an operator that is struck at one of its acts: killed, cut off, or with the server dead, frozen or silent under
// it. An act is a statement that changes a server, named as the saboteur names it: `n2 alter 1`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { letIn } from "../support/access.ts";
import { changedConfig, type Operator, operatorOf } from "../support/cli.ts";
import type { TestCluster } from "../support/cluster.ts";
import { canBeFarAway, type FarAway, goFarAway } from "../support/far-away.ts";
import type { ProgramResult } from "../support/program.ts";

/** `kill-*`: SIGKILL to the operator before the statement is sent, right after it, or when its answer comes. `cut`: the
 * connection ends right after the sending. `stall`: nothing gets through on it any more, so that the time runs out.
 * `network-lost`: the operator's machine is off the network, and no server is told. */
export const faultKinds = [
  "kill-before",
  "kill-during",
  "kill-after",
  "cut",
  "stall",
  ...(canBeFarAway ? (["network-lost"] as const) : []),
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
  return ["stop", "start"].includes(act.split(" ")[1] ?? "") ? commandFaults : faultKinds;
}

/** The node that an act changes. */
export function nodeOfAct(act: string): string {
  return act.split(" ")[0] ?? "";
}

const saboteur = new URL("saboteur.js", import.meta.url).pathname;

let runs = 0;

interface Attempt {
  readonly words: readonly string[];
  /** Null: only to learn which acts there are. */
  readonly fault: Fault | null;
  /** Nodes that are down. */
  readonly lost: readonly string[];
}

/** Runs the words with --yes and --json. */
export async function runStruck(cluster: TestCluster, attempt: Attempt): Promise<StruckResult> {
  if (attempt.fault?.kind !== "network-lost") {
    return await run(cluster, { ...attempt, operator: operatorOf(cluster), far: null });
  }
  using far = goFarAway();
  const servers = cluster.servers.filter(({ name }) => !attempt.lost.includes(name));
  await Promise.all(
    servers.map((server) => letIn(server, [`host all all ${far.there}/32 scram-sha-256`])),
  );
  // From there this machine has another address; the servers have theirs of each other all the same.
  const config = changedConfig(cluster, "far", (text) =>
    text.replaceAll(
      /^dsn = "host=127\.0\.0\.1 (port=\d+)"$/gm,
      `dsn = "host=${far.here} $1"\nreplication = "host=127.0.0.1 $1"`,
    ),
  );
  return await run(cluster, { ...attempt, operator: operatorOf(cluster, { config }), far });
}

async function run(
  cluster: TestCluster,
  {
    words,
    fault,
    operator,
    far,
  }: Omit<Attempt, "lost"> & { operator: Operator; far: FarAway | null },
): Promise<StruckResult> {
  runs += 1;
  const log = join(cluster.directory, `acts-${runs}`);
  const servers = Object.fromEntries(
    cluster.servers.map(({ name, port, dataDir }) => [port, { node: name, dataDir }]),
  );
  const result = await operator.run([...words, "--yes", "--json"], {
    nodeArguments: ["--import", saboteur],
    ...(far === null ? {} : { elsewhere: (...command) => far.run(...command) }),
    env: {
      FAULT_ACT: fault?.act ?? "",
      FAULT_KIND: fault?.kind ?? "",
      FAULT_LINK: far?.link ?? "",
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
