// How a rule speaks of nodes one by one.

import type { Finding } from "./finding.ts";
import type { ReachedNode } from "./node.ts";

/** A node's finding, but for its name. */
export type Said = Omit<Finding, "node">;

/** What is to be said of each node, under its name. */
export function aboutEach(
  nodes: readonly ReachedNode[],
  say: (node: ReachedNode) => readonly Said[],
): readonly Finding[] {
  return nodes.flatMap((node) => say(node).map((said) => ({ ...said, node: node.name })));
}
