// The topology: observations by node name, and the edges between them, derived from the servers themselves.

import type { Address } from "../conninfo/conninfo.ts";
import type { TimelineHistories } from "../wal/timeline.ts";
import type { Finding } from "./finding.ts";
import type { Observation } from "./node.ts";

/** Who feeds a standby. */
export interface Edge {
  readonly standby: string;
  /** The upstream's node name; null when its address belongs to no node of the topology file. */
  readonly upstream: string | null;
  readonly address: Address | null;
  /** True when WAL flows now: a receiver that streams, seen on either side. */
  readonly streaming: boolean;
}

export interface Topology {
  readonly cluster: string;
  /** In the order of the topology file. */
  readonly nodes: ReadonlyMap<string, Observation>;
  /** By standby name; a standby without a known upstream has none. */
  readonly edges: ReadonlyMap<string, Edge>;
  /** Node names that take writes, most advanced timeline first. */
  readonly primaries: readonly string[];
  /** Upstream cycles, each as node names in order; reported, not followed. */
  readonly cycles: readonly (readonly string[])[];
  /** The histories that any node knows. */
  readonly histories: TimelineHistories;
  readonly findings: readonly Finding[];
}
