// The passwords that a run knows: what a command of the operator's writes may quote them, and is kept or told without them.

import { isSecretKeyword } from "../conninfo/keywords.ts";
import type { ClusterConfig } from "../topology/node.ts";

/** Those that connection strings and environment give, of nodes and of poolers' consoles. */
export function secretsOf({ nodes, poolers = [] }: ClusterConfig): readonly string[] {
  return [...nodes, ...poolers].flatMap(({ conninfo }) =>
    Object.entries(conninfo).flatMap(([keyword, value]) =>
      isSecretKeyword(keyword) ? [value] : [],
    ),
  );
}
