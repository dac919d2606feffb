// Whether somebody else may lead, or be about to, where nobody here can look: asked before a primary that was closed, by a shutdown
// or a fence, takes writes again, and before another one is promoted in its place. Who is out of reach and was handed the
// lead may have taken it; of the others, one where nobody listens does not lead now.

import { findDemoted } from "../topology/demoted.ts";
import type { Finding } from "../topology/finding.ts";
import { ourNodes, reachedNode } from "../topology/structure.ts";
import { findNodeAt, type Topology } from "../topology/topology.ts";
import type { TimelineId } from "../wal/timeline.ts";
import { checkNotPending } from "./pending.ts";
import { problem } from "./request.ts";

/** What a closed primary wrote last on; null where that is not known. */
function timelineOf(topology: Topology, name: string): TimelineId | null {
  const node = topology.nodes.get(name);
  if (node === undefined) return null;
  return node.reachable ? node.timeline : (node.stopped?.shutDownAt?.timeline ?? null);
}

function handedTo(topology: Topology, name: string): string | null {
  const demoted = findDemoted(topology).find((each) => each.name === name);
  if (demoted !== undefined) return demoted.to;
  const { demoted: isMarked, repointing } = reachedNode(topology, name)?.marks ?? {};
  return isMarked === true && repointing != null ? findNodeAt(topology, repointing) : null;
}

/** Nothing may speak for another node that leads, or is about to. Proven by two looks one after the other alone (pending.ts). */
export function checkMayTakeWrites(topology: Topology, name: string): Finding[] {
  const leading = topology.primaries.filter(
    (other) => other !== name && reachedNode(topology, other)?.marks.fenced === false,
  );
  const found = leading.map((other) =>
    problem("another-leads", name, {
      message: `${other} leads: ${name} would be a second primary`,
      hint: `\`remaster rejoin ${name} --to ${other}\` makes it a standby of that one`,
    }),
  );
  if (found.length > 0) return found;
  return [
    ...checkNoRivals(topology, { name, handedTo: handedTo(topology, name) }),
    ...checkNotPending(topology).filter((finding) => finding.node !== name),
  ];
}

/** Of one that is to lead: who else may, on a timeline that it does not know or out of our sight. */
export function checkNoRivals(
  topology: Topology,
  who: {
    readonly name: string;
    /** Others that cannot lead. */
    readonly except?: readonly string[];
    readonly handedTo: string | null;
  },
): Finding[] {
  const { name, except = [] } = who;
  const own = timelineOf(topology, name);
  const ahead = ourNodes(topology).filter(
    (node) => node.name !== name && own !== null && node.timeline !== null && node.timeline > own,
  );
  const hidden = [...topology.nodes.values()].filter((node) => {
    if (node.reachable || node.name === name || except.includes(node.name)) return false;
    if (!node.promotable || node.stopped !== undefined) return false;
    return node.name === who.handedTo || node.answer !== "refused";
  });
  return [
    ...ahead.map((node) =>
      problem("another-may-lead", name, {
        message: `${node.name} is on timeline ${node.timeline ?? "?"} and ${name} on ${own ?? "?"}: somebody else was promoted`,
        hint: "find out who leads: it may be out of our reach",
      }),
    ),
    ...hidden.map((node) =>
      problem("another-may-lead", name, {
        message: `${node.name} cannot be reached and may lead: ${node.reachable ? "" : node.reason}`,
        hint: `make sure that ${node.name} is stopped, or see what it is from where it can be reached`,
      }),
    ),
  ];
}
