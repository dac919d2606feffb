// The ranking for people: everyone, best first, each with its reasons; never a bare winner.

import type { RankedNode, Ranking } from "../topology/candidates.ts";
import { formatPosition } from "../wal/position.ts";
import { type Line, span } from "./line.ts";
import type { Look } from "./look.ts";
import { formatBytes } from "./quantity.ts";
import { renderTable } from "./table.ts";

export function renderRanking(ranking: Ranking, look: Look): readonly Line[] {
  const rows = ranking.ranking.map((ranked) => ({
    cells: [
      span(ranked.node, "strong"),
      span(ranked.position === null ? "unknown" : formatPosition(ranked.position)),
      span(standing(ranked)),
      verdict(ranked, ranking),
    ],
    rest: span(ranked.reasons.join("; "), "faint"),
  }));
  return renderTable(rows, {
    columns: look.columns,
    header: ["NODE", "POSITION", "BEHIND", "MAY LEAD", "WHY"],
  });
}

function standing({ relation, bytesBehind }: RankedNode): string {
  switch (relation) {
    case "same":
      return "none";
    case "behind":
      return bytesBehind === null ? "yes" : formatBytes(bytesBehind);
    case "ahead":
    case "diverged":
    case "unknown":
      return relation;
  }
}

function verdict(ranked: RankedNode, { candidate }: Ranking) {
  if (ranked.node === candidate) return span("candidate", "good");
  return ranked.eligible ? span("yes") : span("no", "warning");
}
