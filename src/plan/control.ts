// Decides the verbs that need a node's own machine: stop it, or clear its torn tail.

import type { Finding } from "../topology/finding.ts";
import type { Observation } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import { checkReachable, checkReplay, checkSettings, checkStandby } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { checkAncestry } from "./repoint.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

function checkControl(topology: Topology, name: string): Finding[] {
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

/** A node that is down is not looked at: it may have PANICked for its torn end. One that lets us in must be able to take
 * the change; a pause of its replay would not outlive the restart. */
function checkHealable(topology: Topology, node: Observation, upstream: Observation): Finding[] {
  if (node.name === upstream.name) {
    const message = `${node.name} cannot follow itself`;
    return [problem("cannot-follow-itself", node.name, { message, hint: "name another --to" })];
  }
  if (!node.reachable || !upstream.reachable) return [];
  const standby = checkStandby(node);
  if (standby.length > 0) return standby;
  const ancestry = checkAncestry(topology, node, upstream);
  return [
    ...checkReplay(node, { cancelQueries: false }),
    ...checkSettings(node),
    ...ancestry.filter((finding) => finding.code === "diverged"),
  ];
}

/** Needs no control to be decided: where there is none, the step tells the commands to type. */
export function planHeal(
  topology: Topology,
  request: { readonly node: string; readonly to: string },
): Decision {
  const node = observationOf(topology, request.node);
  const upstream = observationOf(topology, request.to);
  const refusal =
    refuseOn(checkReachable(upstream)) ?? refuseOn(checkHealable(topology, node, upstream));
  if (refusal !== null) return refusal;
  const step = planned(
    topology,
    { verb: "heal", node: request.node, to: request.to },
    { required: true },
  );
  return decidePlan("heal", topology, {
    stages: stage(`clear the torn end of ${request.node}'s WAL and have it follow`, [step]),
    noReturn: "heal",
  });
}
