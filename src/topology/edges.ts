// Who feeds whom, proven rather than guessed: a standby's own receiver names its upstream's address; a sender row on
// the upstream confirms it. A setting alone proves nothing and streams nothing.
// A receiver row says only that a process runs, and a sender row may stand in `startup` for ever (a standby past the
// fork): WAL flows when both sides say so.

import type { Address } from "../conninfo/conninfo.ts";
import type { SlotPlace } from "../conninfo/override.ts";
import type { Observation, ReachedNode } from "./node.ts";
import { provenSender, senderFlows, sendersOf, unclaimedSenders } from "./senders.ts";
import type { Edge } from "./structure.ts";

type Nodes = ReadonlyMap<string, Observation>;

/** The edges by standby name, in the order of the topology file. */
export function findEdges(nodes: Nodes): ReadonlyMap<string, Edge> {
  const edges = new Map<string, Edge>();
  for (const node of nodes.values()) {
    const edge = node.reachable ? edgeOfReached(node, nodes) : edgeBySender(node, nodes);
    if (edge !== null) edges.set(node.name, edge);
  }
  return edges;
}

function edgeOfReached(node: ReachedNode, nodes: Nodes): Edge | null {
  if (node.role === "primary") return null;
  return edgeByReceiver(node, nodes) ?? edgeBySender(node, nodes) ?? edgeBySetting(node, nodes);
}

function edgeByReceiver(node: ReachedNode, nodes: Nodes): Edge | null {
  const { receiver } = node;
  if (receiver === null || receiver.senderHost === null || receiver.senderPort === null) {
    return null;
  }
  const address: Address = { host: receiver.senderHost, hostaddr: null, port: receiver.senderPort };
  // A standby may know its upstream by another name than the topology file does: its sender row tells.
  const upstream = nodeAt(address, node, nodes) ?? claimOn(node, nodes)?.upstream ?? null;
  const confirmed = upstream === null || upstreamConfirms(upstream, node, nodes);
  return {
    standby: node.name,
    upstream: upstream?.name ?? null,
    address,
    streaming: receiver.status === "streaming" && confirmed,
    evidence: "receiver",
  };
}

/** A node whose own word is not to be had (unreachable, or we may not see its receiver) may still be seen from above. */
function edgeBySender(node: Observation, nodes: Nodes): Edge | null {
  const claim = claimOn(node, nodes);
  if (claim === null) return null;
  return {
    standby: node.name,
    upstream: claim.upstream.name,
    address: claim.upstream.addresses[0] ?? null,
    streaming: senderFlows(claim.row),
    evidence: "sender",
  };
}

function edgeBySetting(node: ReachedNode, nodes: Nodes): Edge | null {
  const address = node.configuredUpstream;
  if (address === null) return null;
  const upstream = nodeAt(address, node, nodes)?.name ?? null;
  return { standby: node.name, upstream, address, streaming: false, evidence: "setting" };
}

/** The one node that has a sender row which can only be this standby's. */
function claimOn(standby: Observation, nodes: Nodes) {
  const claims = [...nodes.values()].flatMap((upstream) => {
    if (!upstream.reachable || upstream.name === standby.name) return [];
    const row = provenSender(upstream, standby, nodes);
    return row === null ? [] : [{ upstream, row }];
  });
  const [claim, ...others] = claims;
  return claim === undefined || others.length > 0 ? null : claim;
}

/** The node that answers to an address. Where several do, the one whose sender rows know the standby, if only one does. */
function nodeAt(address: Address, standby: ReachedNode, nodes: Nodes): Observation | null {
  const found = nodesAt(nodes, address);
  if (found.length <= 1) return found[0] ?? null;
  const [known, ...others] = found.filter(
    (node) => node.reachable && node.name !== standby.name && sendersOf(node, standby).length > 0,
  );
  return known === undefined || others.length > 0 ? null : known;
}

/** Whether the upstream's side confirms that WAL flows to the standby, as far as that side can be seen. */
function upstreamConfirms(upstream: Observation, standby: ReachedNode, nodes: Nodes): boolean {
  // Without pg_monitor the rows of others show no state: the receiver's word has to do.
  if (!upstream.reachable || upstream.missingRights.includes("pg_monitor")) return true;
  const named = sendersOf(upstream, standby);
  const rows = named.length > 0 ? named : unclaimedSenders(upstream, standby, nodes);
  return rows.some(senderFlows);
}

/** The nodes that answer to an address, without looking anything up. */
export function nodesAt(nodes: Nodes, address: Address): readonly Observation[] {
  return [...nodes.values()].filter((node) =>
    node.addresses.some((each) => sameAddress(each, address)),
  );
}

/** The node on which a slot was made: by its address; where the topology file of whoever made it knows the node by another
 * one, by its name. Null when it is no node of this file. */
export function findSlotPlace(nodes: Nodes, { address, node }: SlotPlace): string | null {
  const [found, ...others] = nodesAt(nodes, address);
  if (found !== undefined) return others.length === 0 ? found.name : null;
  return node !== null && nodes.has(node) ? node : null;
}

/** Whether two addresses name the same place, without looking anything up. */
export function sameAddress(a: Address, b: Address): boolean {
  if (a.port !== b.port) return false;
  const hosts = hostsOf(a);
  return hostsOf(b).some((host) => hosts.includes(host));
}

const loopback: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1"]);

function hostsOf(address: Address): readonly string[] {
  return [address.host, address.hostaddr ?? ""]
    .filter((host) => host !== "")
    .map((host) => host.toLowerCase())
    .map((host) => (loopback.has(host) ? "localhost" : host));
}
