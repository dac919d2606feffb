// Decides quiesce and unquiesce: bring standbys' intake of WAL to a proven stop, and back.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import { checkBelongs, checkChangeable, checkReachable, checkSettings } from "./checks.ts";
import { ourNodes, standbysOf } from "../topology/structure.ts";
import { checkCommitsGoOn } from "./confirmers.ts";
import { madeSlots } from "./made-slots.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, refuseOn, stage } from "./request.ts";

export interface QuiesceRequest {
  /** Empty: every standby that can be reached. */
  readonly nodes: readonly string[];
  readonly cancelQueries: boolean;
  /** The operator lets commits of a living primary wait. */
  readonly acceptBlockedCommits?: boolean;
}

/** Named nodes must all be reachable, and of this cluster. */
function chosen(
  topology: Topology,
  names: readonly string[],
): { nodes: readonly ReachedNode[]; findings: readonly Finding[] } {
  const observations = names.map((name) => observationOf(topology, name));
  const nodes = observations.filter((node): node is ReachedNode => node.reachable);
  return {
    nodes,
    findings: [
      ...observations.flatMap(checkReachable),
      ...nodes.flatMap((node) => checkBelongs(topology, node)),
    ],
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

function standbysOnLine(topology: Topology): readonly ReachedNode[] {
  return standbysOf(topology).filter((node) => !topology.strays.includes(node.name));
}

export function planQuiesce(topology: Topology, request: QuiesceRequest): Decision {
  const { nodes, findings } =
    request.nodes.length === 0
      ? { nodes: standbysOnLine(topology), findings: [] }
      : chosen(topology, request.nodes);
  if (nodes.length === 0 && findings.length === 0) return nobody();
  const refusal = refuseOn([
    ...findings,
    ...nodes.flatMap((node) => checkChangeable(node, request)),
    ...(request.acceptBlockedCommits === true ? [] : checkCommitsGoOn(topology, nodes)),
  ]);
  if (refusal !== null) return refusal;
  const steps = nodes.map((node) =>
    planned(
      topology,
      { verb: "quiesce", node: node.name, cancelQueries: request.cancelQueries },
      { required: true },
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

/** A mark on a primary is without effect until it is a standby again: it comes off there as well. */
export function planUnquiesce(
  topology: Topology,
  request: { readonly nodes: readonly string[] },
): Decision {
  const { nodes, findings } =
    request.nodes.length === 0
      ? { nodes: ourNodes(topology), findings: [] }
      : chosen(topology, request.nodes);
  const marked = nodes.filter(isMarked);
  const refusal = refuseOn([...findings, ...marked.flatMap(checkSettings)]);
  if (refusal !== null) return refusal;
  if (marked.length === 0) return { kind: "already", findings: [] };
  const steps = marked.map((node) =>
    planned(topology, { verb: "unquiesce", node: node.name }, { required: true }),
  );
  return decidePlan("unquiesce", topology, {
    stages: [
      ...stage("give the nodes the values back that they had", steps),
      ...stage(
        "drop the slots that were made for them",
        madeSlots(topology, marked).map(({ node, slot }) =>
          planned(topology, { verb: "drop-slot", node: node.name, slot }, { required: false }),
        ),
      ),
    ],
  });
}
