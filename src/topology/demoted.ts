// Former primaries on their way to be standbys: shut down, or come back as one, with the mark of the demotion still on them.
// Nothing is written by them any more, so what they have is all there is. Where another node leads they are to follow it;
// where nobody does, the switchover was cut short between its shutdown and its promotion.

import type { Address } from "../conninfo/conninfo.ts";
import { comparePositions, type Position } from "../wal/position.ts";
import { nodesAt } from "./edges.ts";
import type { ReachedNode } from "./node.ts";
import type { Structure } from "./structure.ts";

export interface DemotedNode {
  readonly name: string;
  /** The node that it was told to follow; null where that is none of the topology file. */
  readonly to: string | null;
  readonly isDown: boolean;
  /** Of one that is down where its shutdown checkpoint begins, of a standby what it has; null where that is not known, or where
   * its next start could be that of a primary. */
  readonly at: Position | null;
}

/** In the order of the topology file. */
export function findDemoted(structure: Pick<Structure, "nodes">): readonly DemotedNode[] {
  return [...structure.nodes.values()].flatMap((node): DemotedNode[] => {
    const { name } = node;
    if (node.reachable) {
      const { demoted, repointing } = node.marks;
      // Settled, it follows another node for good, and the mark is a left-over.
      if (demoted !== true || repointing === null || node.role !== "standby") return [];
      return [{ name, to: nameAt(structure, repointing), isDown: false, at: node.received }];
    }
    const { stopped } = node;
    if (stopped === undefined || stopped.demoted === null) return [];
    const at = stopped.standbySignal ? stopped.shutDownAt : null;
    return [{ name, to: nameAt(structure, stopped.demoted.to), isDown: true, at }];
  });
}

function nameAt({ nodes }: Pick<Structure, "nodes">, address: Address | null): string | null {
  if (address === null) return null;
  const [found, ...others] = nodesAt(nodes, address);
  return found === undefined || others.length > 0 ? null : found.name;
}

/** Whether a standby has everything that the demoted node wrote. */
export function hasAllOf(structure: Structure, node: ReachedNode, demoted: DemotedNode): boolean {
  const { at, isDown } = demoted;
  const { received, replayed } = node;
  if (at === null || received === null || replayed === null) return false;
  // The shutdown checkpoint is the last record: who has replayed past its beginning has replayed it.
  if (isDown) return replayed.timeline === at.timeline && replayed.lsn > at.lsn;
  if (received.timeline !== at.timeline) return false;
  const { relation } = comparePositions(received, at, structure.histories);
  return relation === "same" || relation === "ahead";
}
