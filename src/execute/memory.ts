// What the performers of one run tell each other. Nothing here is needed to go on after an interruption: it only makes an
// undo within the run exact where the marks on the nodes alone would have to be interpreted.

import type { Pointing } from "../postgres/follow.ts";

export interface Memory {
  /** What a node named before this run pointed it elsewhere. Holds secrets: never shown or recorded. */
  readonly pointings: Map<string, Pointing>;
  /** Nodes that this run stopped through their control. */
  readonly stopped: Set<string>;
}

export function createMemory(): Memory {
  return { pointings: new Map(), stopped: new Set() };
}
