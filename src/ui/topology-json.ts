// The topology as JSON. Keys of slots, receivers and settings follow PostgreSQL's catalogue columns in camel case.

import { formatAddress } from "../conninfo/hosts.ts";
import type { Address } from "../conninfo/conninfo.ts";
import type { Observation, ReachedNode, Slot, UnreachedNode } from "../topology/node.ts";
import { allPrimaries } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { formatLsn, type Lsn } from "../wal/lsn.ts";
import { formatPosition } from "../wal/position.ts";
import { lagOf } from "./lag.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function topologyJson(topology: Topology): JsonObject {
  return {
    cluster: topology.cluster,
    systemIdentifier: topology.systemIdentifier,
    primaries: allPrimaries(topology),
    cycles: topology.cycles,
    nodes: [...topology.nodes.values()].map((node) => nodeJson(topology, node)),
  };
}

/** Every node has every key; what an unreachable one does not tell is null. */
function nodeJson(topology: Topology, node: Observation): JsonObject {
  const edge = topology.edges.get(node.name);
  return {
    name: node.name,
    reachable: node.reachable,
    answer: node.answer,
    ...unreachedFields(node),
    promotable: node.promotable,
    priority: node.priority,
    observedAt: new Date(node.observedAt).toISOString(),
    ...(node.reachable ? reachedFields(topology, node) : unknownFields),
    demoted: isDemoted(node),
    upstream: edge?.upstream ?? null,
    upstreamAddress: addressText(edge?.address ?? null),
    streaming: edge?.streaming ?? (node.reachable && node.role === "standby" ? false : null),
  };
}

/** Of one that is down its files tell, where they can be looked into. */
function isDemoted(node: Observation): boolean | null {
  if (node.reachable) return node.marks.demoted === true;
  return node.stopped === undefined ? null : node.stopped.demoted !== null;
}

function unreachedFields(node: Observation): JsonObject {
  const unreached: UnreachedNode | null = node.reachable ? null : node;
  return {
    speaksPostgres: unreached?.speaksPostgres ?? true,
    reason: unreached?.reason ?? null,
    sqlstate: unreached?.sqlstate ?? null,
  };
}

const unknownFields = {
  role: "unknown",
  systemIdentifier: null,
  version: null,
  timeline: null,
  position: null,
  currentLsn: null,
  receiveLsn: null,
  replayLsn: null,
  lagBytes: null,
  lagSeconds: null,
  diverged: null,
  replay: null,
  quiesced: null,
  repointing: null,
  fenced: null,
  standbySignal: null,
  recoverySignal: null,
  missingRights: null,
  slots: [],
};

function reachedFields(
  topology: Topology,
  node: ReachedNode,
): Readonly<Record<keyof typeof unknownFields, unknown>> {
  const lag = lagOf(topology, node);
  return {
    role: node.role,
    systemIdentifier: node.systemIdentifier,
    version: node.versionText,
    timeline: node.timeline,
    position: node.received === null ? null : formatPosition(node.received),
    currentLsn: lsnText(node.currentLsn),
    receiveLsn: lsnText(node.receiveLsn),
    replayLsn: lsnText(node.replayLsn),
    lagBytes: lag?.bytes?.toString() ?? null,
    lagSeconds: lag?.seconds ?? null,
    diverged: lag?.diverged ?? false,
    replay: node.role === "primary" ? null : node.replay,
    // A mark is a claim; a receiver that runs all the same gives the lie to it.
    quiesced: node.marks.quiesced && node.receiver === null,
    repointing: addressText(node.marks.repointing),
    fenced: node.marks.fenced,
    standbySignal: node.standbySignal,
    recoverySignal: node.recoverySignal,
    missingRights: node.missingRights,
    slots: node.slots.map(slotJson),
  };
}

export function slotJson(slot: Slot): JsonObject {
  return {
    slotName: slot.slotName,
    slotType: slot.slotType,
    plugin: slot.plugin,
    database: slot.database,
    temporary: slot.temporary,
    active: slot.active,
    restartLsn: lsnText(slot.restartLsn),
    confirmedFlushLsn: lsnText(slot.confirmedFlushLsn),
    walStatus: slot.walStatus,
    failover: slot.failover,
    synced: slot.synced,
    invalidationReason: slot.invalidationReason,
    twoPhase: slot.twoPhase,
    conflicting: slot.conflicting,
    catalogXmin: slot.catalogXmin,
  };
}

export function lsnText(value: Lsn | null): string | null {
  return value === null ? null : formatLsn(value);
}

function addressText(address: Address | null): string | null {
  return address === null ? null : formatAddress(address);
}
