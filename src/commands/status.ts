// `remaster status`: the cluster as it is now. Changes nothing, and says what it could not know.

import { checkNothingPending } from "../plan/pending.ts";
import { tellOfPoolers } from "../plan/poolers.ts";
import { tellOfSlotsAtRisk } from "../plan/slots-kept.ts";
import type { Report } from "../plan/report.ts";
import { counted } from "../topology/counted.ts";
import type { Topology } from "../topology/topology.ts";
import { observeTopology } from "./change.ts";
import type { Context } from "./context.ts";
import type { Input, VerbDefinition } from "./define.ts";

export const status: VerbDefinition = {
  name: "status",
  summary: "show the cluster as a tree, with what is wrong",
  description: [
    "Looks at every node of the topology file at once and shows who feeds whom: role, timeline, position, lag in bytes and in seconds, the state of replay, the slots that matter, and marks that remaster left (quiesced, repointing, fenced).",
    "Below the tree stand the findings, each with a hint. A node that cannot be reached is shown with the reason: nobody listens, nobody answers, PostgreSQL answered with an error, it is another cluster.",
    "A role with pg_monitor is enough. What it cannot see is said, not guessed.",
  ],
  arguments: [],
  options: [],
  examples: [
    { command: "remaster status", explanation: "the cluster of ./remaster.toml" },
    {
      command: "remaster status --cluster orders --json",
      explanation: "another cluster, for a program",
    },
    { command: "remaster status --quiet", explanation: "one word, `ok` or `problem`" },
  ],
  changes: false,
  outcomes: {
    done: "no finding of severity problem stands",
    no: "a finding of severity problem stands (a node that is down is one)",
    unreachable: "no node could be observed",
  },
  run: runStatus,
};

function summarize(topology: Topology, problems: number): string {
  const nodes = [...topology.nodes.values()];
  const reachable = nodes.filter((node) => node.reachable).length;
  const { primaries } = topology;
  const leads = primaries.length === 0 ? "no primary" : `primary: ${primaries.join(", ")}`;
  const wrong = problems === 0 ? "no problems" : counted(problems, "problem");
  return `${reachable} of ${counted(nodes.length, "node")} reachable, ${leads}, ${wrong}`;
}

async function runStatus(_input: Input, context: Context): Promise<Report> {
  const [topology, poolers] = await Promise.all([
    observeTopology(context),
    context.observePoolers(),
  ]);
  const findings = [
    ...topology.findings,
    ...checkNothingPending(topology, null),
    ...tellOfSlotsAtRisk(topology),
    ...tellOfPoolers(poolers),
  ];
  const problems = findings.filter((finding) => finding.severity === "problem").length;
  const anyone = [...topology.nodes.values()].some((node) => node.reachable);
  const seen = problems === 0 ? "done" : "no";
  return {
    command: "status",
    cluster: topology.cluster,
    outcome: anyone ? seen : "unreachable",
    findings,
    topology,
    word: problems === 0 ? "ok" : "problem",
    summary: summarize(topology, problems),
  };
}
