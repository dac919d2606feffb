// Decides repoint: give standbys another upstream. Whether a node can follow is told by ancestry, by the WAL that the
// upstream still has, and by the shape of the tree; whether the nodes reach each other shows only by trying.

import type { Finding } from "../topology/finding.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import { downstreamsOf, type Topology } from "../topology/topology.ts";
import { compareHeld, formatPosition } from "../wal/position.ts";
import {
  checkBelongs,
  checkChangeable,
  checkOnLine,
  checkReachable,
  checkRights,
  checkSettings,
} from "./checks.ts";
import { checkWalAvailable } from "./exchange.ts";
import { standbysOf } from "../topology/structure.ts";
import { checkCommitsGoOn } from "./confirmers.ts";
import { leftSlots } from "./left-slots.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { checkSlots, checkTargetTimeline, checkWalSenders, tellOfLimits } from "./settings-fit.ts";
import type { RepointStep } from "./step.ts";
import { checkTorn } from "./torn.ts";

export interface RepointRequest {
  readonly nodes: readonly string[];
  /** Every reachable standby but the upstream itself and those above it. */
  readonly all: boolean;
  readonly to: string;
  readonly until: RepointStep["until"];
  /** The operator lets commits of a living primary wait. */
  readonly acceptBlockedCommits?: boolean;
}

function checkShape(topology: Topology, node: ReachedNode, to: ReachedNode): Finding[] {
  if (node.name === to.name) {
    const message = `${node.name} cannot follow itself`;
    return [problem("cannot-follow-itself", node.name, { message, hint: "name another --to" })];
  }
  if (!downstreamsOf(topology, node.name).includes(to.name)) return [];
  return [
    problem("cannot-follow-itself", node.name, {
      message: `${to.name} gets its WAL through ${node.name}, so ${node.name} cannot follow it`,
      hint: `point ${to.name} elsewhere first`,
    }),
  ];
}

export function checkAncestry(topology: Topology, node: ReachedNode, to: ReachedNode): Finding[] {
  if (node.replayed === null || node.received === null || to.received === null) return [];
  const compared = compareHeld(node, to, topology.histories);
  if (compared.relation === "diverged") {
    const at =
      compared.switchpoint === null ? "" : ` after ${formatPosition(compared.switchpoint)}`;
    return [
      problem("diverged", node.name, {
        message: `${node.name} has replayed ${formatPosition(node.replayed)}, which left the line of ${to.name}${at}`,
        hint: `${node.name} needs pg_rewind or a new base backup`,
      }),
    ];
  }
  if (compared.relation !== "ahead") return [];
  return [
    problem("ahead-of-upstream", node.name, {
      message: `${node.name} is at ${formatPosition(node.received)}, ${to.name} only at ${formatPosition(to.received)}`,
      hint: `remaster exchange --to ${to.name} first`,
    }),
  ];
}

/** What speaks against one node following another. */
export function checkCanFollow(topology: Topology, node: ReachedNode, to: ReachedNode): Finding[] {
  return [
    ...checkShape(topology, node, to),
    ...checkAncestry(topology, node, to),
    ...(to.role === "primary" ? checkTargetTimeline(node, to) : []),
    ...checkWalAvailable(to, node),
    ...checkTorn(node, to),
  ];
}

/** Held-up replay only delays a repoint: it is set, and takes effect once the node has replayed. */
function checkSettable(node: ReachedNode): Finding[] {
  const held = node.replay === "running" ? [] : checkSettings(node);
  return node.replay === "running" ? checkChangeable(node, { cancelQueries: false }) : held;
}

function chosen(topology: Topology, request: RepointRequest): readonly Observation[] {
  if (!request.all) return request.nodes.map((name) => observationOf(topology, name));
  const above = new Set<string>([request.to]);
  for (const node of standbysOf(topology)) {
    if (downstreamsOf(topology, node.name).includes(request.to)) above.add(node.name);
  }
  return standbysOf(topology).filter(
    (node) => !above.has(node.name) && !topology.strays.includes(node.name),
  );
}

function tellOfLate({ name, replay }: ReachedNode, to: string): Finding {
  return {
    code: "replay-held-up",
    severity: "warning",
    node: name,
    message: `replay on ${name} is ${replay}: it is told of ${to}, and follows once it has replayed`,
    hint: `then \`remaster repoint ${name} --to ${to}\` settles the setting`,
  };
}

export function planRepoint(topology: Topology, request: RepointRequest): Decision {
  const to = observationOf(topology, request.to);
  const observations = chosen(topology, request);
  const reach = refuseOn([...checkReachable(to), ...observations.flatMap(checkReachable)]);
  if (reach !== null) return reach;
  const nodes = observations.filter((node): node is ReachedNode => node.reachable);
  if (!to.reachable || nodes.length === 0) return { kind: "already", findings: [] };
  const foreign = refuseOn(
    [to, ...nodes].flatMap((node) => [
      ...checkBelongs(topology, node),
      ...checkOnLine(topology, node),
    ]),
  );
  if (foreign !== null) return foreign;
  const leaving = nodes.filter((node) => topology.edges.get(node.name)?.upstream !== to.name);
  const coming = nodes.filter(
    (node) => leaving.includes(node) || topology.edges.get(node.name)?.streaming !== true,
  );
  const pairing = { leader: to, standbys: coming };
  const refusal = refuseOn([
    ...checkRights(to, "slots"),
    ...checkWalSenders(pairing),
    ...checkSlots(pairing),
    ...(request.acceptBlockedCommits === true ? [] : checkCommitsGoOn(topology, leaving)),
    ...nodes.flatMap((node) => [
      ...checkSettable(node),
      ...(node.role === "standby" ? checkCanFollow(topology, node, to) : []),
    ]),
  ]);
  if (refusal !== null) return refusal;
  const late = request.until === "set" ? [] : nodes.filter((node) => node.replay !== "running");
  const steps = nodes.map((node) =>
    planned(
      topology,
      {
        verb: "repoint",
        node: node.name,
        to: to.name,
        until: late.includes(node) ? "set" : request.until,
      },
      { required: true },
    ),
  );
  const followers = nodes.filter((node) => !late.includes(node));
  const left = request.until !== "follow" ? null : leftSlots(topology, followers, to.name);
  return decidePlan("repoint", topology, {
    stages: [
      ...stage(`have them stream from ${to.name}`, steps),
      ...stage("let go of the slots that they leave behind", left?.steps ?? []),
    ],
    noReturn: "drop-slot",
    findings: [
      ...tellOfLimits(pairing),
      ...late.map((node) => tellOfLate(node, to.name)),
      ...(left?.findings ?? []),
    ],
  });
}
