// Who feeds whom, proven rather than guessed: a standby's own receiver names its upstream's address; a sender row on
// the upstream confirms it. A setting alone proves nothing and streams nothing.
// A receiver row says only that a process runs, and a sender row may stand in `startup` for ever (a standby past the
// fork): WAL flows when both sides say so.

import type { Address } from "../conninfo/conninfo.ts";
import type { Observation, ReachedNode, WalSender } from "./node.ts";
import type { Edge } from "./structure.ts";

type Nodes = ReadonlyMap<string, Observation>;

/** Sender states in which WAL flows. `startup` and `stopping` move nothing. */
const flowing: ReadonlySet<string> = new Set(["streaming", "catchup"]);

/** The edges by standby name. */
export function findEdges(nodes: Nodes): ReadonlyMap<string, Edge> {
  const edges = new Map<string, Edge>();
  for (const node of nodes.values()) {
    const edge = node.reachable ? edgeOfReached(node, nodes) : edgeBySenders(node, nodes);
    if (edge !== null) edges.set(node.name, edge);
  }
  return edges;
}

function edgeOfReached(node: ReachedNode, nodes: Nodes): Edge | null {
  if (node.role === "primary") return null;
  return edgeByReceiver(node, nodes) ?? edgeBySenders(node, nodes) ?? edgeBySetting(node, nodes);
}

function edgeByReceiver(node: ReachedNode, nodes: Nodes): Edge | null {
  const receiver = node.receiver;
  if (receiver === null || receiver.senderHost === null || receiver.senderPort === null)
    return null;
  const address: Address = { host: receiver.senderHost, hostaddr: null, port: receiver.senderPort };
  const upstream = nodeAt(address, node, nodes);
  const streaming =
    receiver.status === "streaming" && (upstream === null || senderFlows(upstream, node));
  return {
    standby: node.name,
    upstream: upstream?.name ?? null,
    address,
    streaming,
    evidence: "receiver",
  };
}

function edgeBySetting(node: ReachedNode, nodes: Nodes): Edge | null {
  const address = node.configuredUpstream;
  if (address === null) return null;
  const upstream = nodeAt(address, node, nodes);
  return {
    standby: node.name,
    upstream: upstream?.name ?? null,
    address,
    streaming: false,
    evidence: "setting",
  };
}

/** A node whose own word is not to be had (unreachable, or we may not see its receiver) may still be seen from above. */
function edgeBySenders(node: Observation, nodes: Nodes): Edge | null {
  const claims = [...nodes.values()].flatMap((upstream) => {
    if (!upstream.reachable || upstream.name === node.name) return [];
    const rows = sendersOf(upstream, node);
    return rows.length === 0 ? [] : [{ upstream, rows }];
  });
  const [claim, ...others] = claims;
  if (claim === undefined || others.length > 0) return null;
  const address = claim.upstream.addresses[0] ?? null;
  const streaming = claim.rows.some((row) => flowing.has(row.state));
  return {
    standby: node.name,
    upstream: claim.upstream.name,
    address,
    streaming,
    evidence: "sender",
  };
}

/** The node that answers to an address. Where several do, the one whose sender rows know the standby, if only one does. */
function nodeAt(address: Address, standby: ReachedNode, nodes: Nodes): Observation | null {
  const all = [...nodes.values()].filter((node) =>
    node.addresses.some((each) => sameAddress(each, address)),
  );
  if (all.length <= 1) return all[0] ?? null;
  const known = all.filter(
    (node) => node.reachable && node.name !== standby.name && sendersOf(node, standby).length > 0,
  );
  return known.length === 1 ? (known[0] ?? null) : null;
}

/** Whether the upstream's side confirms that WAL flows to the standby, as far as that side can be seen. */
function senderFlows(upstream: Observation, standby: ReachedNode): boolean {
  if (!upstream.reachable || upstream.missingRights.includes("pg_monitor")) return true;
  const named = sendersOf(upstream, standby);
  const rows = named.length > 0 ? named : upstream.senders;
  return rows.some((row) => flowing.has(row.state));
}

/** The rows of pg_stat_replication that are this standby's: by slot where it uses one, else by name. */
function sendersOf(upstream: ReachedNode, standby: Observation): readonly WalSender[] {
  const slot = slotNameOf(standby);
  const bySlot = upstream.senders.filter((row) => slot !== null && row.slotName === slot);
  if (bySlot.length > 0) return bySlot;
  const names = new Set(applicationNamesOf(standby));
  return upstream.senders.filter((row) => names.has(row.applicationName));
}

function slotNameOf(standby: Observation): string | null {
  if (!standby.reachable) return null;
  return standby.receiver?.slotName ?? textOf(standby.settings.primary_slot_name?.value);
}

/** A receiver calls itself by application_name in primary_conninfo, else by cluster_name. */
function applicationNamesOf(standby: Observation): readonly string[] {
  if (!standby.reachable) return [standby.name];
  const cluster = textOf(standby.settings.cluster_name?.value);
  return cluster === null ? [standby.name] : [standby.name, cluster];
}

function textOf(value: string | null | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}

/** Whether two addresses name the same place, without looking anything up. */
export function sameAddress(a: Address, b: Address): boolean {
  if (a.port !== b.port) return false;
  const hostsA = hostsOf(a);
  return hostsOf(b).some((host) => hostsA.includes(host));
}

const loopback: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1"]);

function hostsOf(address: Address): readonly string[] {
  return [address.host, address.hostaddr ?? ""]
    .filter((host) => host !== "")
    .map((host) => host.toLowerCase())
    .map((host) => (loopback.has(host) ? "localhost" : host));
}
