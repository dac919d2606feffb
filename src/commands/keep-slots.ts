// `remaster keep-slots`: hold on a standby what its siblings will need once it is promoted.

import { planKeepSlots, tellOfUnkept } from "../plan/keep-slots.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const keepSlots: VerbDefinition = {
  name: "keep-slots",
  summary: "hold on a standby what its siblings will need",
  description: [
    "After a promotion the other standbys ask the new primary for the WAL that they lack, by the name of their own slots. So that it is still there, a standby that may lead gets a physical slot for each of them beforehand (13 to 18), and each run moves these slots on to what the siblings have flushed, never past it, so that no WAL piles up. Where a sibling streams elsewhere by now, its slot is dropped again.",
    "`slot-sync` does this on every standby that may lead, with each pass. The slots that it makes are recorded on the node itself, in `remaster.kept_slots`; a slot by another name than ours which is not recorded there belongs to somebody else, and is left alone.",
  ],
  arguments: [
    { name: "node", summary: "the standby", kind: "node", required: true, variadic: false },
  ],
  options: [],
  examples: [{ command: "remaster keep-slots n2", explanation: "asks first" }],
  changes: true,
  outcomes: {
    incomplete: "a slot could not be made; the findings say why",
  },
  run: runKeepSlots,
};

async function runKeepSlots(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  await checkNodeNames(context, [node]);
  const change = {
    verb: "keep-slots",
    decide: (topology: Topology) => planKeepSlots(topology, node),
    holds: () => `${node} holds what its siblings will need`,
    shortfall: (_before: Topology, after: Topology) => tellOfUnkept(after, [node]),
    question: () => `see to the slots that ${node} has for its siblings?`,
  };
  return runChange(change, context);
}
