// The topology as a tree: every node once, below whoever feeds it, with what an operator looks for. Standbys of an
// upstream that is down stay below it; a cycle is opened at its first node.

import type { Observation } from "../topology/node.ts";
import { directDownstreamsOf, type Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import { type Lag, lagOf } from "./lag.ts";
import { type Line, type Span, span } from "./line.ts";
import type { Look } from "./look.ts";
import { formatBytes, formatMs } from "./quantity.ts";
import { slotNotes } from "./slots.ts";
import { stateOf } from "./state.ts";
import { type Row, renderTable } from "./table.ts";

interface Guides {
  readonly fork: string;
  readonly last: string;
  readonly through: string;
  readonly blank: string;
}

const utf8Guides: Guides = { fork: "├─ ", last: "└─ ", through: "│  ", blank: "   " };
const asciiGuides: Guides = { fork: "|- ", last: "`- ", through: "|  ", blank: "   " };

export function renderTree(topology: Topology, look: Look): readonly Line[] {
  const guides = look.utf8 ? utf8Guides : asciiGuides;
  const seen = new Set<string>();
  const rows = rootsOf(topology).flatMap((name) =>
    branchRows({ topology, name, guides, seen }, { own: "", below: "" }),
  );
  return renderTable(rows, {
    columns: look.columns,
    header: ["NODE", "ROLE", "POSITION", "LAG", "STATE"],
  });
}

/** Nodes with nobody above them, and the first node of every cycle. */
function rootsOf(topology: Topology): readonly string[] {
  const cycleHeads = new Set(topology.cycles.flatMap((cycle) => cycle.slice(0, 1)));
  const roots = [...topology.nodes.keys()].filter((name) => {
    const upstream = topology.edges.get(name)?.upstream ?? null;
    return upstream === null || upstream === name || cycleHeads.has(name);
  });
  const rank = (name: string): number => (topology.primaries.includes(name) ? 0 : 1);
  return roots.toSorted((a, b) => rank(a) - rank(b));
}

interface Branch {
  readonly topology: Topology;
  readonly name: string;
  readonly guides: Guides;
  /** Nodes already shown: a cycle ends at them. */
  readonly seen: Set<string>;
}

function branchRows(branch: Branch, indent: { own: string; below: string }): readonly Row[] {
  const { topology, name, guides, seen } = branch;
  const node = topology.nodes.get(name);
  if (node === undefined || seen.has(name)) return [];
  seen.add(name);
  const children = directDownstreamsOf(topology, name).filter((child) => !seen.has(child));
  const guide = span(indent.below + (children.length > 0 ? guides.through : guides.blank), "faint");
  return [
    { ...nodeRow(topology, node, { own: indent.own, guide }), notes: notesOf(node) },
    ...children.flatMap((child, index) => {
      const isLast = index === children.length - 1;
      return branchRows(
        { ...branch, name: child },
        {
          own: indent.below + (isLast ? guides.last : guides.fork),
          below: indent.below + (isLast ? guides.blank : guides.through),
        },
      );
    }),
  ];
}

function notesOf(node: Observation): readonly Span[] {
  return slotNotes(node).map(({ text, failing }) => span(text, failing ? "warning" : "faint"));
}

function nodeRow(
  topology: Topology,
  node: Observation,
  place: { readonly own: string; readonly guide: Span },
): Row {
  const label = span(`${place.own}${node.name}`, "strong");
  const state = stateOf(topology, node);
  const rest = span(state.words.join(", "), state.style);
  if (!node.reachable) {
    return { cells: [label, span("down", "bad"), span(""), span("")], rest, guide: place.guide };
  }
  const position = node.received === null ? "unknown" : formatPosition(node.received);
  const role = span(node.role, node.role === "primary" ? "good" : "plain");
  return {
    cells: [label, role, span(position), lagCell(lagOf(topology, node))],
    rest,
    guide: place.guide,
  };
}

function lagCell(lag: Lag | null): Span {
  if (lag === null) return span("");
  if (lag.diverged) return span("diverged", "bad");
  if (lag.bytes === null) return span("unknown", "warning");
  if (lag.bytes === 0n) return span("none", "good");
  const seconds = lag.seconds === null ? "" : `, ${formatMs(lag.seconds * 1000)}`;
  return span(`${formatBytes(lag.bytes)}${seconds}`);
}
