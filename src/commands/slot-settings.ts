// `remaster slot-settings`: set on a server what copies of logical slots need there.

import { planSlotSettings } from "../plan/slot-settings.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import {
  argumentValues,
  type Input,
  optionSet,
  optionText,
  optionTexts,
  type VerbDefinition,
} from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const slotSettings: VerbDefinition = {
  name: "slot-settings",
  summary: "set what copies of logical slots need on a server",
  description: [
    "A standby needs feedback to its upstream, a physical slot there and, for the copies that its server keeps (17 and later), a database in primary_conninfo. Without options whatever of these is lacking is set. Its receiver starts anew for it, and is seen to stream again; else everything is put back.",
    "--synchronized is for a primary, or for when the standby leads (17 and later): consumers of failover slots get nothing that the standbys behind these physical slots have not received.",
  ],
  arguments: [
    {
      name: "node",
      summary: "the node to set it on",
      kind: "node",
      required: true,
      variadic: false,
    },
  ],
  options: [
    { flag: "feedback", type: "flag", summary: "hot_standby_feedback = on" },
    {
      flag: "slot",
      type: "value",
      placeholder: "NAME",
      kind: "text",
      summary: "stream through this physical slot; it is made on the upstream",
    },
    {
      flag: "dbname",
      type: "value",
      placeholder: "DATABASE",
      kind: "text",
      summary: "the database in primary_conninfo, where it names none",
    },
    {
      flag: "synchronized",
      type: "value",
      placeholder: "SLOT",
      kind: "text",
      several: true,
      summary: "all of synchronized_standby_slots; '' for nobody",
    },
  ],
  examples: [
    { command: "remaster slot-settings n2", explanation: "whatever n2 lacks" },
    {
      command: "remaster slot-settings n1 --synchronized n2,n3",
      explanation: "consumers on n1 wait for n2 and n3",
    },
  ],
  changes: true,
  run: runSlotSettings,
};

async function runSlotSettings(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  await checkNodeNames(context, [node]);
  const slot = optionText(input, "slot");
  const dbname = optionText(input, "dbname");
  const isList = optionText(input, "synchronized") !== null;
  const request = {
    node,
    ...(optionSet(input, "feedback") ? ({ feedback: true } as const) : {}),
    ...(slot === null ? {} : { slot }),
    ...(dbname === null ? {} : { dbname }),
    ...(isList ? { synchronized: optionTexts(input, "synchronized") } : {}),
  };
  const change = {
    verb: "slot-settings",
    decide: (topology: Topology) => planSlotSettings(topology, request),
    holds: () => `${node} has what copies of logical slots need`,
    question: () => `set what copies of logical slots need on ${node}?`,
  };
  return runChange(change, context);
}
