// What a verb that changes servers says of itself where it changed nothing, and the sentences that end its reports.

import type { Decision, Plan } from "../plan/plan.ts";
import type { Report } from "../plan/report.ts";
import type { Finding } from "../topology/finding.ts";
import type { Topology } from "../topology/topology.ts";
import type { Context, Execution } from "./context.ts";

export interface Change {
  readonly verb: string;
  readonly decide: (topology: Topology, context: Context) => Decision | Promise<Decision>;
  /** What holds when the goal is reached, in one sentence. */
  readonly holds: (topology: Topology) => string;
  /** What the parts of the run took, behind what holds; empty where there is nothing to say. */
  readonly took?: (timings: Execution["timings"]) => string;
  /** The word for --quiet when the goal is reached. */
  readonly word?: (topology: Topology) => string | null;
  /** The question before anything is changed. */
  readonly question: (plan: Plan) => string;
  /** What speaks against calling the end state done, though every step held. */
  readonly shortfall?: (before: Topology, after: Topology) => readonly Finding[];
}

/** Fields that every report of a changing verb has. */
export function base(
  change: Change,
  topology: Topology,
): Pick<Report, "command" | "cluster" | "topology"> {
  return { command: change.verb, cluster: topology.cluster, topology };
}

export function refusalReport(
  change: Change,
  topology: Topology,
  decision: Extract<Decision, { kind: "refused" }>,
): Report {
  const [first] = decision.findings;
  return {
    ...base(change, topology),
    outcome: decision.outcome,
    findings: decision.findings,
    word: null,
    summary: `refused, nothing was changed: ${first?.message ?? "no reason given"}`,
  };
}

/** Nothing to do is done, unless what falls short of the goal is out of the verb's reach. */
export function alreadyReport(
  change: Change,
  topology: Topology,
  findings: readonly Finding[],
  context: Context,
): Report {
  const shortfall = change.shortfall?.(topology, topology) ?? [];
  const nothing = ["#!/bin/sh", `# remaster ${change.verb}: nothing to do`];
  return {
    ...base(change, topology),
    ...(context.options.script ? { text: nothing } : {}),
    outcome: shortfall.length > 0 ? "incomplete" : "done",
    findings: [...findings, ...shortfall],
    word: change.word?.(topology) ?? null,
    summary: `nothing to do: ${change.holds(topology)}`,
  };
}

export function withoutConsent(
  change: Change,
  topology: Topology,
  plan: Plan,
  outcome: Report["outcome"],
): Report {
  const finding: Finding = {
    code: "needs-yes",
    severity: "problem",
    message: "this changes servers, and there is no terminal to ask on",
    hint: "say --yes, or look at the plan with --dry-run",
  };
  return {
    ...base(change, topology),
    outcome,
    findings: outcome === "refused" ? [finding] : [],
    plan,
    word: null,
    summary: outcome === "refused" ? finding.message : "declined; nothing was changed",
  };
}

export function lockRefusal(
  change: Change,
  topology: Topology,
  findings: readonly Finding[],
): Report {
  return refusalReport(change, topology, { kind: "refused", outcome: "refused", findings });
}

export const factsChanged: Finding = {
  code: "facts-changed",
  severity: "problem",
  message: "the cluster changed while the question was open, and the plan no longer fits it",
  hint: "look at the new plan: the same command again",
};

export interface Ended extends Pick<Execution, "outcome" | "steps" | "timings"> {
  /** By the operator, not by the end of the time. */
  readonly interrupted: boolean;
}

export function summaryOf(
  change: Change,
  topology: Topology,
  { outcome, steps, timings, interrupted }: Ended,
): string {
  switch (outcome) {
    case "done":
      return steps.every(({ state }) => state === "already")
        ? `nothing to do: ${change.holds(topology)}`
        : `${change.holds(topology)}${change.took?.(timings) ?? ""}`;
    case "declined":
      return "interrupted before the first change; nothing was changed";
    case "undone":
      return `${interrupted ? "interrupted" : "it did not work"}; what had been done was taken back`;
    case "incomplete":
      return `${interrupted ? "interrupted, " : ""}not finished: the steps and findings say what holds`;
    case "refused":
      return "the lock of the cluster was lost before the first change; nothing was changed";
  }
}
