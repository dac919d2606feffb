// A finding: one thing worth saying about a node or the cluster, under a stable code that text, JSON, man page and
// tests share. The codes and their paragraphs stand in one table, so a code without a paragraph does not compile.

import { refusalCatalogue } from "./refusals.ts";

export type Severity = "note" | "warning" | "problem";

export interface Finding {
  /** Stable kebab-case name; its paragraph is in the program's man page. */
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly node?: string;
  /** Lower case, no full stop, facts quoted. */
  readonly message: string;
  /** What to do next. */
  readonly hint?: string;
}

/** Every code with the paragraph that explains it. Codes are never renamed and never used again for something else. */
export const findingCatalogue = {
  ...refusalCatalogue,
  "node-unreachable":
    "The node did not let us in; the message says whether nobody listens, nobody answers, or an error came back.",
  "no-primary": "No reachable node is a primary.",
  "several-primaries":
    "More than one node takes writes: split brain. Both are named, with their positions and the switchpoint.",
  "other-cluster":
    "The node's system identifier differs from the cluster's: it is another database cluster and is left alone.",
  "other-major":
    "The node runs another major version than the rest; physical replication does not cross majors.",
} as const satisfies Record<string, string>;

export type FindingCode = keyof typeof findingCatalogue;
