// Decides quiesce and unquiesce: bring standbys' intake of WAL to a proven stop, and back.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import { checkChangeable, checkReachable, checkSettings, checkStandby } from "./checks.ts";
import { standbysOf } from "../topology/structure.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, refuseOn, stage } from "./request.ts";

export interface QuiesceRequest {
  /** Empty: every standby that can be reached. */
  readonly nodes: readonly string[];
  readonly cancelQueries: boolean;
}

/** Named nodes must all be reachable; unnamed, those that are. */
function chosen(
  topology: Topology,
  names: readonly string[],
): { nodes: readonly ReachedNode[]; findings: readonly Finding[] } {
  if (names.length === 0) return { nodes: standbysOf(topology), findings: [] };
  const observations = names.map((name) => observationOf(topology, name));
  return {
    nodes: observations.filter((node): node is ReachedNode => node.reachable),
    findings: observations.flatMap(checkReachable),
  };
}

function nobody(): Decision {
  const finding = {
    code: "node-unreachable",
    severity: "problem",
    message: "no standby can be reached",
    hint: "see `remaster status`",
  } as const;
  return { kind: "refused", outcome: "unreachable", findings: [finding] };
}

export function planQuiesce(topology: Topology, request: QuiesceRequest): Decision {
  const { nodes, findings } = chosen(topology, request.nodes);
  if (nodes.length === 0 && findings.length === 0) return nobody();
  const refusal = refuseOn([
    ...findings,
    ...nodes.flatMap((node) => checkChangeable(node, request)),
  ]);
  if (refusal !== null) return refusal;
  const steps = nodes.map((node) =>
    planned(
      { verb: "quiesce", node: node.name, cancelQueries: request.cancelQueries },
      { required: true, before: node },
    ),
  );
  return decidePlan("quiesce", topology, {
    stages: stage("bring the intake of WAL to a proven stop", steps),
  });
}

/** Whether any mark of ours stands in the way of the node's own upstream. */
export function isMarked(node: ReachedNode): boolean {
  return node.marks.quiesced || node.marks.restoreQuiesced || node.marks.repointing !== null;
}

export function planUnquiesce(
  topology: Topology,
  request: { readonly nodes: readonly string[] },
): Decision {
  const { nodes, findings } = chosen(topology, request.nodes);
  const refusal = refuseOn([
    ...findings,
    ...(request.nodes.length > 0 ? nodes.flatMap(checkStandby) : []),
    ...nodes.filter(isMarked).flatMap(checkSettings),
  ]);
  if (refusal !== null) return refusal;
  const marked = nodes.filter(isMarked);
  if (marked.length === 0) return { kind: "already", findings: [] };
  const steps = marked.map((node) =>
    planned({ verb: "unquiesce", node: node.name }, { required: true, before: node }),
  );
  return decidePlan("unquiesce", topology, {
    stages: stage("give the nodes the values back that they had", steps),
  });
}
