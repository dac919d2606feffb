// A situation: what the nodes show, and the findings that this must give.

import type { AcceptedTimeline } from "../../../src/topology/accepted.ts";
import type { FindingCode, Severity } from "../../../src/topology/finding.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { type ReachedChanges, reached } from "./build.ts";

/** Code, severity, node. */
export type Brief = readonly [FindingCode, Severity, string?];

export interface Situation {
  readonly what: string;
  readonly nodes: readonly Observation[];
  /** The timeline that the operator accepts. */
  readonly accept?: AcceptedTimeline;
  /** All of its findings, problems first. */
  readonly findings: readonly Brief[];
  /** A part of the first finding's message. */
  readonly says?: string;
  /** A part of the first finding's hint. */
  readonly hint?: string;
}

/** n1 leads, n2 streams from it, with what a test changes in either. */
export function pair(
  n2: Partial<ReachedChanges>,
  n1: Partial<ReachedChanges> = {},
): readonly Observation[] {
  return [reached({ name: "n1", to: ["n2"], ...n1 }), reached({ name: "n2", from: "n1", ...n2 })];
}
