// `remaster compare-lsn`: who is farthest ahead, who would lead, what would have to be exchanged. Changes nothing.

import type { Report } from "../plan/report.ts";
import { type RankedNode, type Ranking, rankCandidates } from "../topology/candidates.ts";
import { acceptTimelineOption } from "./accept-timeline.ts";
import { observeTopology } from "./change.ts";
import type { Context } from "./context.ts";
import { type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const compareLsn: VerbDefinition = {
  name: "compare-lsn",
  summary: "rank the standbys by position and name a candidate",
  description: [
    "Ranks every node by what it has of the write-ahead log, by timeline and LSN together: what a node received decides who is ahead, what it replayed decides who diverged. Each node is listed with its reasons, also those that cannot be reached or may not lead.",
    "Says who is ahead, who would be promoted, and what would have to be streamed to the candidate first. Works while the primary is dead, which is what it is for.",
    "While a primary writes, or a standby still receives, the positions are those of one moment. `remaster quiesce` makes them certain.",
  ],
  arguments: [],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "ask about this candidate instead of the best one",
    },
    acceptTimelineOption,
  ],
  examples: [
    { command: "remaster compare-lsn", explanation: "everyone, ranked" },
    {
      command: 'candidate=$(remaster compare-lsn --quiet) && remaster promote "$candidate"',
      explanation: "in a script: the name of the candidate alone",
    },
  ],
  changes: false,
  outcomes: {
    done: "a candidate can be named",
    no: "no candidate can be named; the reasons say why",
    unreachable: "no node could be observed",
  },
  run: runCompareLsn,
};

function summarize({ candidate, ahead, exchange }: Ranking): string {
  if (candidate === null) return "no standby may be promoted";
  if (exchange === null) return `candidate: ${candidate}, which lacks nothing`;
  return `candidate: ${candidate}, after an exchange of ${exchange.bytes.toString()} bytes from ${ahead ?? exchange.from}`;
}

/** Farthest first; of equal ones the better candidate, as they stood. What cannot be compared comes last. */
function byPosition(a: RankedNode, b: RankedNode): number {
  const behind = ({ bytesBehind, relation }: RankedNode): number =>
    bytesBehind === null || relation === "diverged" ? Infinity : Number(bytesBehind);
  return behind(a) === behind(b) ? 0 : behind(a) - behind(b);
}

async function runCompareLsn(input: Input, context: Context): Promise<Report> {
  const to = optionText(input, "to");
  if (to !== null) await checkNodeNames(context, [to]);
  const topology = await observeTopology(context);
  const ranking = rankCandidates(topology, to === null ? {} : { to });
  const comparison = { ...ranking, ranking: ranking.ranking.toSorted(byPosition) };
  const anyone = [...topology.nodes.values()].some((node) => node.reachable);
  const answer = comparison.candidate === null ? "no" : "done";
  return {
    command: "compare-lsn",
    cluster: topology.cluster,
    outcome: anyone ? answer : "unreachable",
    findings: topology.findings,
    topology,
    comparison,
    word: comparison.candidate,
    summary: summarize(comparison),
  };
}
