// `remaster quiesce` and `remaster unquiesce`: stop what feeds a standby, provably, and start it again.

import { isMarked, planQuiesce, planUnquiesce } from "../plan/quiesce.ts";
import type { Report } from "../plan/report.ts";
import { rankCandidates } from "../topology/candidates.ts";
import type { Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import { acceptBlockedCommits } from "./blocked-commits.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionSet, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const quiesce: VerbDefinition = {
  name: "quiesce",
  summary: "bring the WAL intake of standbys to a proven stop",
  description: [
    "Stops streaming and restore_command on the named standbys, or on all that can be reached, and proves it: the WAL receiver is gone, no restore is in flight, the position no longer moves. Only then can positions be compared for certain.",
    "The stop is a mark in the settings themselves, behind which the old value stays in place: an override after primary_conninfo, a prefix before restore_command. Whoever finds a quiesced node can take the mark away with `remaster unquiesce`, which gives the settings the very value back that they had.",
    "A standby whose replay is held up (paused, delayed, blocked by sessions) obeys no such change while it lasts, and is refused by name. With a restore_command, PostgreSQL 14 or later is needed.",
  ],
  arguments: [
    {
      name: "node",
      summary: "the standbys; all that can be reached when none is named",
      kind: "node",
      required: false,
      variadic: true,
    },
  ],
  options: [
    {
      flag: "cancel-queries",
      type: "flag",
      summary: "end the sessions that hold replay up",
    },
    acceptBlockedCommits,
  ],
  examples: [
    { command: "remaster quiesce --yes", explanation: "every standby that can be reached" },
    {
      command: "remaster quiesce n2 n3 --dry-run",
      explanation: "what would be done to two of them",
    },
  ],
  changes: true,
  run: runQuiesce,
};

export const unquiesce: VerbDefinition = {
  name: "unquiesce",
  summary: "give quiesced standbys their settings back",
  description: [
    "Takes every mark of remaster away from the named standbys, or from all that bear one: quiesced, and told of another upstream without the move being finished. primary_conninfo and restore_command come back to the very value they had, and the standby streams from its own upstream again, if that is there. A slot that the mark tells of, made for the standby on another node, is dropped first.",
  ],
  arguments: [
    {
      name: "node",
      summary: "the standbys; all that bear a mark when none is named",
      kind: "node",
      required: false,
      variadic: true,
    },
  ],
  options: [],
  examples: [{ command: "remaster unquiesce --yes", explanation: "everything back as it was" }],
  changes: true,
  run: runUnquiesce,
};

function quiescedNodes(topology: Topology): readonly string[] {
  return [...topology.nodes.values()]
    .filter((node) => node.reachable && node.marks.quiesced && node.receiver === null)
    .map((node) => node.name);
}

function highestPosition(topology: Topology): string | null {
  const { ahead } = rankCandidates(topology);
  const node = ahead === null ? undefined : topology.nodes.get(ahead);
  return node?.reachable === true && node.received !== null ? formatPosition(node.received) : null;
}

async function runQuiesce(input: Input, context: Context): Promise<Report> {
  const nodes = argumentValues(input, "node");
  await checkNodeNames(context, nodes);
  const change = {
    verb: "quiesce",
    decide: (topology: Topology) =>
      planQuiesce(topology, {
        nodes,
        cancelQueries: optionSet(input, "cancel-queries"),
        acceptBlockedCommits: optionSet(input, acceptBlockedCommits.flag),
      }),
    holds: (topology: Topology) =>
      `${quiescedNodes(topology).join(", ")} quiesced, highest position ${highestPosition(topology) ?? "unknown"}`,
    word: highestPosition,
    question: () => "stop the intake of WAL on these standbys?",
  };
  return runChange(change, context);
}

async function runUnquiesce(input: Input, context: Context): Promise<Report> {
  const nodes = argumentValues(input, "node");
  await checkNodeNames(context, nodes);
  const change = {
    verb: "unquiesce",
    decide: (topology: Topology) => planUnquiesce(topology, { nodes }),
    holds: (topology: Topology) => {
      const marked = [...topology.nodes.values()].filter(
        (node) => node.reachable && isMarked(node),
      );
      if (marked.length === 0) return "no node bears a mark";
      return `still marked: ${marked.map((node) => node.name).join(", ")}`;
    },
    question: () => "give these standbys their own upstream back?",
  };
  return runChange(change, context);
}
