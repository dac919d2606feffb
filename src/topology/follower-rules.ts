// Rules about who streams from our nodes without being one of them. A failover moves the standbys of the topology file and
// no others: one that it does not know stays behind with the old primary, or keeps no slot on the new one.
// A standby reports what it replayed; pg_receivewal, pg_basebackup and other archivers never do (13 to 18).

import { aboutEach } from "./about.ts";
import { counted } from "./counted.ts";
import type { Finding } from "./finding.ts";
import type { Observation, ReachedNode, WalSender } from "./node.ts";
import { namesOf, receiverNameOf, senderFlows, slotNameOf } from "./senders.ts";
import { physicalSlotName } from "./slot-name.ts";
import { ourNodes, type Structure } from "./structure.ts";

/** Said where there are more rows of a name than nodes that may be meant: which of them is the stranger, a row does not say. */
export function unknownFollowers(structure: Structure): readonly Finding[] {
  const seeing = ourNodes(structure).filter((node) => !node.missingRights.includes("pg_monitor"));
  return aboutEach(seeing, (upstream) => {
    const others = [...structure.nodes.values()].filter((node) => node.name !== upstream.name);
    const standbys = upstream.senders.filter((row) => senderFlows(row) && row.replayLsn !== null);
    const rows = standbys.filter((row) => !others.some((node) => usesSlot(node, row)));
    const rest = others.filter((node) => !standbys.some((row) => usesSlot(node, row)));
    const names = [...new Set(rows.map((row) => row.applicationName))];
    const strangers = names.flatMap((name) => {
      const alike = rows.filter((row) => row.applicationName === name);
      const meant = rest.filter((node) => mayBe(node, { upstream, name, structure }));
      const count = alike.length - meant.length;
      return count > 0 ? [{ count, told: toldOf(name, alike) }] : [];
    });
    if (strangers.length === 0) return [];
    const count = strangers.reduce((sum, each) => sum + each.count, 0);
    const told = strangers.map((each) => each.told).join("; ");
    return [
      {
        code: "unknown-follower",
        severity: "warning",
        message: `${upstream.name} streams to ${counted(count, "standby")} that the topology file does not have: ${told}`,
        hint: "add it to the topology file: a failover moves no others",
      },
    ];
  });
}

/** A slot is used by one at a time, so it names its node exactly. */
function usesSlot(node: Observation, { slotName }: WalSender): boolean {
  if (slotName === null) return false;
  return slotNameOf(node) === slotName || physicalSlotName(node.name, null) === slotName;
}

/** Whether a row of that name may be this node's, as far as is known of it. */
function mayBe(
  node: Observation,
  row: { readonly upstream: ReachedNode; readonly name: string; readonly structure: Structure },
): boolean {
  // Where nobody listens there is no standby; whatever else keeps us out may well be one.
  if (!node.reachable) return node.answer !== "refused" || namesOf(node).includes(row.name);
  if (node.role === "primary") return false;
  const edge = row.structure.edges.get(node.name);
  const elsewhere = edge?.streaming === true && edge.upstream !== row.upstream.name;
  if (elsewhere && edge.upstream !== null) return false;
  return receiverNameOf(node) === null || namesOf(node).includes(row.name);
}

function toldOf(name: string, rows: readonly WalSender[]): string {
  const places = rows.map((row) => row.clientAddress ?? "a local socket");
  const from = [...new Set(places)].join(", ");
  return `${name} from ${from}`;
}
