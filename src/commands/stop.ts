// `remaster stop`: stop servers through their control, for the one case that SQL cannot vouch for.

import { planStop } from "../plan/control.ts";
import type { Report } from "../plan/report.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const stop: VerbDefinition = {
  name: "stop",
  summary: "stop a server through its control",
  description: [
    "Runs `control.stop` of the named nodes, or pg_ctl where `control.pg_ctl` is given, and sees that nothing answers there any more. This is what vouches, in a failover, that the old primary stays away.",
  ],
  arguments: [
    { name: "node", summary: "the nodes to stop", kind: "node", required: true, variadic: true },
  ],
  options: [],
  examples: [{ command: "remaster stop n1", explanation: "asks first" }],
  changes: true,
  run: async (input: Input, context: Context): Promise<Report> => {
    const nodes = argumentValues(input, "node");
    await checkNodeNames(context, nodes);
    const change = {
      verb: "stop",
      decide: (topology: Parameters<typeof planStop>[0]) => planStop(topology, { nodes }),
      holds: () => `${nodes.join(", ")} stopped`,
      question: () => `stop ${nodes.join(", ")}?`,
    };
    return runChange(change, context);
  },
};
