// What was seen of a cluster before: its primary with the settings that say who confirmed commits, and how far each
// standby was. Every look adds to it. Of a primary only what it said itself counts; of two looks at one primary the later
// one, and a primary of an older timeline never replaces one of a later.

import { compareHeld, comparePositions, type Position } from "../wal/position.ts";
import type { TimelineHistories, TimelineHistory } from "../wal/timeline.ts";
import type { SeenSender, SynchronousSetting } from "./durability-proof.ts";
import type { Observation, ReachedNode, SettingName, Slot } from "./node.ts";
import { provenSender, receiverNameOf } from "./senders.ts";
import { isOurs, reachedNode, solePrimary, standbysOf, type Structure } from "./structure.ts";

export interface SeenPrimary extends SynchronousSetting {
  readonly node: string;
  /** Milliseconds since 1970, on the operator's clock. */
  readonly observedAt: number;
  readonly position: Position;
  readonly history: TimelineHistory | null;
  /** Since when, and from where, these very settings were seen: what was acknowledged before may have been so by others. */
  readonly since: { readonly observedAt: number; readonly position: Position };
  /** Nodes that were down then, and that nobody who could be seen was streaming to. */
  readonly absent: readonly string[];
  /** Its slots but for temporary ones; absent where they were not kept yet. */
  readonly slots?: readonly Slot[];
}

export interface SeenNode {
  readonly observedAt: number;
  readonly position: Position | null;
  readonly applicationName: string | null;
  /** Start of its postmaster by its own clock; null where only others saw the node. */
  readonly startedAt: number | null;
}

export interface LastSeen {
  readonly systemIdentifier: string;
  /** Null while no primary was seen. */
  readonly primary: SeenPrimary | null;
  /** By name; the primary is not among them. */
  readonly nodes: ReadonlyMap<string, SeenNode>;
}

/** What is known after a look, from what was known before; null where nothing is. */
export function addLook(previous: LastSeen | null, look: Structure): LastSeen | null {
  const { systemIdentifier } = look;
  if (systemIdentifier === null) return previous;
  const known = previous?.systemIdentifier === systemIdentifier ? previous : null;
  const leader = solePrimary(look);
  const primary = newerOf(
    known?.primary ?? null,
    leader === null ? null : seePrimary(leader, look),
  );
  const nodes = new Map([...(known?.nodes ?? [])].filter(([name]) => look.nodes.has(name)));
  for (const [name, node] of seeNodes(look)) {
    const before = nodes.get(name);
    if (before === undefined || before.observedAt <= node.observedAt) nodes.set(name, node);
  }
  if (primary !== null) nodes.delete(primary.node);
  return { systemIdentifier, primary, nodes };
}

function newerOf(before: SeenPrimary | null, now: SeenPrimary | null): SeenPrimary | null {
  if (before === null || now === null) return now ?? before;
  if (now.position.timeline < before.position.timeline) return before;
  if (now.observedAt < before.observedAt) return before;
  const same =
    now.node === before.node &&
    now.position.timeline === before.position.timeline &&
    now.synchronousStandbyNames === before.synchronousStandbyNames &&
    now.synchronousCommit === before.synchronousCommit;
  return same ? { ...now, since: before.since } : now;
}

/** Where a value holds for everybody who did not set another; a role's or a session's own says nothing of the others. */
const everybodys: ReadonlySet<string> = new Set([
  "default",
  "configuration file",
  "command line",
  "environment variable",
  "override",
]);

function settingOfAll(node: ReachedNode, name: SettingName): string | null {
  const setting = node.settings[name];
  return setting !== undefined && everybodys.has(setting.source) ? setting.value : null;
}

function seePrimary(node: ReachedNode, look: Structure): SeenPrimary | null {
  const { received: position, observedAt } = node;
  if (position === null) return null;
  return {
    node: node.name,
    observedAt,
    position,
    history: node.history,
    since: { observedAt, position },
    synchronousStandbyNames: settingOfAll(node, "synchronous_standby_names"),
    synchronousCommit: settingOfAll(node, "synchronous_commit"),
    senders: seesSenders(node) ? seeSenders(node, look) : null,
    otherConfirmers: node.otherConfirmers ?? [],
    absent: findAbsent(look),
    slots: node.slots.filter(({ temporary }) => !temporary),
  };
}

/** Without pg_monitor the rows of others show nothing but that they are there. */
function seesSenders(node: ReachedNode): boolean {
  return !node.missingRights.includes("pg_monitor");
}

function claimedBy(upstream: ReachedNode, look: Structure) {
  const nodes = [...look.nodes.values()].filter((node) => node.name !== upstream.name);
  return new Map(
    nodes.flatMap((node) => {
      const row = provenSender(upstream, node, look.nodes);
      return row === null ? [] : [[row, node.name] as const];
    }),
  );
}

function seeSenders(primary: ReachedNode, look: Structure): readonly SeenSender[] {
  const owners = claimedBy(primary, look);
  return primary.senders.map((row) => ({
    applicationName: row.applicationName,
    syncState: row.syncState,
    node: owners.get(row) ?? null,
  }));
}

/** Unreachable nodes that follow nobody. Nothing is said where one of them may have been followed in its turn, or where a
 * connection may have been any node's. */
function findAbsent(look: Structure): readonly string[] {
  const down = [...look.nodes.values()].filter((node) => !node.reachable).map(({ name }) => name);
  const all = [...look.nodes.values()].filter((node): node is ReachedNode => node.reachable);
  const certain = all.every(
    (node) => seesSenders(node) && node.senders.every((row) => claimedBy(node, look).has(row)),
  );
  return certain && !down.some((name) => look.edges.has(name)) ? down : [];
}

function seeNodes(look: Structure): ReadonlyMap<string, SeenNode> {
  const seen = new Map<string, SeenNode>();
  for (const node of standbysOf(look)) {
    const applicationName = receiverNameOf(node);
    const { observedAt, received: position, startedAt } = node;
    seen.set(node.name, { observedAt, position, applicationName, startedAt });
  }
  const leader = solePrimary(look);
  if (leader === null) return seen;
  for (const [row, name] of claimedBy(leader, look)) {
    const timeline = leader.timeline;
    const { flushLsn: lsn, applicationName } = row;
    if (seen.has(name) || look.nodes.get(name)?.reachable === true) continue;
    const position = timeline === null || lsn === null ? null : { timeline, lsn };
    seen.set(name, { observedAt: leader.observedAt, position, applicationName, startedAt: null });
  }
  return seen;
}

/** The histories of a look, and that of the primary that was seen before. */
export function withSeenHistory(
  histories: TimelineHistories,
  primary: SeenPrimary | null,
): TimelineHistories {
  const history = primary?.history ?? null;
  if (history === null || histories.has(history.timeline)) return histories;
  return new Map([...histories, [history.timeline, history]]);
}

/** What makes the primary that was seen no evidence for the cluster as it is now; null where nothing does. */
export function whyOutdated(
  seen: LastSeen,
  look: Structure,
  farthest: ReachedNode | null,
): string | null {
  const { primary } = seen;
  if (primary === null || seen.systemIdentifier !== look.systemIdentifier) {
    return "no primary of this cluster was seen from here before";
  }
  if (reachedNode(look, primary.node) !== null) {
    return `${primary.node}, which led when it was last seen, is no primary any more`;
  }
  const now = farthest?.received ?? null;
  if (farthest === null || now === null) return null;
  if (now.timeline > primary.position.timeline) {
    return `${primary.node} was last seen on timeline ${primary.position.timeline}, and the standbys are on ${now.timeline}: another node was promoted since`;
  }
  const held = {
    received: primary.since.position,
    replayed: primary.since.position,
    history: primary.history,
  };
  const { relation } = compareHeld(farthest, held, withSeenHistory(look.histories, primary));
  return relation === "diverged"
    ? `${primary.node} was last seen on another line of history than the standbys are on`
    : null;
}

/** Whether a node that was seen before had more than `position`. */
export function wasAhead(
  seen: SeenNode,
  position: Position,
  histories: TimelineHistories,
): boolean {
  if (seen.position === null) return false;
  const { relation } = comparePositions(seen.position, position, histories);
  if (relation === "unknown") return seen.position.timeline > position.timeline;
  return relation === "ahead";
}

/** Whether an observation is a standby's that counts: of this cluster, with a known position. */
export function isCounted(look: Structure, node: Observation): node is ReachedNode {
  return node.reachable && isOurs(look, node) && node.received !== null;
}
