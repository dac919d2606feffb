// Lines of ancestry. When standbys have diverged from each other, somebody's writes are on a line that will be given up,
// so the choice needs evidence and is made only on two pieces of it out of three; else the operator chooses.
// A single piece misleads: a lone standby may be the only one that followed the last promotion while the others were
// stranded for a day, and a lone standby may as well be one that somebody promoted by mistake.

import { compareHeld } from "../wal/position.ts";
import type { TimelineHistories } from "../wal/timeline.ts";
import type { ReachedNode } from "./node.ts";

/** The node that all others are measured against, and whether the facts alone name it. */
export interface Reference {
  readonly node: ReachedNode;
  /** False: standbys diverged, and the evidence does not say whose line is the cluster's. */
  readonly decided: boolean;
  /** What speaks for its line, when there is more than one. */
  readonly evidence: readonly string[];
}

/** A line: a standby that nobody is ahead of, with those that did not diverge from it. */
interface Line {
  readonly tip: ReachedNode;
  readonly members: readonly ReachedNode[];
}

/** By how much a last replayed commit must be younger to say anything, milliseconds: clocks differ. */
const fresherByMs = 1000;

interface Evidence {
  readonly reason: string;
  /** Greater is better; null says nothing. */
  readonly weigh: (line: Line) => number | null;
  /** By how much the best must exceed the next. */
  readonly margin: number;
}

const kinds: readonly Evidence[] = [
  {
    reason: "more standbys are on its line than on any other",
    weigh: (line) => line.members.length,
    margin: 1,
  },
  {
    reason: "its timeline is the latest",
    weigh: (line) => line.tip.received?.timeline ?? null,
    margin: 1,
  },
  {
    reason: "it replayed the latest commit",
    weigh: (line) => (line.tip.replayAgeMs === null ? null : -line.tip.replayAgeMs),
    margin: fresherByMs,
  },
];

/** The reference among standbys whose positions are known; null when there are none. */
export function findReference(
  standbys: readonly ReachedNode[],
  histories: TimelineHistories,
): Reference | null {
  const lines = findLines(standbys, histories);
  const judged = lines.map((line) => ({ line, evidence: evidenceFor(line, lines) }));
  const [best] = judged.toSorted((a, b) => b.evidence.length - a.evidence.length);
  if (best === undefined) return null;
  return {
    node: best.line.tip,
    decided: lines.length === 1 || best.evidence.length >= 2,
    evidence: lines.length === 1 ? [] : best.evidence,
  };
}

/** The standbys that nobody is ahead of; of several that are level the first in the file. */
export function tipsOf(
  standbys: readonly ReachedNode[],
  histories: TimelineHistories,
): readonly ReachedNode[] {
  const tips: ReachedNode[] = [];
  for (const node of standbys) {
    const surpassed = standbys.some((other) => relation(other, node, histories) === "ahead");
    const level = tips.some((tip) => relation(tip, node, histories) === "same");
    if (!surpassed && !level) tips.push(node);
  }
  return tips;
}

function findLines(
  standbys: readonly ReachedNode[],
  histories: TimelineHistories,
): readonly Line[] {
  return tipsOf(standbys, histories).map((tip) => ({
    tip,
    members: standbys.filter((node) => ["same", "ahead"].includes(relation(tip, node, histories))),
  }));
}

function relation(a: ReachedNode, b: ReachedNode, histories: TimelineHistories) {
  return compareHeld(a, b, histories).relation;
}

function evidenceFor(line: Line, lines: readonly Line[]): readonly string[] {
  return kinds
    .filter((kind) => {
      const own = kind.weigh(line);
      if (own === null) return false;
      return lines.every((other) => {
        const weight = kind.weigh(other);
        return other === line || (weight !== null && own - weight >= kind.margin);
      });
    })
    .map((kind) => kind.reason);
}
