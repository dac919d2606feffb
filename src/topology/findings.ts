// What a structure means: every situation that an observation shows, under its code.

import type { Finding } from "./finding.ts";
import type { Structure } from "./structure.ts";

/** Everything worth saying about a cluster, problems first. */
export function findFindings(structure: Structure): readonly Finding[] {
  return structure.cluster === "" ? [] : [];
}
