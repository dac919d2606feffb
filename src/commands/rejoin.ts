// `remaster rejoin`: a former primary comes back as a standby of the node that leads.

import { findUpstream, isOnItsWay, planRejoin } from "../plan/rejoin.ts";
import type { Report } from "../plan/report.ts";
import { observationOf } from "../plan/request.ts";
import type { Topology } from "../topology/topology.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import {
  argumentValues,
  type Input,
  optionSet,
  optionText,
  type VerbDefinition,
} from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const rejoin: VerbDefinition = {
  name: "rejoin",
  summary: "bring a former primary back as a standby",
  description: [
    "Brings a former primary, stopped or running, back as a standby of the node that leads now, and sees it follow. It is never started as a primary. A second primary that still runs is stopped first.",
    "Whether it can follow is proven from its data directory: its last checkpoint, and the records of its log from the switchpoint on. Where all it has is part of the new primary's history, nothing has to be done but to start it as a standby. Where it has more, pg_rewind takes that back: after a checkpoint on the new primary, and after a dry run. Where pg_rewind is not there, or the server kept no account of changed pages (data checksums, wal_log_hints), it needs a new base backup, and the command is told.",
    "WAL of transactions that exists nowhere else is not given up: the verb refuses and says from where to where it goes. With --accept-data-loss it goes on. What is taken back is kept in a directory beside the data directory, DATA-diverged-TIMELINE-LSN, whosever it was; pg_rewind brings the configuration files of the new primary, so the node's own are kept there meanwhile and put back.",
    "The node connects with the primary_conninfo that it had before it led; where it never had one, with that of the new primary. Its slot is made there, and a fence is taken off it once it is a standby.",
    "Needs `control.pg_ctl` of the node, and is run on its machine; a node that was started as a standby by hand needs none. Of the role, pg_rewind needs what `remaster role` grants, or a superuser.",
  ],
  arguments: [
    { name: "node", summary: "the former primary", kind: "node", required: true, variadic: false },
  ],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "UPSTREAM",
      kind: "node",
      summary: "the node that it is to follow; the one that leads when not given",
      detail:
        "The node that it is to follow; the one that leads when not given. Where two nodes lead, this says which of them is the primary.",
    },
    {
      flag: "accept-data-loss",
      type: "flag",
      summary: "give up what the node alone has, but for a copy of its WAL",
    },
  ],
  examples: [
    { command: "remaster rejoin n1", explanation: "asks first" },
    { command: "remaster rejoin n1 --to n2 --dry-run", explanation: "what it would take" },
  ],
  changes: true,
  timeout: "5m",
  outcomes: { done: "the node streams from the other one and has what that one had" },
  run: runRejoin,
};

/** What its files say, where they are needed. */
async function lookAtFiles(topology: Topology, wish: Wish, context: Context) {
  const to = findUpstream(topology, wish);
  const node = observationOf(topology, wish.node);
  if (!("name" in to) || to.name === node.name || isOnItsWay(topology, node, to)) return null;
  return context.former(node.name, to);
}

interface Wish {
  readonly node: string;
  readonly to: string | null;
  readonly acceptDataLoss: boolean;
}

async function runRejoin(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  const to = optionText(input, "to");
  await checkNodeNames(context, to === null ? [node] : [node, to]);
  const wish = { node, to, acceptDataLoss: optionSet(input, "accept-data-loss") };
  const change = {
    verb: "rejoin",
    decide: async (topology: Topology) => {
      const former = await lookAtFiles(topology, wish, context);
      return planRejoin(topology, { ...wish, former });
    },
    holds: (topology: Topology) =>
      `${node} follows ${topology.edges.get(node)?.upstream ?? to ?? "its upstream"}`,
    question: () => `bring ${node} back as a standby?`,
  };
  return runChange(change, context);
}
