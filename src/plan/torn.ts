// Torn tails in decisions: who is torn is left still and healed, never led to the new timeline as it is. Who streams from a
// standby whose own end is torn gets that end too, so it is told of that standby only once it leads.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import { endsTorn, isTornFor } from "../topology/torn.ts";
import { formatLsn } from "../wal/lsn.ts";
import { problem } from "./request.ts";

function endOf(node: ReachedNode): string {
  return node.received === null ? "an unknown position" : formatLsn(node.received.lsn);
}

/** What speaks against a node following that upstream, from the ends of their WAL. */
export function checkTorn(node: ReachedNode, to: ReachedNode): Finding[] {
  if (isTornFor(node, to)) {
    return [
      problem("torn-tail", node.name, {
        message: `${node.name} has WAL up to ${endOf(node)}, which ends in the middle of a record that ${to.name} never had: led there as it is, it would end in a PANIC`,
        hint: `remaster heal ${node.name} --to ${to.name}`,
      }),
    ];
  }
  if (!endsTorn(to) || endsTorn(node)) return [];
  return [
    problem("torn-tail", to.name, {
      message: `the WAL of ${to.name} ends in the middle of a record, at ${endOf(to)}, and ${node.name} would get that end too`,
      hint: `promote ${to.name} first, or have it follow a primary`,
    }),
  ];
}

/** What the operator should know of it before saying yes. */
export function tellOfTorn(topology: Topology, node: ReachedNode, to: string): Finding {
  const hasControl = topology.nodes.get(node.name)?.hasControl === true;
  return {
    code: "torn-tail",
    severity: "warning",
    node: node.name,
    message: `${node.name} received up to ${endOf(node)}, past the last whole record that any node has: before it follows ${to}, that end is cut off while it is stopped`,
    hint: hasControl
      ? `its control stops it and starts it again`
      : `it has no control, so this is left to you: \`remaster heal ${node.name} --to ${to}\` tells the commands`,
  };
}
