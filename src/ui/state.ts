// What a node is doing, in a few words: whether WAL flows, what holds replay up, the marks that remaster left, and what
// the topology file says of it.

import { formatAddress } from "../conninfo/hosts.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import type { Edge } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import type { Style } from "./line.ts";
import { formatBytes } from "./quantity.ts";

export interface State {
  readonly words: readonly string[];
  readonly style: Style;
}

export function stateOf(topology: Topology, node: Observation): State {
  const promise = node.promotable ? [] : ["never leads"];
  if (!node.reachable) return { words: [node.reason, ...promise], style: "bad" };
  const stranger =
    node.systemIdentifier === topology.systemIdentifier ? [] : ["another database cluster"];
  const flow = node.role === "primary" ? [] : flowWords(topology, node);
  const trouble = [
    ...rivalWords(topology, node),
    ...stranger,
    ...replayWords(node),
    ...signalWords(node),
  ];
  const flowing = node.role === "primary" || topology.edges.get(node.name)?.streaming === true;
  return {
    words: [...flow, ...trouble, ...markWords(node), ...promise, ...versionWords(topology, node)],
    style: flowing && trouble.length === 0 ? "plain" : "warning",
  };
}

/** In a split brain each of them says so: none is the right one by its place in the tree. */
function rivalWords({ primaries }: Topology, node: ReachedNode): readonly string[] {
  const rivals = primaries.includes(node.name) && primaries.length > 1;
  return rivals ? [`one of ${primaries.length} primaries`] : [];
}

function flowWords(topology: Topology, node: ReachedNode): readonly string[] {
  const edge = topology.edges.get(node.name);
  if (node.marks.quiesced && node.receiver === null) return ["quiesced"];
  if (edge === undefined) return ["no upstream"];
  return [`${edge.streaming ? "streaming" : "not streaming"}${source(topology, edge)}`];
}

/** Said where the tree does not show it: an upstream outside the file, or one that closes a cycle. */
function source(topology: Topology, edge: Edge): string {
  if (edge.upstream === null) {
    return edge.address === null ? "" : ` from ${formatAddress(edge.address)}`;
  }
  const closesCycle = topology.cycles.some(([head]) => head === edge.standby);
  return closesCycle ? ` from ${edge.upstream}, a cycle` : "";
}

function replayWords(node: ReachedNode): readonly string[] {
  const waiting = unreplayed(node);
  switch (node.replay) {
    case "running":
      return [];
    case "paused":
      return [`replay paused${waiting}`];
    case "blocked":
      return [`replay blocked by ${sessions(node.blockers.length)}${waiting}`];
    case "delayed":
      return [`replay delayed${waiting}`];
  }
}

function sessions(count: number): string {
  if (count === 0) return "a conflict";
  return count === 1 ? "1 session" : `${count} sessions`;
}

/** What was received and is not replayed; nothing to say on another timeline, where the two do not subtract. */
function unreplayed({ received, replayed }: ReachedNode): string {
  if (received === null || replayed === null || received.lsn <= replayed.lsn) return "";
  return ` with ${formatBytes(received.lsn - replayed.lsn)} received`;
}

function signalWords(node: ReachedNode): readonly string[] {
  if (node.role === "primary") {
    return node.standbySignal === true ? ["standby.signal left over"] : [];
  }
  return node.recoverySignal === true ? ["in point-in-time recovery"] : [];
}

function markWords(node: ReachedNode): readonly string[] {
  const { marks } = node;
  return [
    ...(marks.quiesced && node.receiver !== null ? ["marked quiesced, yet receiving"] : []),
    ...(marks.restoreQuiesced ? ["restore_command quiesced"] : []),
    ...(marks.repointing === null ? [] : [`told of ${formatAddress(marks.repointing)}`]),
    ...(marks.fenced ? ["fenced"] : []),
  ];
}

/** The version is said once, by whoever leads; a standby says its own where it differs. */
function versionWords(topology: Topology, node: ReachedNode): readonly string[] {
  const [primary] = topology.primaries;
  if (node.name === primary) return [`PostgreSQL ${node.versionText}`];
  const leader = primary === undefined ? undefined : topology.nodes.get(primary);
  const differs = leader?.reachable === true && leader.version !== node.version;
  return differs ? [`PostgreSQL ${node.versionText}`] : [];
}
