// `remaster exchange`: bring one node level with the node farthest ahead, by streaming from it.

import { planExchange } from "../plan/exchange.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const exchange: VerbDefinition = {
  name: "exchange",
  summary: "stream to a standby what another one has and it lacks",
  description: [
    "Points the node at the source for as long as it takes to receive everything that the source has, over streaming replication alone, then takes the pointer away again. The source may be a node that must never lead, and needs no upstream of its own.",
    "Refuses before touching anything when the two went different ways, or when the source no longer has the WAL that is missing. The end is not a record boundary necessarily, so it waits until everything is received, not for an exact replay position.",
  ],
  arguments: [],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      required: true,
      summary: "the node that is brought level",
    },
    {
      flag: "from",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "the source; the node farthest ahead when not given",
    },
  ],
  examples: [
    {
      command: "remaster exchange --to n2 --yes",
      explanation: "give n2 what any reachable node has",
    },
    { command: "remaster exchange --to n2 --from n4 --dry-run", explanation: "from n4 only" },
  ],
  changes: true,
  run: runExchange,
};

async function runExchange(input: Input, context: Context): Promise<Report> {
  const to = optionText(input, "to") ?? "";
  const from = optionText(input, "from");
  await checkNodeNames(context, [to]);
  if (from !== null) await checkNodeNames(context, [from]);
  const change = {
    verb: "exchange",
    decide: (topology: Topology) => planExchange(topology, { to, from }),
    holds: (topology: Topology) => {
      const node = topology.nodes.get(to);
      const at = node?.reachable === true && node.received !== null ? node.received : null;
      return `${to} has everything, at ${at === null ? "an unknown position" : formatPosition(at)}`;
    },
    question: () => `stream to ${to} what it lacks?`,
  };
  return runChange(change, context);
}
