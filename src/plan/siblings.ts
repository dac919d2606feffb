// What becomes of a new primary's siblings: whom each one follows, how it gets there, and what is said of those that will
// not be there at the end of the run. One whose WAL ends torn is healed, never led there as it is.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { hasPlaceOn } from "../topology/former-slot.ts";
import { standbysOf } from "../topology/structure.ts";
import { findNodeAt, type Topology, upstreamChain } from "../topology/topology.ts";
import { checkSettings } from "./checks.ts";
import { checkWalAvailable } from "./exchange.ts";
import type { Stage } from "./plan.ts";
import type { RepointStep } from "./step.ts";
import { checkAncestry } from "./repoint.ts";
import { planned, problem, stage } from "./request.ts";
import { checkTargetTimeline } from "./settings-fit.ts";
import { tellOfTorn } from "./torn.ts";

/** A sibling with the node that it will follow. */
export interface Move {
  readonly node: ReachedNode;
  readonly to: string;
  readonly torn: boolean;
}

/** Siblings that may be moved, and what speaks against moving the others. */
export function findMovable(
  topology: Topology,
  candidate: ReachedNode,
): { readonly able: readonly ReachedNode[]; readonly findings: readonly Finding[] } {
  const siblings = standbysOf(topology).filter(
    (node) => node.name !== candidate.name && !topology.strays.includes(node.name),
  );
  const findings: Finding[] = [];
  const able = siblings.filter((node) => {
    const upstream = followedBy(topology, node);
    const staysBelow = siblings.some((sibling) => sibling.name === upstream);
    const against = [
      ...checkSettings(node),
      ...checkTargetTimeline(node, candidate),
      ...checkAncestry(topology, node, candidate),
      ...(staysBelow ? [] : checkWalAvailable(candidate, node)),
      // What a sibling has beyond the candidate, the exchange brings to the candidate first.
    ].filter((finding) => finding.code !== "ahead-of-upstream");
    findings.push(...against);
    return against.length === 0;
  });
  return { able, findings };
}

/** Whom the node follows. An exchange leads it elsewhere for a while only. */
function followedBy(topology: Topology, node: ReachedNode): string | null {
  const { configuredUpstream, marks } = node;
  if (marks.exchanging !== true) return upstreamChain(topology, node.name)[0] ?? null;
  return configuredUpstream === null ? null : findNodeAt(topology, configuredUpstream);
}

/** Who asks for a slot that is gone, or of the past, was below that node while it led, and is no cascade of its. */
function mayStream(topology: Topology, node: ReachedNode, upstream: string): boolean {
  const { streaming } = topology.edges.get(node.name) ?? {};
  return streaming === true || hasPlaceOn(topology, upstream, node);
}

/** Each sibling goes to the candidate, but one that streams from another sibling stays below it, unless that is torn. */
export function movesOf(
  topology: Topology,
  siblings: readonly ReachedNode[],
  end: { readonly candidate: string; readonly torn: ReadonlySet<string> },
): readonly Move[] {
  const names = new Set(siblings.map((node) => node.name));
  return siblings.map((node) => {
    const upstream = followedBy(topology, node);
    const stays =
      upstream !== null &&
      names.has(upstream) &&
      mayStream(topology, node, upstream) &&
      !end.torn.has(upstream) &&
      !upstreamChain(topology, upstream).includes(node.name);
    return { node, to: stays ? upstream : end.candidate, torn: end.torn.has(node.name) };
  });
}

export function isHeldUp({ node }: Move): boolean {
  return node.replay !== "running";
}

/** One stage per upstream, of those that can be led there as they are. */
export function repointStages(
  topology: Topology,
  moves: readonly Move[],
  words: { readonly until: RepointStep["until"]; readonly reason: (to: string) => string },
): readonly Stage[] {
  const { until, reason } = words;
  // Held-up replay keeps a node from following for as long as it lasts: it is told, and reported.
  const able = moves.filter((move) => !move.torn && (until === "set" || !isHeldUp(move)));
  return [...new Set(able.map(({ to }) => to))].flatMap((to) =>
    stage(
      reason(to),
      able
        .filter((move) => move.to === to)
        .map(({ node }) =>
          planned(topology, { verb: "repoint", node: node.name, to, until }, { required: false }),
        ),
    ),
  );
}

/** A stop and a start would end a pause, so who is torn and held up is only told of. */
export function healStages(topology: Topology, moves: readonly Move[]): readonly Stage[] {
  const torn = moves.filter((move) => move.torn && !isHeldUp(move));
  const steps = torn.map(({ node, to }) =>
    planned(topology, { verb: "heal", node: node.name, to }, { required: false }),
  );
  return stage("cut off the torn ends of WAL that keep them from following", steps);
}

/** What the operator should know of them before saying yes. */
export function findingsOn(topology: Topology, moves: readonly Move[]): readonly Finding[] {
  return [
    ...moves.filter((move) => move.torn).map(({ node, to }) => tellOfTorn(topology, node, to)),
    ...moves.filter(isHeldUp).map(heldUp),
  ];
}

function heldUp({ node, to, torn }: Move): Finding {
  const then = torn ? "it is left as it is" : `it follows ${to} once it has replayed`;
  return problem("replay-held-up", node.name, {
    message: `replay on ${node.name} is ${node.replay}: ${then}`,
    hint: `then run \`remaster ${torn ? "heal" : "repoint"} ${node.name} --to ${to}\``,
  });
}
