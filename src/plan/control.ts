// Decides the verbs that need a node's own machine: stop it, or clear its torn tail.

import type { Topology } from "../topology/topology.ts";
import { checkReachable, checkStandby } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

function checkControl(topology: Topology, name: string) {
  if (observationOf(topology, name).hasControl) return [];
  return [
    problem("no-control", name, {
      message: `the topology file gives no control of ${name}`,
      hint: `add control.stop and control.start, or control.pg_ctl, to [nodes.${name}]`,
    }),
  ];
}

export function planStop(
  topology: Topology,
  request: { readonly nodes: readonly string[] },
): Decision {
  const refusal = refuseOn(request.nodes.flatMap((name) => checkControl(topology, name)));
  if (refusal !== null) return refusal;
  const steps = request.nodes.map((node) =>
    planned(topology, { verb: "stop", node }, { required: true }),
  );
  return decidePlan("stop", topology, {
    stages: stage("stop the servers through their control", steps),
    noReturn: "stop",
  });
}

export function planHeal(
  topology: Topology,
  request: { readonly node: string; readonly to: string },
): Decision {
  const node = observationOf(topology, request.node);
  const upstream = observationOf(topology, request.to);
  const refusal = refuseOn([
    ...checkReachable(upstream),
    ...checkControl(topology, request.node),
    ...(node.reachable ? checkStandby(node) : []),
  ]);
  if (refusal !== null) return refusal;
  const step = planned(
    topology,
    { verb: "heal", node: request.node, to: request.to },
    { required: true },
  );
  return decidePlan("heal", topology, {
    stages: stage(`clear the torn end of ${request.node}'s WAL`, [step]),
    noReturn: "heal",
  });
}
