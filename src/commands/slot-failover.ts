// `remaster slot-failover`: give a logical slot the flag by which the standbys' servers keep copies of it.

import { planSlotFailover } from "../plan/slot-failover.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const slotFailover: VerbDefinition = {
  name: "slot-failover",
  summary: "give a logical slot the failover flag",
  description: [
    "From PostgreSQL 17 on standbys keep copies of those logical slots of their primary that have this flag. A slot that is in use cannot get it: a consumer that does not let go within a second is named, and has to stop for a moment.",
    "A subscription has a flag of its own, which has to say the same: where it can be reached, ALTER SUBSCRIPTION ... SET (failover = true) while it is disabled sets both.",
  ],
  arguments: [
    {
      name: "node",
      summary: "the primary",
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
      summary: "the logical slot",
    },
  ],
  examples: [{ command: "remaster slot-failover n1 --slot debezium", explanation: "asks first" }],
  changes: true,
  run: runSlotFailover,
};

async function runSlotFailover(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  const slot = optionText(input, "slot") ?? "";
  await checkNodeNames(context, [node]);
  const change = {
    verb: "slot-failover",
    decide: (topology: Topology) => planSlotFailover(topology, { node, slot }),
    holds: () => `slot ${slot} of ${node} has the failover flag`,
    question: () => `give slot ${slot} of ${node} the failover flag?`,
  };
  return runChange(change, context);
}
