// Decides exchange: bring one node level with the node farthest ahead, by streaming from it. The source may be a node
// that must never lead; it needs no receiver of its own. What it no longer has cannot be streamed: look first.

import { rankCandidates } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import { oldestWalOf, stillHasWalFor } from "../topology/settings.ts";
import type { Topology } from "../topology/topology.ts";
import { formatLsn } from "../wal/lsn.ts";
import { compareHeld, formatPosition } from "../wal/position.ts";
import {
  checkBelongs,
  checkChangeable,
  checkOnLine,
  checkReachable,
  checkRights,
  checkSettings,
} from "./checks.ts";
import { madeSlots } from "./made-slots.ts";
import type { Decision } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

export interface ExchangeRequest {
  readonly to: string;
  /** Null: the node that is farthest ahead. */
  readonly from: string | null;
}

/** The WAL that the node would ask for starts at the segment of its replay position. */
export function checkWalAvailable(source: ReachedNode, node: ReachedNode): Finding[] {
  if (stillHasWalFor(source, node) !== "no") return [];
  const oldest = oldestWalOf(source);
  const start = oldest === null ? "" : `: its oldest segment starts at ${formatLsn(oldest)}`;
  return [
    problem("wal-gone", source.name, {
      message: `${source.name} no longer has the WAL that ${node.name} lacks${start}`,
      hint: `name another source with --from, or rebuild ${node.name} from a base backup`,
    }),
  ];
}

function checkPair(topology: Topology, node: ReachedNode, source: ReachedNode): Finding[] {
  if (node.name === source.name) {
    return [
      problem("cannot-follow-itself", node.name, {
        message: `${node.name} cannot be its own source`,
        hint: "name another node with --from",
      }),
    ];
  }
  const { relation, switchpoint } = compareHeld(node, source, topology.histories);
  if (relation === "diverged" && node.replayed !== null) {
    const at = switchpoint === null ? "" : ` after ${formatPosition(switchpoint)}`;
    return [
      problem("diverged", node.name, {
        message: `${node.name}, which has replayed ${formatPosition(node.replayed)}, and ${source.name} went different ways${at}`,
        hint: `${node.name} cannot be brought level; see \`remaster compare-lsn\``,
      }),
    ];
  }
  return checkWalAvailable(source, node);
}

/** What speaks against having anything to do with a node at all. */
function checkOwn(topology: Topology, node: Observation): Finding[] {
  return node.reachable
    ? [...checkBelongs(topology, node), ...checkOnLine(topology, node)]
    : checkReachable(node);
}

/** A node that is level lacks nothing; what a run that was cut short made for it on a source is dropped all the same. */
function tidyUp(topology: Topology, node: ReachedNode, from: string | null): Decision {
  const slots = madeSlots(topology, [node]);
  if (slots.length === 0) return { kind: "already", findings: [] };
  const refusal = refuseOn([
    ...checkSettings(node),
    ...slots.flatMap((slot) => checkRights(slot.node, "slots")),
  ]);
  if (refusal !== null) return refusal;
  const step = planned(topology, { verb: "exchange", node: node.name, from }, { required: true });
  return decidePlan("exchange", topology, {
    stages: stage("it is level: drop the slots that were made for it", [step]),
  });
}

export function planExchange(topology: Topology, request: ExchangeRequest): Decision {
  const node = observationOf(topology, request.to);
  const beyond = refuseOn(checkOwn(topology, node));
  if (beyond !== null) return beyond;
  const ahead = request.from ?? rankCandidates(topology).ahead;
  if (ahead === null) {
    const message = "no reachable node has a known position";
    return {
      kind: "refused",
      outcome: "refused",
      findings: [problem("no-candidate", null, { message, hint: "see `remaster compare-lsn`" })],
    };
  }
  const source = observationOf(topology, ahead);
  const foreign = refuseOn(checkOwn(topology, source));
  if (foreign !== null) return foreign;
  if (!node.reachable || !source.reachable) throw new Error("an unreachable node was let through");
  if (request.from === null && source.name === node.name)
    return tidyUp(topology, node, request.from);
  const { relation } = compareHeld(node, source, topology.histories);
  const level = relation === "same" || relation === "ahead";
  if (level && source.name !== node.name) return tidyUp(topology, node, source.name);
  const refusal = refuseOn([
    ...checkChangeable(node, { cancelQueries: false }),
    ...checkPair(topology, node, source),
  ]);
  if (refusal !== null) return refusal;
  const { strays } = topology;
  const step = planned(
    topology,
    // Among nodes of several lines the step could not tell by itself whose is meant.
    { verb: "exchange", node: node.name, from: strays.length > 0 ? source.name : request.from },
    { required: true },
  );
  return decidePlan("exchange", topology, {
    stages: stage(`stream to ${node.name} what it lacks from ${source.name}`, [step]),
  });
}
