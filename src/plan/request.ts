// What planners share: lookups in the topology, and the makings of steps, stages and decisions.

import type { Finding } from "../topology/finding.ts";
import type { Observation } from "../topology/node.ts";
import { findNodeAt, type Topology } from "../topology/topology.ts";
import type { Guarantee } from "./guarantee.ts";
import type { Decision, Plan, PlannedStep, Stage } from "./plan.ts";
import type { Step } from "./step.ts";

/** The observation of a node that the command line named; a name outside the file was refused before. */
export function observationOf(topology: Topology, name: string): Observation {
  const found = topology.nodes.get(name);
  if (found === undefined) throw new Error(`no node ${name} in the topology`);
  return found;
}

/** A step with what takes it back. */
export function planned(
  topology: Topology,
  step: Step,
  options: { readonly required: boolean },
): PlannedStep {
  return { step, required: options.required, undo: undoOf(topology, step) };
}

function undoOf(topology: Topology, step: Step): Step | null {
  switch (step.verb) {
    case "quiesce":
    case "exchange":
    case "repoint":
      return markAgain(topology, step.node);
    case "fence":
    case "close":
      return { verb: "unfence", node: step.node };
    case "demote":
      return { verb: "reinstate", node: step.node };
    case "pause":
      return { verb: "resume", node: step.node };
    case "unquiesce":
    case "unfence":
    case "checkpoint":
    case "reinstate":
    case "rejoin":
    case "promote":
    case "stop":
    case "heal":
    case "drop-slot":
    case "slot-sync":
    case "slot-settings":
    case "slot-failover":
    case "keep-slots":
    case "make-slots":
    case "resume":
    case "hook":
      return null;
  }
}

/** Back to the mark that a node bore before the run: whom it was told of may be about to lead. Else all marks come off:
 * behind each stands the old value. */
function markAgain(topology: Topology, name: string): Step {
  const node = topology.nodes.get(name);
  const none = { verb: "unquiesce", node: name } as const;
  if (node?.reachable !== true) return none;
  const { quiesced, exchanging, repointing } = node.marks;
  if (quiesced || exchanging === true) {
    return { verb: "quiesce", node: name, cancelQueries: false };
  }
  const to = repointing === null ? null : findNodeAt(topology, repointing);
  return to === null ? none : { verb: "repoint", node: name, to, until: "set" };
}

/** A stage, or none where it would be empty. */
export function stage(reason: string, steps: readonly PlannedStep[]): readonly Stage[] {
  return steps.length === 0 ? [] : [{ reason, steps }];
}

export function decidePlan(
  verb: string,
  topology: Topology,
  content: {
    readonly stages: readonly Stage[];
    /** The verb of the first stage that cannot be undone. */
    readonly noReturn?: Step["verb"];
    readonly findings?: readonly Finding[];
    readonly guarantee?: Guarantee;
  },
): Decision {
  const index =
    content.noReturn === undefined
      ? -1
      : content.stages.findIndex((each) => each.steps[0]?.step.verb === content.noReturn);
  const plan: Plan = {
    format: 1,
    verb,
    stages: content.stages,
    pointOfNoReturn: index === -1 ? null : index,
    observedAt: Math.min(...[...topology.nodes.values()].map((node) => node.observedAt)),
    findings: content.findings ?? [],
    ...(content.guarantee === undefined ? {} : { guarantee: content.guarantee }),
  };
  return { kind: "plan", plan };
}

/** A refusal where anything was found, else null. Nodes that cannot be reached make it `unreachable`. */
export function refuseOn(findings: readonly Finding[]): Decision | null {
  const first = findings[0];
  if (first === undefined) return null;
  const outcome = findings.every((finding) => finding.code === "node-unreachable")
    ? "unreachable"
    : "refused";
  return { kind: "refused", outcome, findings };
}

export function problem(
  code: Finding["code"],
  node: string | null,
  content: { readonly message: string; readonly hint?: string },
): Finding {
  return {
    code,
    severity: "problem",
    ...(node === null ? {} : { node }),
    message: content.message,
    ...(content.hint === undefined ? {} : { hint: content.hint }),
  };
}
