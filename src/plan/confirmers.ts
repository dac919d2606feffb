// What becomes of commits on a living primary when standbys are taken from it: with fewer synchronous standbys streaming than
// synchronous_standby_names demands, every commit waits, and no error tells anybody why.

import { confirmingSenders, parseSynchronousStandbyNames } from "../topology/durability.ts";
import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { sendersOf } from "../topology/senders.ts";
import { settingText } from "../topology/settings.ts";
import { reachedNode } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { problem } from "./request.ts";

/** Refuses to leave a primary with fewer synchronous standbys than it waits for. Where it waits already, nothing is added. */
export function checkCommitsGoOn(topology: Topology, leaving: readonly ReachedNode[]): Finding[] {
  return topology.primaries.flatMap((name) => {
    const primary = reachedNode(topology, name);
    const commit = primary === null ? null : settingText(primary, "synchronous_commit");
    if (primary === null || primary.marks.fenced || commit === "off" || commit === "local") {
      return [];
    }
    const text = settingText(primary, "synchronous_standby_names") ?? "";
    const wanted = parseSynchronousStandbyNames(text);
    if (wanted === null) return [];
    const able = confirmingSenders(wanted, primary.senders);
    const gone = leaving.filter((node) => isConfirming(topology, { node, primary, able }));
    const left = able.length - gone.length;
    if (gone.length === 0 || able.length < wanted.count || left >= wanted.count) return [];
    return [
      problem("commits-would-block", name, {
        message: `without ${gone.map((node) => node.name).join(", ")} ${left === 0 ? "none" : String(left)} of the synchronous standbys of ${name} would be left, and it waits for ${wanted.count} of ${wanted.names.join(", ")}: commits on ${name} would wait`,
        hint: "leave one of them out, or --accept-blocked-commits",
      }),
    ];
  });
}

function isConfirming(
  topology: Topology,
  look: {
    readonly node: ReachedNode;
    readonly primary: ReachedNode;
    readonly able: ReturnType<typeof confirmingSenders>;
  },
): boolean {
  const { node, primary, able } = look;
  const edge = topology.edges.get(node.name);
  if (edge?.upstream !== primary.name || !edge.streaming) return false;
  return sendersOf(primary, node).some((row) => able.includes(row));
}
