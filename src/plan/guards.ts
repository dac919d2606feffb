// What keeps every verb that changes servers from beginning, whatever it wants: another program that manages the cluster,
// and a fork in which nothing decides whose line is the cluster's. What takes marks back is kept from by neither, and
// neither stopping a server nor bringing one back by a fork: that is how it ends.

import { formatAcceptedTimeline } from "../topology/accepted.ts";
import type { Finding } from "../topology/finding.ts";
import { findUndecidedFork } from "../topology/fork.ts";
import { describeFork, hintOn, strayNodes } from "../topology/fork-rules.ts";
import { otherManagers } from "../topology/managers.ts";
import type { ReachedNode } from "../topology/node.ts";
import { ourNodes } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import type { Decision } from "./plan.ts";
import { problem } from "./request.ts";

export interface GuardedChange {
  readonly verb: string;
  /** The operator changes servers beside the other program. */
  readonly overrideManager: boolean;
}

const takesBack: ReadonlySet<string> = new Set(["unquiesce", "undo", "resume"]);

/** Why no change may begin now; empty where one may. */
export function checkGuards(topology: Topology, change: GuardedChange): readonly Finding[] {
  if (takesBack.has(change.verb)) return [];
  const managed = change.overrideManager ? [] : checkManagers(topology);
  if (change.verb === "stop" || change.verb === "rejoin") return managed;
  const unusable = checkAccepted(topology);
  return [...managed, ...(unusable.length > 0 ? unusable : checkFork(topology))];
}

function checkManagers(topology: Topology): readonly Finding[] {
  return otherManagers(topology).map(({ message }) =>
    problem("other-manager", null, {
      message,
      hint: "have it do the change, or pause it; --override-manager goes on beside it, and it may take back what is done",
    }),
  );
}

/** A choice that cannot be understood must not pass for one. */
function checkAccepted(topology: Topology): readonly Finding[] {
  const { accepted } = topology;
  if (accepted === null || accepted.standing === "found") return [];
  const named = formatAcceptedTimeline(accepted);
  const told = ourNodes(topology).flatMap((node) => describeStart(node, accepted.timeline));
  if (accepted.standing === "ambiguous") {
    return [
      problem("timeline-clash", null, {
        message: `timeline ${named} was taken more than once: ${told.join(", ")}`,
        hint: `say which with --accept-timeline ${accepted.timeline}@LSN, the LSN at which it began`,
      }),
    ];
  }
  const seen = ourNodes(topology).flatMap((node) => node.timeline ?? []);
  return [
    problem("timeline-unreported", null, {
      message: `no node that was reached tells of timeline ${named}; they are on ${[...new Set(seen)].join(", ")}`,
      hint: "see `remaster status`",
    }),
  ];
}

function describeStart(node: ReachedNode, timeline: number): readonly string[] {
  if (node.received?.timeline !== timeline) return [];
  const parent = node.history?.ancestors.at(-1);
  if (parent === undefined) return [`${node.name} is on it`];
  const at = formatPosition({ timeline: parent.timeline, lsn: parent.end });
  return [`${node.name}'s began at ${at}`];
}

export function checkFork(topology: Topology): readonly Finding[] {
  const fork = findUndecidedFork(topology);
  if (fork === null) return [];
  const code = fork.leaders.length > 1 ? "several-primaries" : "timeline-fork";
  return [
    problem(code, null, {
      message: `nothing says whose line is the cluster's: ${describeFork(fork)}`,
      hint: hintOn(topology, fork),
    }),
  ];
}

/** What an operator who accepted a timeline should see before saying yes. */
export function withStrays(decision: Decision, topology: Topology): Decision {
  const strays = strayNodes(topology);
  if (strays.length === 0) return decision;
  switch (decision.kind) {
    case "refused":
      return decision;
    case "already":
      return { ...decision, findings: [...strays, ...decision.findings] };
    case "plan": {
      const findings = [...strays, ...decision.plan.findings];
      return { ...decision, plan: { ...decision.plan, findings } };
    }
  }
}
