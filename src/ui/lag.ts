// How far a standby is behind, in bytes and seconds: what the primary has written and the standby has not replayed.
// The seconds are the age of the last replayed commit, which grows on an idle primary too: nothing to replay means zero.

import type { ReachedNode } from "../topology/node.ts";
import { reachedNode, reachedNodes } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { compareHeld, comparePositions } from "../wal/position.ts";

export interface Lag {
  /** Null when it cannot be said. */
  readonly bytes: bigint | null;
  readonly seconds: number | null;
  /** It has replayed WAL that the reference does not know. */
  readonly diverged: boolean;
}

const unknown: Lag = { bytes: null, seconds: null, diverged: false };

/** Against the primary, or, where there is none, the reachable node that has most. Null for a primary. */
export function lagOf(topology: Topology, node: ReachedNode): Lag | null {
  const reference = referenceOf(topology);
  if (reference === null || node.role === "primary") return null;
  if (node.systemIdentifier !== topology.systemIdentifier) return unknown;
  if (reference.received === null || node.replayed === null) return unknown;
  const held = compareHeld(node, reference, topology.histories);
  if (held.relation === "diverged") return { ...unknown, diverged: true };
  const { relation, bytes } = comparePositions(
    node.replayed,
    reference.received,
    topology.histories,
  );
  // Looked at a moment later, a standby may have more than the primary had.
  const behind = relation === "ahead" ? 0n : bytes;
  return { bytes: behind, seconds: secondsOf(node, behind), diverged: false };
}

function referenceOf(topology: Topology): ReachedNode | null {
  const [primary] = topology.primaries;
  if (primary !== undefined) return reachedNode(topology, primary);
  return reachedNodes(topology)
    .filter((node) => node.systemIdentifier === topology.systemIdentifier)
    .reduce<ReachedNode | null>((best, node) => {
      if (best === null) return node;
      return compareHeld(node, best, topology.histories).relation === "ahead" ? node : best;
    }, null);
}

function secondsOf(node: ReachedNode, bytes: bigint | null): number | null {
  if (bytes === 0n) return 0;
  return node.replayAgeMs === null ? null : node.replayAgeMs / 1000;
}
