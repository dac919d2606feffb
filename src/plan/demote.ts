// Decides the steps by which a primary hands the lead over: checkpoint, demote, reinstate. Its return is rejoin.ts.

import type { Finding } from "../topology/finding.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import { checkBelongs, checkReachable, checkReplay, checkRights, checkSettings } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { checkMayTakeWrites } from "./rivals.ts";

export function checkPrimary(node: ReachedNode): Finding[] {
  if (node.role === "primary") return [];
  return [
    problem("not-a-primary", node.name, {
      message: `${node.name} is a standby, not a primary`,
      hint: "see `remaster status`",
    }),
  ];
}

/** What has to be done on the machine of a node takes its control. */
export function checkControl(node: Observation): Finding[] {
  // Of one that is down it is not known what the role may do there.
  if (node.canBeDemoted === true || (!node.reachable && node.hasControl)) return [];
  const message = node.hasControl
    ? `${node.name} cannot be made a standby with the control that the topology file gives, and this role may not write files there`
    : `the topology file gives no control of ${node.name}`;
  return [
    problem("no-control", node.name, {
      message,
      hint: `add control.pg_ctl to [nodes.${node.name}], or control.start and control.stop, with a role that has pg_write_server_files and pg_execute_server_program`,
    }),
  ];
}

/** It has to stream: what it lacks it gets before the primary ends. */
export function checkStreams(topology: Topology, node: ReachedNode): Finding[] {
  if (topology.edges.get(node.name)?.streaming === true) return [];
  return [
    problem("not-streaming", node.name, {
      message: `${node.name} does not stream`,
      hint: "see `remaster status` for the reason",
    }),
  ];
}

export function planCheckpoint(
  topology: Topology,
  request: { readonly nodes: readonly string[] },
): Decision {
  const nodes = request.nodes.map((name) => observationOf(topology, name));
  const refusal =
    refuseOn(nodes.flatMap(checkReachable)) ??
    refuseOn(nodes.flatMap((node) => (node.reachable ? checkRights(node, "checkpoint") : [])));
  if (refusal !== null) return refusal;
  const steps = request.nodes.map((node) =>
    planned(topology, { verb: "checkpoint", node }, { required: true }),
  );
  return decidePlan("checkpoint", topology, {
    stages: stage("write what is dirty to disk", steps),
  });
}

/** Its end is seen over a stream of our own, which takes a WAL sender. */
export function checkFreeSender(old: ReachedNode): Finding[] {
  if (!old.missingRights.includes("a free WAL sender")) return [];
  return [
    problem("too-few-wal-senders", old.name, {
      message: `${old.name} has no WAL sender left, and its end would be seen through one`,
      hint: `end a connection that takes one on ${old.name}, or raise max_wal_senders there and restart it`,
    }),
  ];
}

/** What speaks against the primary handing over to that node. */
export function checkHandOver(topology: Topology, old: ReachedNode, next: ReachedNode): Finding[] {
  return [
    ...checkBelongs(topology, old),
    ...checkBelongs(topology, next),
    ...checkPrimary(old),
    ...checkControl(old),
    ...checkSettings(old),
    ...checkRights(old, "demotion"),
    ...checkRights(old, "slots"),
    ...checkStreams(topology, next),
    ...checkReplay(next, { cancelQueries: false }),
    ...checkRights(next, "slots"),
  ];
}

export function planDemote(
  topology: Topology,
  request: { readonly node: string; readonly to: string },
): Decision {
  const [node, to] = [observationOf(topology, request.node), observationOf(topology, request.to)];
  const reach = refuseOn([...checkReachable(node), ...checkReachable(to)]);
  if (reach !== null) return reach;
  if (!node.reachable || !to.reachable) return { kind: "already", findings: [] };
  const refusal = refuseOn([...checkHandOver(topology, node, to), ...checkFreeSender(node)]);
  if (refusal !== null) return refusal;
  const step = { verb: "demote", node: node.name, to: to.name } as const;
  return decidePlan("demote", topology, {
    stages: stage(`shut ${node.name} down cleanly, with everything on ${to.name}`, [
      planned(topology, step, { required: true }),
    ]),
  });
}

/** Any other standby that starts without its standby.signal would be a second line of its own. */
function checkWasDemoted(node: Observation): Finding[] {
  const { name } = node;
  const mark = node.reachable ? node.marks.demoted : node.stopped?.demoted != null;
  const leads = node.reachable && node.role === "primary";
  if (mark === true || leads) return [];
  const hint = node.reachable
    ? "`remaster promote` makes a standby the primary"
    : `start it: if it was demoted it comes back as a standby; then \`remaster reinstate ${name}\``;
  return [
    problem("not-demoted", name, {
      message: `${name} does not bear the mark of a demotion`,
      hint,
    }),
  ];
}

export function planReinstate(topology: Topology, request: { readonly node: string }): Decision {
  const node = observationOf(topology, request.node);
  const refusal = refuseOn([
    ...checkControl(node),
    ...checkWasDemoted(node),
    ...checkMayTakeWrites(topology, node.name),
  ]);
  if (refusal !== null) return refusal;
  const step = { verb: "reinstate", node: node.name } as const;
  return decidePlan("reinstate", topology, {
    stages: stage(`make ${node.name} the primary again`, [
      planned(topology, step, { required: true }),
    ]),
    noReturn: "reinstate",
  });
}
