// Whether commits will be as safe on the next primary as they were on the one before: its own synchronous_standby_names and
// synchronous_commit come into force when it leads, and clients are told nothing (13 to 18). On a standby both rest, so
// they can be set before. What would have commits wait for nobody who is there is settings-fit.ts.

import { parseSynchronousStandbyNames } from "../topology/durability.ts";
import { levelOf } from "../topology/durability-proof.ts";
import type { Finding } from "../topology/finding.ts";
import type { LastSeen } from "../topology/last-seen.ts";
import type { ReachedNode } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import type { Topology } from "../topology/topology.ts";

/** Null where it was not to be seen. */
interface Durability {
  readonly names: string | null;
  readonly commit: string | null;
}

/** From the least to the most that a commit waits for. */
const levels: readonly string[] = ["off", "local", "remote_write", "on", "remote_apply"];

interface Wait {
  /** How many standbys have to confirm. */
  readonly count: number;
  readonly level: number;
  readonly text: string;
}

function waitOf({ names, commit }: Durability): Wait | null {
  const level = levels.indexOf(levelOf(commit ?? ""));
  if (names === null || level === -1) return null;
  const wanted = parseSynchronousStandbyNames(names);
  const least = Math.min(level, levels.indexOf("local"));
  if (wanted === null || level === least) {
    const text = levels[least] === "off" ? "not even for its own disk" : "for no standby";
    return { count: 0, level: least, text };
  }
  const { count } = wanted;
  const text = `for ${count} of ${wanted.names.join(", ")} (${levels[level] ?? ""})`;
  return { count, level, text };
}

function compare(before: { readonly node: string } & Durability, next: ReachedNode): Finding[] {
  const was = waitOf(before);
  const will = waitOf(durabilityOf(next));
  if (was === null || will === null) return [];
  if (will.count >= was.count && will.level >= was.level) return [];
  return [
    {
      code: "commits-less-durable",
      severity: "warning",
      node: next.name,
      message: `on ${before.node} a commit waits ${was.text}, once ${next.name} leads ${will.text}`,
      hint: `set synchronous_standby_names and synchronous_commit of ${next.name} for those who will follow it, and reload: they rest until it leads`,
    },
  ];
}

function durabilityOf(node: ReachedNode): Durability {
  return {
    names: node.settings.synchronous_standby_names?.value ?? null,
    commit: settingText(node, "synchronous_commit"),
  };
}

/** In a switchover; a fence has a setting of its own in force. */
export function tellOfDurability(old: ReachedNode, next: ReachedNode): Finding[] {
  return old.marks.fenced ? [] : compare({ node: old.name, ...durabilityOf(old) }, next);
}

/** In a failover: as it was when the primary was last seen. */
export function tellOfDurabilityBefore(
  topology: Topology,
  lastSeen: LastSeen | null,
  next: ReachedNode,
): Finding[] {
  const primary = lastSeen?.primary ?? null;
  if (primary === null || lastSeen?.systemIdentifier !== topology.systemIdentifier) return [];
  if (primary.node === next.name) return [];
  const { node, synchronousStandbyNames: names, synchronousCommit: commit } = primary;
  return compare({ node, names, commit }, next);
}
