// `remaster drop-slot`: remove a physical slot that nobody uses.

import { planDropSlot } from "../plan/drop-slot.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const dropSlot: VerbDefinition = {
  name: "drop-slot",
  summary: "remove a physical slot that nobody uses",
  description: [
    "A slot without a consumer holds WAL until the disk is full. Refuses a slot that somebody streams from, one that a standby of the topology file names as its own on that node, and logical slots.",
  ],
  arguments: [
    {
      name: "node",
      summary: "the node that has the slot",
      kind: "node",
      required: true,
      variadic: false,
    },
  ],
  options: [
    {
      flag: "slot",
      type: "value",
      placeholder: "NAME",
      kind: "text",
      required: true,
      summary: "the slot",
    },
  ],
  examples: [{ command: "remaster drop-slot n2 --slot remaster_n3", explanation: "asks first" }],
  changes: true,
  run: runDropSlot,
};

async function runDropSlot(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  const slot = optionText(input, "slot") ?? "";
  await checkNodeNames(context, [node]);
  const change = {
    verb: "drop-slot",
    decide: (topology: Topology) => planDropSlot(topology, { node, slot }),
    holds: () => `${node} has no slot ${slot}`,
    question: () => `drop slot ${slot} on ${node}?`,
  };
  return runChange(change, context);
}
