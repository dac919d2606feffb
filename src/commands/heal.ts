// `remaster heal`: clear a torn tail that keeps a standby from following the new primary.

import { planHeal } from "../plan/control.ts";
import type { Report } from "../plan/report.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const heal: VerbDefinition = {
  name: "heal",
  summary: "clear a torn end of WAL so that a standby can follow",
  description: [
    "A primary that was killed under bulk writes may leave its standbys with an end of WAL that lies exactly on a segment boundary, in the middle of a record. After the promotion such a standby asks the new primary for WAL that it does not have yet, and loops or stops.",
    "Stops the node through its control, moves the last segment of the old timeline aside (it is kept), starts the node and sees it follow. Needs `control.pg_ctl`; where only start and stop commands are known, says the commands to type.",
  ],
  arguments: [
    { name: "node", summary: "the standby", kind: "node", required: true, variadic: false },
  ],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "UPSTREAM",
      kind: "node",
      required: true,
      summary: "the node that it is to follow",
    },
  ],
  examples: [{ command: "remaster heal n3 --to n2", explanation: "asks first" }],
  changes: true,
  run: async (input: Input, context: Context): Promise<Report> => {
    const [node = ""] = argumentValues(input, "node");
    const to = optionText(input, "to") ?? "";
    await checkNodeNames(context, [node, to]);
    const change = {
      verb: "heal",
      decide: (topology: Parameters<typeof planHeal>[0]) => planHeal(topology, { node, to }),
      holds: () => `${node} follows ${to}`,
      question: () => `stop ${node}, move its last WAL segment aside and start it again?`,
      again: `remaster heal ${node} --to ${to}`,
    };
    return runChange(change, context);
  },
};
