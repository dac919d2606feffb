// Forks: lines of ancestry that several nodes claim to be the cluster's. A sole primary's line is taken for it, unless
// more standbys went another way than are with it: a standby that somebody promoted by mistake looks just like that.
// Two primaries, or standbys that parted while nobody leads, are told apart by evidence (lines.ts) or not at all.

import { compareHeld, type Position } from "../wal/position.ts";
import {
  type AcceptedTimeline,
  findAcceptedLine,
  formatAcceptedTimeline,
  startOf,
} from "./accepted.ts";
import { findReference, tipsOf } from "./lines.ts";
import type { ReachedNode } from "./node.ts";
import { ourNodes, reachedNode, type Structure, standbysOf } from "./structure.ts";

type View = Pick<
  Structure,
  "nodes" | "systemIdentifier" | "primaries" | "histories" | "strays" | "edges"
>;

/** One line: the node that went farthest on it, and the standbys that are with it and with no other. */
export interface Branch {
  readonly tip: ReachedNode;
  readonly followers: readonly string[];
}

export interface Fork {
  readonly branches: readonly [Branch, Branch, ...(readonly Branch[])];
  /** Where the first two parted; null where nothing says so. */
  readonly switchpoint: Position | null;
  /** Nodes that lead, unfenced, on a line of their own. */
  readonly leaders: readonly string[];
}

/** The lines between which nothing decides; null where there is one, or the facts name the cluster's. */
export function findUndecidedFork(structure: View): Fork | null {
  const standbys = standbysOf(structure).filter(
    (node) => node.received !== null && !structure.strays.includes(node.name),
  );
  const leaders = leadersOf(structure);
  if (leaders.length > 1) return forkOf(structure, { tips: leaders, standbys, leaders });
  const [leader] = leaders;
  return leader === undefined
    ? forkOfOrphans(structure, standbys)
    : forkFromLeader(structure, leader, standbys);
}

/** Who leads: a fenced primary has given the lead up where another one has it. */
function leadersOf(structure: View): readonly ReachedNode[] {
  const primaries = structure.primaries
    .map((name) => reachedNode(structure, name))
    .filter((node) => node !== null);
  const open = primaries.filter((node) => !node.marks.fenced);
  return open.length > 0 ? open : primaries.slice(0, 1);
}

function forkOfOrphans(structure: View, standbys: readonly ReachedNode[]): Fork | null {
  const reference = findReference(standbys, structure.histories);
  if (reference?.decided !== false) return null;
  const tips = tipsOf(standbys, structure.histories);
  return forkOf(structure, { tips, standbys, leaders: [] });
}

function forkFromLeader(
  structure: View,
  leader: ReachedNode,
  standbys: readonly ReachedNode[],
): Fork | null {
  const { histories } = structure;
  const parted = standbys.filter((node) => hasDiverged(node, leader, structure));
  const rivals = tipsOf(parted, histories);
  const outnumbering = rivals.filter((rival) => {
    const against = parted.filter((node) => !hasDiverged(node, rival, structure));
    const beside = standbys.filter(
      (node) => !parted.includes(node) && isWith(node, leader, rival, structure),
    );
    return against.length > beside.length + 1;
  });
  if (outnumbering.length === 0) return null;
  const tips = [leader, ...outnumbering];
  return forkOf(structure, { tips, standbys, leaders: [leader] });
}

/** A standby of the leader by what it replayed, or by whom it streams from. */
function isWith(node: ReachedNode, leader: ReachedNode, rival: ReachedNode, structure: View) {
  return hasDiverged(node, rival, structure) || streamsFrom(node, leader, structure);
}

function streamsFrom(node: ReachedNode, leader: ReachedNode, { edges }: View): boolean {
  const edge = edges.get(node.name);
  return edge?.streaming === true && edge.upstream === leader.name;
}

function hasDiverged(a: ReachedNode, b: ReachedNode, { histories }: View): boolean {
  return compareHeld(a, b, histories).relation === "diverged";
}

function forkOf(
  structure: View,
  found: {
    readonly tips: readonly ReachedNode[];
    readonly standbys: readonly ReachedNode[];
    readonly leaders: readonly ReachedNode[];
  },
): Fork | null {
  const branches = found.tips.map((tip): Branch => {
    const others = found.tips.filter((other) => other !== tip);
    const followers = found.standbys.filter(
      (node) =>
        !found.tips.includes(node) &&
        !hasDiverged(node, tip, structure) &&
        others.some((other) => isWith(node, tip, other, structure)) &&
        !others.some((other) => streamsFrom(node, other, structure)),
    );
    return { tip, followers: followers.map((node) => node.name) };
  });
  const [first, second, ...more] = branches;
  if (first === undefined || second === undefined) return null;
  return {
    branches: [first, second, ...more],
    switchpoint: compareHeld(first.tip, second.tip, structure.histories).switchpoint,
    leaders: found.leaders.map((node) => node.name),
  };
}

/** The shortest way to name a branch's timeline, where naming it decides; two nodes may both have taken its number. */
function choiceFor(structure: View, { tip }: Branch): AcceptedTimeline | null {
  const timeline = tip.received?.timeline ?? null;
  if (timeline === null) return null;
  const wishes = [null, startOf(tip.history)].map((start) => ({ timeline, start }));
  return wishes.find((wish) => decides(structure, tip, wish)) ?? null;
}

function decides(structure: View, tip: ReachedNode, wish: AcceptedTimeline): boolean {
  const { standing, strays } = findAcceptedLine(wish, ourNodes(structure), structure.histories);
  if (standing !== "found" || strays.includes(tip.name)) return false;
  const primaries = structure.primaries.filter((name) => !strays.includes(name));
  return findUndecidedFork({ ...structure, strays, primaries }) === null;
}

/** The choices that the operator has, as --accept-timeline takes them. */
export function choicesIn(structure: View, fork: Fork): readonly string[] {
  const choices = fork.branches.flatMap((branch) => choiceFor(structure, branch) ?? []);
  return choices.map(formatAcceptedTimeline);
}
