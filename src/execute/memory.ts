// What the performers of one run tell each other. Nothing here is needed to go on after an interruption: it only makes an
// undo within the run exact where the marks on the nodes alone would have to be interpreted.

import type { Pointing } from "../postgres/follow.ts";
import type { PositionLook } from "../postgres/position.ts";
import type { ReachedNode } from "../topology/node.ts";
import type { Position } from "../wal/position.ts";

export interface Memory {
  /** What a node named before this run pointed it elsewhere. Holds secrets: never shown or recorded. */
  readonly pointings: Map<string, Pointing>;
  /** The slots that this run made for a node: nobody else would drop them when it is not to follow after all. */
  readonly slots: Map<string, readonly MadeSlot[]>;
  /** Every node as it was when it last let this run in: what one had that has gone away since counts as missing. */
  readonly seen: Map<string, ReachedNode>;
  /** Nodes whose settings may have been written, by a statement whose answer never came: not loaded, they would come to life
   * with anybody's reload. */
  readonly unsure: Set<string>;
  /** What was seen of nodes when their quiesce was seen to hold: taken once, so that whoever looks again asks the node. */
  readonly resting: Map<string, PositionLook>;
  /** Nodes that this run leads to a source of WAL, for as long as it takes. */
  readonly led: Set<string>;
  /** Nodes that this run stopped through their control. */
  readonly stopped: Set<string>;
  /** Where the writes of a node ended that this run has fenced. */
  readonly fenced: Map<string, Position>;
  /** Since when nobody takes writes, on the clock of the world. */
  readonly closedAt: { ms: number | null };
  /** Nodes that this run has closed for the slots that they are to get, and has not opened. */
  readonly closed: Set<string>;
  /** Logical slots that could not be made on the new primary, and why. */
  readonly unmade: Map<string, string>;
  /** Clean stops that this run asked for, under way or over. */
  readonly stopping: Map<string, Promise<void>>;
  /** Nodes of which this run has changed settings: nothing stands against changing them once more. */
  readonly changeable: Set<string>;
}

export interface MadeSlot {
  /** The node that has it. */
  readonly upstream: string;
  readonly slotName: string;
}

export function createMemory(): Memory {
  return {
    pointings: new Map(),
    slots: new Map(),
    seen: new Map(),
    unsure: new Set(),
    resting: new Map(),
    led: new Set(),
    stopped: new Set(),
    fenced: new Map(),
    closedAt: { ms: null },
    closed: new Set(),
    unmade: new Map(),
    stopping: new Map(),
    changeable: new Set(),
  };
}
