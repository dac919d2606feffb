// The shape of a cluster as its servers show it: nodes, who feeds whom, who takes writes. What that means (findings,
// candidates) is read off it elsewhere.

import type { Address } from "../conninfo/conninfo.ts";
import { comparePositions } from "../wal/position.ts";
import type { TimelineHistories } from "../wal/timeline.ts";
import type { AcceptedLine } from "./accepted.ts";
import type { Observation, ReachedNode } from "./node.ts";

/** Who feeds a standby. */
export interface Edge {
  readonly standby: string;
  /** The upstream's node name; null when its address belongs to no node of the topology file. */
  readonly upstream: string | null;
  readonly address: Address | null;
  /** True when WAL flows now: a receiver that streams and, where its upstream was looked at, a sender that streams too. */
  readonly streaming: boolean;
  /** What says so: the standby's own receiver, a sender row on the upstream, or no more than the standby's setting. */
  readonly evidence: "receiver" | "sender" | "setting";
}

/** Everything about a cluster that is derived from observations, short of judging it. */
export interface Structure {
  readonly cluster: string;
  /** The cluster's system identifier, decimal text; null when no node let us in. */
  readonly systemIdentifier: string | null;
  /** In the order of the topology file. */
  readonly nodes: ReadonlyMap<string, Observation>;
  /** By standby name; a standby without a known upstream has none. */
  readonly edges: ReadonlyMap<string, Edge>;
  /** Names of this cluster's nodes that are out of recovery, most advanced first; a fenced one is among them. Where a
   * timeline was accepted, those on its line. */
  readonly primaries: readonly string[];
  /** Names of this cluster's nodes, primaries and standbys, that left the line of the timeline that was accepted. */
  readonly strays: readonly string[];
  /** The timeline that the operator accepts as the cluster's; null where none was named. */
  readonly accepted: AcceptedLine | null;
  /** Upstream cycles, each as node names in order; reported, not followed. */
  readonly cycles: readonly (readonly string[])[];
  /** The histories that any node knows, and those that they imply. */
  readonly histories: TimelineHistories;
}

/** The nodes that let us in, in the order of the topology file. */
export function reachedNodes(structure: Pick<Structure, "nodes">): readonly ReachedNode[] {
  return [...structure.nodes.values()].filter((node) => node.reachable);
}

/** A node that let us in, by name; null when there is none or it did not. */
export function reachedNode(structure: Pick<Structure, "nodes">, name: string): ReachedNode | null {
  const node = structure.nodes.get(name);
  return node?.reachable === true ? node : null;
}

/** PostgreSQL's major version: 15 for 150018. */
export function majorOf(node: Pick<ReachedNode, "version">): number {
  return Math.floor(node.version / 10_000);
}

/** The cluster's major version: its primary's, else the one that most of its nodes run. Null when none was reached. */
export function clusterMajor(structure: ClusterView): number | null {
  const primary = structure.primaries[0];
  const leader = primary === undefined ? null : reachedNode(structure, primary);
  if (leader !== null) return majorOf(leader);
  const count = new Map<number, number>();
  for (const node of reachedNodes(structure)) {
    if (isOurs(structure, node)) count.set(majorOf(node), (count.get(majorOf(node)) ?? 0) + 1);
  }
  const [most] = [...count].toSorted(([, a], [, b]) => b - a);
  return most === undefined ? null : most[0];
}

type ClusterView = Pick<Structure, "nodes" | "primaries" | "systemIdentifier">;

/** Whether a node belongs to the cluster: the same database cluster by its system identifier. */
export function isOurs(structure: Pick<Structure, "systemIdentifier">, node: ReachedNode): boolean {
  return node.systemIdentifier === structure.systemIdentifier;
}

/** This cluster's nodes that let us in, in the order of the topology file. */
export function ourNodes(
  structure: Pick<Structure, "nodes" | "systemIdentifier">,
): readonly ReachedNode[] {
  return reachedNodes(structure).filter((node) => isOurs(structure, node));
}

/** In recovery up to some point and then to lead for itself: no standby, though a WAL receiver may run. */
export function isInPointInTimeRecovery(node: ReachedNode): boolean {
  return node.role === "standby" && node.recoverySignal === true && node.standbySignal !== true;
}

/** This cluster's reachable standbys, in the order of the topology file. */
export function standbysOf(
  structure: Pick<Structure, "nodes" | "systemIdentifier">,
): readonly ReachedNode[] {
  return ourNodes(structure).filter(
    (node) => node.role === "standby" && !isInPointInTimeRecovery(node),
  );
}

/** Every node of this cluster that is out of recovery, those that left the accepted line last. */
export function allPrimaries(
  structure: Pick<Structure, "nodes" | "primaries" | "strays">,
): readonly string[] {
  const astray = structure.strays.filter(
    (name) => reachedNode(structure, name)?.role === "primary",
  );
  return [...structure.primaries, ...astray];
}

/** The one primary that was reached, or null when there is none or there are several. */
export function solePrimary(structure: Pick<Structure, "nodes" | "primaries">): ReachedNode | null {
  const [name, ...others] = structure.primaries;
  if (name === undefined || others.length > 0) return null;
  return reachedNode(structure, name);
}

/** Order of primaries: the one that holds more first; of two that diverged, the one on the later timeline. */
export function comparePrimaries(a: ReachedNode, b: ReachedNode, histories: TimelineHistories) {
  if (a.received === null || b.received === null) {
    return Number(a.received === null) - Number(b.received === null);
  }
  const { relation } = comparePositions(a.received, b.received, histories);
  if (relation === "ahead") return -1;
  if (relation === "behind") return 1;
  return b.received.timeline - a.received.timeline;
}
