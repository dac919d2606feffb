// `remaster undo`: take back what an interrupted run left, from what is legible on the nodes alone.

import { planUndo } from "../plan/undo.ts";
import type { Decision } from "../plan/plan.ts";
import { isMarked } from "../plan/quiesce.ts";
import { withResumes } from "../plan/poolers.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { observeTopology, runChange, settledTopology, unlessRival } from "./change.ts";
import type { Context } from "./context.ts";
import type { Input, VerbDefinition } from "./define.ts";
import { heldAgainstPoolers } from "./poolers.ts";

export const undo: VerbDefinition = {
  name: "undo",
  summary: "take back what an interrupted run left",
  description: [
    "Takes back what a run that was interrupted, or whose operator's machine died, had done before its point of no return: quiesced standbys, an exchange that was under way, standbys that were told of another upstream, and the slots that were made for it. The settings come back to the very values that they had. It needs no journal and no memory of the run: all is read off the marks on the nodes, by anybody, on any machine.",
    "Where a promotion may have been asked for it refuses, unless the node shows that none was: then the way is forward, and running the same verb again finishes it. Once the node leads, nothing is taken back any more.",
    "A slot that remaster made for a standby, and that the standby neither uses nor is to use, is dropped with the rest: it would hold WAL until the disk is full.",
    "A pooler of the topology file that is paused is resumed in the end.",
  ],
  arguments: [],
  options: [],
  examples: [
    { command: "remaster undo --dry-run", explanation: "what would be taken back" },
    { command: "remaster undo --yes", explanation: "take it back" },
  ],
  changes: true,
  outcomes: {
    done: "nothing of an interrupted run is left on any node that could be reached",
    refused: "a promotion may have been asked for, or the node leads by now: go forward",
  },
  run: runUndo,
};

/** That no promotion was asked for takes two looks, where siblings have been told of one. */
async function decide(seen: Topology, context: Context): Promise<Decision> {
  const first = await settledTopology(seen, context);
  const decision = planUndo(first);
  const poolers = await context.observePoolers();
  if (decision.kind !== "plan") return withResumes(decision, first, poolers);
  const second = await observeTopology(context);
  const undone = await unlessRival(planUndo(second), second, context);
  return withResumes(undone, second, poolers);
}

function holds(topology: Topology): string {
  const marked = [...topology.nodes.values()].filter((node) => node.reachable && isMarked(node));
  if (marked.length === 0) return "no node that can be reached bears a mark";
  return `still marked: ${marked.map((node) => node.name).join(", ")}`;
}

async function runUndo(_input: Input, context: Context): Promise<Report> {
  const report = await runChange(
    { verb: "undo", decide, holds, question: () => "take back what was left on these nodes?" },
    context,
  );
  return heldAgainstPoolers(report, context);
}
