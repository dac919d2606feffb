// `remaster checkpoint`, `demote` and `reinstate`: the steps by which a primary hands the lead over.

import { planCheckpoint, planDemote, planReinstate } from "../plan/demote.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { decideOnTwoLooks, runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

const upstream = {
  flag: "to",
  type: "value",
  placeholder: "UPSTREAM",
  kind: "node",
  required: true,
  summary: "the node that it is to follow",
} as const;

export const checkpoint: VerbDefinition = {
  name: "checkpoint",
  summary: "write what is dirty to disk",
  description: [
    "Has the nodes write a checkpoint, a standby a restartpoint, so that the shutdown or the promotion that comes next has little left to write.",
  ],
  arguments: [{ name: "node", summary: "the nodes", kind: "node", required: true, variadic: true }],
  options: [],
  examples: [{ command: "remaster checkpoint n1 n2 --yes", explanation: "before a switchover" }],
  changes: true,
  run: async (input: Input, context: Context): Promise<Report> => {
    const nodes = argumentValues(input, "node");
    await checkNodeNames(context, nodes);
    const change = {
      verb: "checkpoint",
      decide: (topology: Topology) => planCheckpoint(topology, { nodes }),
      holds: () => `checkpoint written: ${nodes.join(", ")}`,
      question: () => `write a checkpoint on ${nodes.join(", ")}?`,
    };
    return runChange(change, context);
  },
};

export const demote: VerbDefinition = {
  name: "demote",
  summary: "shut a primary down so that it comes back as a standby",
  description: [
    "Tells the primary whom it follows from its next start on, makes its slot there, puts standby.signal in its data directory and shuts it down cleanly. Done when its log was seen to end with the shutdown checkpoint, over a stream of our own, and the node that it is to follow has replayed all of it; that position is printed.",
    "Needs `control.pg_ctl` of the primary. Afterwards nobody leads: `remaster promote` and `remaster rejoin` come next, or `remaster reinstate`, which makes it the primary again.",
  ],
  arguments: [
    { name: "node", summary: "the primary", kind: "node", required: true, variadic: false },
  ],
  options: [upstream],
  examples: [{ command: "remaster demote n1 --to n2", explanation: "asks first" }],
  changes: true,
  run: async (input: Input, context: Context): Promise<Report> => {
    const [node = ""] = argumentValues(input, "node");
    const to = optionText(input, "to") ?? "";
    await checkNodeNames(context, [node, to]);
    const change = {
      verb: "demote",
      decide: (topology: Topology) => planDemote(topology, { node, to }),
      holds: () => `${node} is shut down, and ${to} has everything`,
      question: () => `shut ${node} down? nobody takes writes then`,
    };
    return runChange(change, context);
  },
};

export const reinstate: VerbDefinition = {
  name: "reinstate",
  summary: "make a demoted node the primary again",
  description: [
    "Takes back what `remaster demote` did: standby.signal goes, the node starts as the primary that it was, and its settings come back. Refuses while another node leads.",
  ],
  arguments: [
    { name: "node", summary: "the demoted node", kind: "node", required: true, variadic: false },
  ],
  options: [],
  examples: [{ command: "remaster reinstate n1", explanation: "asks first" }],
  changes: true,
  run: async (input: Input, context: Context): Promise<Report> => {
    const [node = ""] = argumentValues(input, "node");
    await checkNodeNames(context, [node]);
    const change = {
      verb: "reinstate",
      decide: (topology: Topology) =>
        decideOnTwoLooks(topology, context, (look) => planReinstate(look, { node })),
      holds: () => `${node} leads`,
      question: () => `start ${node} as the primary?`,
    };
    return runChange(change, context);
  },
};
