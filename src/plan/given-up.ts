// What a failover gives up for certain: WAL that a node within reach has, and that nobody can bring to any standby that may
// lead, because it was recycled or its node takes no WAL senders. Only where the operator accepts that loss.

import { rankCandidates, type Ranking, type SlotsKept } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import { findReference } from "../topology/lines.ts";
import type { ReachedNode } from "../topology/node.ts";
import { reachedNode, standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { compareHeld, formatPosition } from "../wal/position.ts";
import type { Guarantee } from "./guarantee.ts";
import { problem } from "./request.ts";

/** Everyone ranked. A node that nobody can bring level may lead only where that loss is accepted, and no other can. */
export function rankFor(
  topology: Topology,
  to: string | null,
  request: { readonly acceptDataLoss: boolean; readonly slotsKept?: SlotsKept },
): Ranking {
  const { slotsKept } = request;
  const chosen = {
    ...(to === null ? {} : { to }),
    ...(slotsKept === undefined ? {} : { slotsKept }),
  };
  const ranking = rankCandidates(topology, chosen);
  if (ranking.candidate !== null || !request.acceptDataLoss) return ranking;
  return rankCandidates(topology, { ...chosen, acceptLoss: true });
}

/** What to do where no standby may lead. */
export function hintWithoutCandidate(topology: Topology, to: string | null): string {
  const lossy = rankFor(topology, to, { acceptDataLoss: true });
  if (lossy.candidate === null || lossy.ahead === null) return "see `remaster compare-lsn`";
  return `see \`remaster compare-lsn\`; --accept-data-loss promotes ${lossy.candidate} and gives up what ${lossy.ahead} has beyond it`;
}

/** Refuses a node that left the line which the evidence speaks for: what those on that line hold would be lost with it, and
 * no exchange can bring it. Where nothing speaks for either, or the operator named the line, that has been decided before. */
export function checkLineKept(topology: Topology, node: ReachedNode): Finding[] {
  const standbys = standbysOf(topology).filter(({ received }) => received !== null);
  const best = findReference(standbys, topology.histories);
  if (best?.decided !== true || topology.accepted !== null || node.received === null) return [];
  const { relation, switchpoint } = compareHeld(node, best.node, topology.histories);
  if (relation !== "diverged") return [];
  const lost = standbys
    .filter((other) => compareHeld(node, other, topology.histories).relation === "diverged")
    .map(({ name }) => name);
  const at = switchpoint === null ? "" : ` after ${formatPosition(switchpoint)}`;
  return [
    problem("others-are-ahead", node.name, {
      message: `${node.name} left the line of ${best.node.name}${at}: what ${lost.join(", ")} ${lost.length === 1 ? "holds" : "hold"} beyond that would be lost`,
      hint: `take ${best.node.name}, or keep the line of ${node.name} all the same: --accept-timeline ${node.received.timeline}`,
    }),
  ];
}

export interface GivenUp {
  readonly nodes: readonly string[];
  readonly findings: readonly Finding[];
}

/** What can still be promised where WAL is given up that a node within reach has. */
export function lessGivenUp(guarantee: Guarantee, { nodes, findings }: GivenUp): Guarantee {
  const [first] = findings;
  if (first === undefined) return guarantee;
  const basis = `${first.message}; ${guarantee.basis}`;
  const unreached = [...new Set([...guarantee.unreached, ...nodes])];
  return { ...guarantee, kind: "unproven", basis, unreached, confirmers: null };
}

/** Nodes that have more than the candidate, where nobody can bring it there: that is given up, and they are left behind. */
export function findGivenUp(topology: Topology, ranking: Ranking): GivenUp {
  const candidate = ranking.candidate === null ? null : reachedNode(topology, ranking.candidate);
  const ranked = ranking.ranking.find(({ node }) => node === ranking.candidate);
  if (candidate === null || ranking.exchange !== null || ranked?.relation !== "behind") {
    return { nodes: [], findings: [] };
  }
  const ahead = standbysOf(topology).filter(
    (node) => compareHeld(node, candidate, topology.histories).relation === "ahead",
  );
  const nodes = ahead.map(({ name }) => name);
  const bytes = ranked.bytesBehind === null ? "WAL" : `${ranked.bytesBehind} bytes of WAL`;
  const message = `${bytes} that ${nodes.join(", ")} ${nodes.length === 1 ? "has" : "have"} and ${candidate.name} cannot get will be lost`;
  const hint = `${nodes.join(", ")} ${nodes.length === 1 ? "needs" : "need"} pg_rewind or a new base backup then`;
  return { nodes, findings: [problem("others-are-ahead", candidate.name, { message, hint })] };
}
