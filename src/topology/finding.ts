// A finding: one thing worth saying about a node or the cluster, under a stable code that text, JSON, man page and
// tests share. The codes and their paragraphs stand in one table, so a code without a paragraph does not compile.

import { observedCatalogue } from "./observed.ts";
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
  ...observedCatalogue,
} as const satisfies Record<string, string>;

export type FindingCode = keyof typeof findingCatalogue;
