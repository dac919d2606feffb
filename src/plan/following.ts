// Who follows a primary: every link up to it streams, and the node is on its timeline. A setting that names the primary,
// or a receiver that merely runs, is no following.

import { type Edge, reachedNode, standbysOf } from "../topology/structure.ts";
import { type Topology, upstreamChain } from "../topology/topology.ts";

function streamsUp(topology: Topology, node: string, primary: string): boolean {
  const chain = upstreamChain(topology, node);
  const links: readonly (Edge | undefined)[] = [node, ...chain]
    .slice(0, chain.indexOf(primary) + 1)
    .map((name) => topology.edges.get(name));
  return chain.includes(primary) && links.every((edge) => edge?.streaming === true);
}

/** Reachable standbys of the cluster that do not follow this primary, in the order of the topology file. */
export function findUnfollowing(topology: Topology, primary: string): readonly string[] {
  const timeline = reachedNode(topology, primary)?.timeline ?? null;
  return standbysOf(topology)
    .filter((node) => node.timeline !== timeline || !streamsUp(topology, node.name, primary))
    .map((node) => node.name);
}
