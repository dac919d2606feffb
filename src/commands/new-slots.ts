// `remaster close` and `remaster make-slots`: the parts of a switchover that makes logical slots on the new primary.

import { planClose, planMakeSlots } from "../plan/new-slots.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { heldAgainst, namesIn } from "./fence.ts";
import { checkNodeNames } from "./nodes.ts";

export const close: VerbDefinition = {
  name: "close",
  summary: "have a standby lead read-only until it has got its slots",
  description: [
    "Before 16 a logical slot can be made on a primary only, and it begins where the log is then. So that its consumer misses nothing, the next primary must let nobody write before the slot is there. This makes the standby read-only by default, which changes nothing there until it is promoted (`remaster promote --closed`), and notes the slots of the fenced primary and what their consumers have confirmed in the mark of the fence, `remaster.fenced`. `remaster make-slots` makes them then, and `remaster unfence` opens the node, or takes the mark off the standby again.",
    "Every database in which a slot is to be made is connected to beforehand.",
  ],
  arguments: [
    { name: "node", summary: "the standby", kind: "node", required: true, variadic: false },
  ],
  options: [
    {
      flag: "of",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      required: true,
      summary: "the fenced primary that has the slots",
    },
    {
      flag: "slot",
      type: "value",
      placeholder: "NAMES",
      kind: "text",
      required: true,
      summary: "the logical slots, separated by commas",
    },
  ],
  examples: [
    {
      command: "remaster close n2 --of n1 --slot orders --yes",
      explanation: "behind `remaster fence n1 --to n2 --confirmed orders`",
    },
  ],
  changes: true,
  outcomes: { done: "the standby would lead read-only" },
  run: runClose,
};

export const makeSlots: VerbDefinition = {
  name: "make-slots",
  summary: "make the logical slots that a closed primary is to get",
  description: [
    "Makes the slots that `remaster close` noted on the node, which leads by now and is closed, and reads off its log whether anybody wrote between what their consumers had confirmed on the old primary and where the new slots begin. Where nobody did, nothing is left out. The node stays closed until `remaster unfence`.",
  ],
  arguments: [
    { name: "node", summary: "the primary", kind: "node", required: true, variadic: false },
  ],
  options: [],
  examples: [
    { command: "remaster make-slots n2 --yes", explanation: "then `remaster unfence n2`" },
  ],
  changes: true,
  outcomes: {
    done: "the slots are there",
    incomplete: "a slot could not be made, or something was written before; the findings say which",
  },
  run: runMakeSlots,
};

async function runClose(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  const of = optionText(input, "of") ?? "";
  const slots = namesIn(optionText(input, "slot"));
  await checkNodeNames(context, [node, of]);
  const change = {
    verb: "close",
    decide: (topology: Topology) => planClose(topology, { node, of, slots }),
    holds: () => `${node} would lead closed`,
    question: () => `have ${node} lead read-only until it has its slots?`,
  };
  return runChange(change, context);
}

async function runMakeSlots(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  await checkNodeNames(context, [node]);
  const change = {
    verb: "make-slots",
    decide: (topology: Topology) => planMakeSlots(topology, { node }),
    holds: () => `${node} has its logical slots`,
    question: () => `make the logical slots of ${node}?`,
  };
  return heldAgainst(await runChange(change, context), context);
}
