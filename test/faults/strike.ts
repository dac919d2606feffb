// Runs of an operator that is struck at one of its acts: killed, cut off, or with the server dead, frozen or silent under
// it. An act is a statement that changes a server, named as the saboteur names it: `n2 alter 1`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Operator } from "../support/cli.ts";
import type { TestCluster } from "../support/cluster.ts";
import type { ProgramResult } from "../support/program.ts";

/** `kill-*`: SIGKILL to the operator before the statement is sent, right after it, or when its answer comes. `cut`: the
 * connection ends right after the sending. `stall`: nothing gets through any more, so that the time runs out. */
export const faultKinds = [
  "kill-before",
  "kill-during",
  "kill-after",
  "cut",
  "stall",
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

/** The node that an act changes. */
export function nodeOfAct(act: string): string {
  return act.split(" ")[0] ?? "";
}

const saboteur = new URL("saboteur.js", import.meta.url).pathname;

let runs = 0;

/** Runs the words with --yes and --json; `fault` null: only to learn which acts there are. */
export async function runStruck(
  cluster: TestCluster,
  operator: Operator,
  attempt: { readonly words: readonly string[]; readonly fault: Fault | null },
): Promise<StruckResult> {
  runs += 1;
  const log = join(cluster.directory, `acts-${runs}`);
  const servers = Object.fromEntries(
    cluster.servers.map(({ name, port, dataDir }) => [port, { node: name, dataDir }]),
  );
  const result = await operator.run([...attempt.words, "--yes", "--json"], {
    nodeArguments: ["--import", saboteur],
    env: {
      FAULT_ACT: attempt.fault?.act ?? "",
      FAULT_KIND: attempt.fault?.kind ?? "",
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
