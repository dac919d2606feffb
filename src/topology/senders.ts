// Which rows of pg_stat_replication belong to which standby. The server does not say: a row carries the slot, the name
// that the receiver gave itself, and an address. Names are often shared (Debian's cluster_name is `15/main` on every
// node), so a row proves something only where nobody else could be meant.
// A receiver calls itself by application_name in primary_conninfo, else by cluster_name, else `walreceiver` (12+).

import { parseConninfo } from "../conninfo/parse.ts";
import type { Observation, ReachedNode, WalSender } from "./node.ts";
import { settingText } from "./settings.ts";

type Nodes = ReadonlyMap<string, Observation>;

/** Sender states in which WAL flows. `startup` and `stopping` move nothing. */
const flowing: ReadonlySet<string> = new Set(["streaming", "catchup"]);

/** Whether WAL flows through a sender. */
export function senderFlows(row: WalSender): boolean {
  return flowing.has(row.state);
}

/** The upstream's rows that may be the standby's: by slot where it uses one, else by name. */
export function sendersOf(upstream: ReachedNode, standby: Observation): readonly WalSender[] {
  const slot = slotNameOf(standby);
  const bySlot = upstream.senders.filter((row) => slot !== null && row.slotName === slot);
  if (bySlot.length > 0) return bySlot;
  const names = namesOf(standby);
  return upstream.senders.filter((row) => names.includes(row.applicationName));
}

/** The upstream's rows that are no other node's: what is left for a standby whose name we do not know. */
export function unclaimedSenders(
  upstream: ReachedNode,
  standby: Observation,
  nodes: Nodes,
): readonly WalSender[] {
  const others = [...nodes.values()].filter((node) => node.name !== standby.name);
  const claimed = new Set(others.flatMap((node) => sendersOf(upstream, node)));
  return upstream.senders.filter((row) => !claimed.has(row));
}

/** The one row on the upstream that can only be the standby's; null when there is none, or others could be meant. */
export function provenSender(
  upstream: ReachedNode,
  standby: Observation,
  nodes: Nodes,
): WalSender | null {
  const [row, ...more] = sendersOf(upstream, standby);
  if (row === undefined || more.length > 0) return null;
  const shared = [...nodes.values()].some(
    (node) =>
      node.name !== standby.name &&
      node.name !== upstream.name &&
      sendersOf(upstream, node).includes(row),
  );
  return shared ? null : row;
}

/** The slot that the standby uses, or would. */
export function slotNameOf(standby: Observation): string | null {
  if (!standby.reachable) return null;
  return standby.receiver?.slotName ?? settingText(standby, "primary_slot_name");
}

/** What the standby may call itself, as far as that is known. */
export function namesOf(standby: Observation): readonly string[] {
  if (!standby.reachable) return [standby.name];
  const conninfo = settingText(standby, "primary_conninfo");
  const parsed = conninfo === null ? null : parseConninfo(conninfo);
  const cluster = settingText(standby, "cluster_name");
  if (parsed?.ok !== true) return cluster === null ? [standby.name] : [standby.name, cluster];
  return [parsed.conninfo["application_name"] ?? cluster ?? "walreceiver"];
}

/** What the standby's receiver calls itself, for certain: null where a setting cannot be seen, or a service file on the
 * standby may say something else. */
export function receiverNameOf(standby: ReachedNode): string | null {
  const conninfo = standby.settings.primary_conninfo?.value ?? null;
  const cluster = standby.settings.cluster_name?.value ?? null;
  const parsed = conninfo === null ? null : parseConninfo(conninfo);
  if (parsed?.ok !== true || (parsed.conninfo["service"] ?? "") !== "") return null;
  const told = parsed.conninfo["application_name"] ?? "";
  if (told !== "") return told;
  return cluster === "" ? "walreceiver" : cluster;
}
