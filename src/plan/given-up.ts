// What a failover gives up for certain: WAL that a node within reach has, and that nobody can bring to any standby that may
// lead, because it was recycled or its node takes no WAL senders. Only where the operator accepts that loss.

import { rankCandidates, type Ranking } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import { reachedNode, standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { compareHeld } from "../wal/position.ts";
import { problem } from "./request.ts";

/** Everyone ranked. A node that nobody can bring level may lead only where that loss is accepted, and no other can. */
export function rankFor(
  topology: Topology,
  to: string | null,
  request: { readonly acceptDataLoss: boolean },
): Ranking {
  const chosen = to === null ? {} : { to };
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

/** Nodes that have more than the candidate, where nobody can bring it there: that is given up, and they are left behind. */
export function findGivenUp(
  topology: Topology,
  ranking: Ranking,
): { readonly nodes: readonly string[]; readonly findings: readonly Finding[] } {
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
