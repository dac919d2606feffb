// The timeline histories that a cluster's nodes know between them. Two servers may both have taken one timeline number
// and tell different histories of it: the story that most nodes tell is kept, and the clash can be asked for.

import {
  impliedHistories,
  sameHistory,
  type TimelineHistories,
  type TimelineHistory,
  type TimelineId,
} from "../wal/timeline.ts";
import type { ReachedNode } from "./node.ts";

type Witness = Pick<ReachedNode, "name" | "history">;

interface Account {
  readonly history: TimelineHistory;
  readonly nodes: string[];
}

/** What each timeline's history is according to whom: more than one account is a clash. */
export function accountsOf(
  nodes: readonly Witness[],
): ReadonlyMap<TimelineId, readonly Readonly<Account>[]> {
  const accounts = new Map<TimelineId, Account[]>();
  for (const node of nodes) {
    if (node.history === null) continue;
    for (const history of impliedHistories(node.history)) {
      const told = accounts.get(history.timeline) ?? [];
      const same = told.find((account) => sameHistory(account.history, history));
      if (same === undefined) told.push({ history, nodes: [node.name] });
      else same.nodes.push(node.name);
      accounts.set(history.timeline, told);
    }
  }
  return accounts;
}

/** The histories that the nodes know or imply; of two accounts of one timeline the one that more nodes give. */
export function collectHistories(nodes: readonly Witness[]): TimelineHistories {
  const histories = new Map<TimelineId, TimelineHistory>();
  for (const [timeline, told] of accountsOf(nodes)) {
    const [most] = told.toSorted((a, b) => b.nodes.length - a.nodes.length);
    if (most !== undefined) histories.set(timeline, most.history);
  }
  return histories;
}
