// `remaster repoint`: give standbys another upstream, and see that they follow it.

import { UsageError } from "../errors.ts";
import type { Decision } from "../plan/plan.ts";
import { planRepoint, type RepointRequest } from "../plan/repoint.ts";
import type { Report } from "../plan/report.ts";
import { reachedNode } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { acceptBlockedCommits } from "./blocked-commits.ts";
import { lookAgainAt, runChange } from "./change.ts";
import type { Context } from "./context.ts";
import {
  argumentValues,
  type Input,
  optionSet,
  optionText,
  type VerbDefinition,
} from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const repoint: VerbDefinition = {
  name: "repoint",
  summary: "give standbys another upstream and see them follow it",
  description: [
    "Makes the physical slot on the upstream first, then overrides host and port of the standby's primary_conninfo behind the old value, and settles the setting once the standby is seen to follow: on the upstream's timeline, its sender row streaming, and everything received that the upstream had when it was asked. Every keyword that still makes sense is kept. A standby that does not come to follow gets the old value back.",
    "In the end the slot that remaster made for the standby on its old upstream is dropped there; one by any other name is left.",
    "Refuses before touching anything when a node cannot follow: another cluster, another history, WAL that the upstream no longer has, a cycle.",
    "A standby whose replay is held up is told, and follows once it has replayed.",
  ],
  arguments: [
    {
      name: "node",
      summary: "the standbys to move",
      kind: "node",
      required: false,
      variadic: true,
    },
  ],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "UPSTREAM",
      kind: "node",
      required: true,
      summary: "the node to stream from: a primary, or a standby (a cascade)",
    },
    {
      flag: "all",
      type: "flag",
      summary: "every reachable standby that is not above the upstream",
    },
    {
      flag: "no-wait",
      type: "flag",
      summary: "only tell them; the same verb without it sees them follow and settles the setting",
    },
    {
      flag: "keep-mark",
      type: "flag",
      summary: "see them follow, and leave the old value in place so that it can be taken back",
    },
    acceptBlockedCommits,
  ],
  examples: [
    { command: "remaster repoint n3 n4 --to n2 --yes", explanation: "two standbys below n2" },
    { command: "remaster repoint --all --to n2", explanation: "everyone; asks first" },
  ],
  changes: true,
  run: runRepoint,
};

/** How long an upstream may take to get what a standby had when both were looked at, milliseconds. */
const catchUpMs = 3_000;

function isBehindAlone(decision: Decision): boolean {
  if (decision.kind !== "refused") return false;
  return decision.findings.every(({ code }) => code === "ahead-of-upstream");
}

function getsMore(topology: Topology, name: string): boolean {
  const node = reachedNode(topology, name);
  return node?.role === "primary" || node?.receiver?.status === "streaming";
}

/** Servers that go on are seen at different moments: an upstream that gets more itself is looked at until it has what the
 * standbys had. */
async function decidePatiently(
  topology: Topology,
  request: RepointRequest,
  context: Context,
): Promise<Decision> {
  const until = context.now() + catchUpMs;
  let seen = topology;
  for (;;) {
    const decision = planRepoint(seen, request);
    const isOver = context.now() >= until || context.remainingMs() === 0;
    if (!isBehindAlone(decision) || !getsMore(seen, request.to) || isOver) return decision;
    await context.pause(5);
    seen = await lookAgainAt(seen, [request.to], context);
  }
}

function untilOf(input: Input): "set" | "stream" | "follow" {
  if (optionSet(input, "no-wait")) return "set";
  return optionSet(input, "keep-mark") ? "stream" : "follow";
}

async function runRepoint(input: Input, context: Context): Promise<Report> {
  const nodes = argumentValues(input, "node");
  const to = optionText(input, "to") ?? "";
  const all = optionSet(input, "all");
  if (all === nodes.length > 0) {
    throw new UsageError(
      all ? "--all and node names exclude each other" : "no node is named",
      "name the standbys to move, or say --all",
    );
  }
  await checkNodeNames(context, nodes);
  await checkNodeNames(context, [to]);
  const until = untilOf(input);
  const acceptBlocked = optionSet(input, acceptBlockedCommits.flag);
  const request = { nodes, all, to, until, acceptBlockedCommits: acceptBlocked } as const;
  const followers = (topology: Topology): string =>
    [...topology.edges.values()]
      .filter((edge) => edge.upstream === to && edge.streaming)
      .map((edge) => edge.standby)
      .join(", ");
  const change = {
    verb: "repoint",
    decide: (topology: Topology) => decidePatiently(topology, request, context),
    holds: (topology: Topology) =>
      until === "set"
        ? `told of ${to}: ${all ? "all" : nodes.join(", ")}`
        : `streaming from ${to}: ${followers(topology)}`,
    question: () => `have ${all ? "every standby" : nodes.join(", ")} follow ${to}?`,
  } as const;
  return runChange(change, context);
}
