// `remaster promote`: make one standby the primary. The one primitive that cannot be taken back.

import { UsageError } from "../errors.ts";
import { findFencedPast, planPromote } from "../plan/promote.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { formatPosition, type Position, parsePosition } from "../wal/position.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import {
  argumentValues,
  type Input,
  optionSet,
  optionText,
  type VerbDefinition,
} from "./define.ts";
import { heldAgainst } from "./fence.ts";
import { checkNodeNames } from "./nodes.ts";
import { patienceMs, patienceOption } from "./patience.ts";

export const promote: VerbDefinition = {
  name: "promote",
  summary: "make a standby the primary, on a new timeline",
  description: [
    "Refuses while a primary answers, while any standby still receives from one, and while another reachable node has WAL that this one lacks. Gives the node its restore_command back first if it was quiesced, so that it sees the history files of the archive. Done when the node is out of recovery on a new timeline and takes a write position.",
    "A promotion that runs out of time is unknown, not failed: the node may promote itself any time later. Then the exit status is 8, and no other node must be promoted until it is known.",
  ],
  arguments: [
    {
      name: "node",
      summary: "the standby to promote",
      kind: "node",
      required: true,
      variadic: false,
    },
  ],
  options: [
    {
      flag: "require",
      type: "value",
      placeholder: "POSITION",
      kind: "position",
      summary: "refuse unless the node holds this position, such as 3@0/16B3748",
    },
    {
      flag: "closed",
      type: "flag",
      summary: "a node that `remaster close` closed stays so; else it is opened",
    },
    patienceOption,
    {
      flag: "accept-data-loss",
      type: "flag",
      summary: "promote although another reachable node has more: that is lost",
    },
  ],
  examples: [
    { command: "remaster promote n2", explanation: "asks first" },
    {
      command: "remaster promote n2 --require 3@0/16B3748 --yes",
      explanation: "only if n2 has everything up to there",
    },
  ],
  changes: true,
  outcomes: {
    done: "the node is a primary and takes writes",
    incomplete: "the promotion was asked for and not seen to finish: it may still happen",
  },
  run: runPromote,
};

function requiredPosition(input: Input): Position | null {
  const text = optionText(input, "require");
  if (text === null) return null;
  const position = parsePosition(text);
  if (position === null) {
    throw new UsageError(`no position: ${text}`, "write timeline@LSN, such as 3@0/16B3748");
  }
  return position;
}

/** What fenced primaries wrote behind the position that is required. One whose log cannot be read is left out, and is in the way. */
async function readPast(
  topology: Topology,
  require: Position,
  context: Context,
): Promise<ReadonlyMap<string, Position | null>> {
  const read = findFencedPast(topology, require).map((node) =>
    context.writtenPast(node, require).then(
      (at) => [[node.name, at] as const],
      () => [],
    ),
  );
  return new Map((await Promise.all(read)).flat());
}

async function runPromote(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  const require = requiredPosition(input);
  await checkNodeNames(context, [node]);
  const change = {
    verb: "promote",
    decide: async (topology: Topology) =>
      planPromote(topology, {
        node,
        require,
        patienceMs: patienceMs(input),
        acceptDataLoss: optionSet(input, "accept-data-loss"),
        ...(optionSet(input, "closed") ? { closed: true as const } : {}),
        past: require === null ? new Map() : await readPast(topology, require, context),
      }),
    holds: (topology: Topology) => {
      const seen = topology.nodes.get(node);
      const at = seen?.reachable === true && seen.received !== null ? seen.received : null;
      return `${node} is the primary${at === null ? "" : `, at ${formatPosition(at)}`}`;
    },
    word: (topology: Topology) => (topology.primaries.includes(node) ? node : null),
    question: () => `promote ${node}? this cannot be taken back`,
  };
  return heldAgainst(await runChange(change, context), context);
}
