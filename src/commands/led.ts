// What a verb that changes the primary says at its end: who leads and who follows, and who should and does not.

import { findUnfollowing } from "../plan/following.ts";
import { soleLeader } from "../plan/switchover-finishing.ts";
import type { Finding } from "../topology/finding.ts";
import { standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";

const noLeader: Finding = {
  code: "no-primary",
  severity: "problem",
  message: "no node that can be reached leads",
  hint: "see `remaster status`",
};

/** Nobody leads, or two do, or one does whom not all follow that should: the standbys that let us in at the start, one that
 * went down meanwhile among them, and `others`. */
export function findShortfall(
  before: Topology,
  after: Topology,
  others: readonly string[] = [],
): readonly Finding[] {
  const leader = soleLeader(after);
  if (leader === null) {
    return after.primaries.length === 0
      ? [noLeader]
      : after.findings.filter(({ code }) => code === "several-primaries");
  }
  const primary = leader.name;
  const astray = new Set(findUnfollowing(after, primary));
  const wanted = [...standbysOf(before).map(({ name }) => name), ...others];
  return wanted
    .filter((name) => name !== primary && !before.strays.includes(name))
    .filter((name) => astray.has(name) || !isStandby(after, name))
    .map((name) => ({
      code: "standby-not-following" as const,
      severity: "problem" as const,
      node: name,
      message: `${name} does not follow ${primary}`,
      hint: "see `remaster status` for the reason",
    }));
}

function isStandby({ nodes }: Topology, name: string): boolean {
  const node = nodes.get(name);
  return node?.reachable === true && node.role === "standby";
}

/** In a few words. */
export function describeLead(topology: Topology): string {
  const leader = soleLeader(topology);
  if (leader === null) {
    return topology.primaries.length === 0 ? "no node leads" : "several nodes lead";
  }
  const { name, received } = leader;
  const at = received === null ? "" : ` at ${formatPosition(received)}`;
  const astray = findUnfollowing(topology, name);
  const all = [...topology.edges.keys()].filter((standby) => !astray.includes(standby));
  return `${name} leads${at}, followed by ${all.length === 0 ? "nobody" : all.join(", ")}`;
}
