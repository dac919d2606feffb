// The topology: observations by node name, the edges between them derived from the servers themselves, and the
// findings. Pure: the same observations give the same topology.

import { type AcceptedTimeline, findAcceptedLine } from "./accepted.ts";
import type { Finding } from "./finding.ts";
import type { Address } from "../conninfo/conninfo.ts";
import { findEdges, nodesAt } from "./edges.ts";
import { findFindings } from "./findings.ts";
import type { Observation } from "./node.ts";
import { comparePrimaries, ourNodes, type Structure, reachedNodes } from "./structure.ts";
import { collectHistories } from "./histories.ts";

export interface Topology extends Structure {
  readonly findings: readonly Finding[];
}

export interface TopologyOptions {
  /** The timeline that the operator accepts as the cluster's, where nodes claim several. */
  readonly accept?: AcceptedTimeline | null;
}

/** The topology that a set of observations shows. Total: any observations give one. */
export function buildTopology(
  cluster: string,
  observations: readonly Observation[],
  options: TopologyOptions = {},
): Topology {
  const structure = buildStructure(cluster, observations, options);
  return { ...structure, findings: findFindings(structure) };
}

/** The same without the findings, which take most of the time. */
export function buildStructure(
  cluster: string,
  observations: readonly Observation[],
  options: TopologyOptions = {},
): Structure {
  const nodes = new Map(observations.map((node) => [node.name, node]));
  const systemIdentifier = findSystemIdentifier(observations);
  const histories = collectHistories(reachedNodes({ nodes }));
  const edges = findEdges(nodes);
  const ours = ourNodes({ nodes, systemIdentifier });
  const wish = options.accept ?? null;
  const accepted = wish === null ? null : findAcceptedLine(wish, ours, histories);
  const strays = accepted?.strays ?? [];
  const primaries = ours
    .filter((node) => node.role === "primary" && !strays.includes(node.name))
    .toSorted((a, b) => comparePrimaries(a, b, histories))
    .map((node) => node.name);
  const cycles = findCycles(edges);
  const shape = { nodes, edges, primaries, strays, accepted, cycles, histories };
  return { cluster, systemIdentifier, ...shape };
}

/** Most nodes decide which cluster this is; between equals the side with a primary, then the first in the file. */
function findSystemIdentifier(observations: readonly Observation[]): string | null {
  const votes = new Map<string, number>();
  for (const node of observations) {
    if (!node.reachable) continue;
    const weight = node.role === "primary" ? 1.001 : 1;
    votes.set(node.systemIdentifier, (votes.get(node.systemIdentifier) ?? 0) + weight);
  }
  let best: string | null = null;
  for (const [identifier, weight] of votes) {
    if (best === null || weight > (votes.get(best) ?? 0)) best = identifier;
  }
  return best;
}

function findCycles(edges: Structure["edges"]): readonly (readonly string[])[] {
  const cycles: string[][] = [];
  const settled = new Set<string>();
  for (const start of edges.keys()) {
    const path: string[] = [];
    let name: string | null = start;
    while (name !== null && !settled.has(name) && !path.includes(name)) {
      path.push(name);
      name = edges.get(name)?.upstream ?? null;
    }
    if (name !== null && path.includes(name)) cycles.push(path.slice(path.indexOf(name)));
    for (const each of path) settled.add(each);
  }
  return cycles;
}

/** The names above a node, its upstream first, up to a primary, an unknown upstream, or where a cycle closes. */
export function upstreamChain(topology: Pick<Topology, "edges">, node: string): readonly string[] {
  const chain: string[] = [];
  let name = topology.edges.get(node)?.upstream ?? null;
  while (name !== null && name !== node && !chain.includes(name)) {
    chain.push(name);
    name = topology.edges.get(name)?.upstream ?? null;
  }
  return chain;
}

/** Whether a node streams from another, itself or through others. A stream from a server that is frozen looks alive for as long as wal_receiver_timeout. */
export function streamsFrom(
  topology: Pick<Topology, "edges">,
  node: string,
  leader: string,
): boolean {
  const { streaming } = topology.edges.get(node) ?? {};
  return streaming === true && upstreamChain(topology, node).includes(leader);
}

/** The standbys that a node feeds itself, in the order of the topology file. */
export function directDownstreamsOf(
  topology: Pick<Topology, "edges" | "nodes">,
  node: string,
): readonly string[] {
  return [...topology.nodes.keys()].filter(
    (name) => name !== node && topology.edges.get(name)?.upstream === node,
  );
}

/** All standbys below a node, at any depth, in the order of the topology file. */
export function downstreamsOf(
  topology: Pick<Topology, "edges" | "nodes">,
  node: string,
): readonly string[] {
  return [...topology.nodes.keys()].filter(
    (name) => name !== node && upstreamChain(topology, name).includes(node),
  );
}

/** The name of the node that answers to an address; null when none does, or several do. */
export function findNodeAt(topology: Pick<Topology, "nodes">, address: Address): string | null {
  const [found, ...others] = nodesAt(topology.nodes, address);
  return found === undefined || others.length > 0 ? null : found.name;
}
