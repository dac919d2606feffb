// Tables: columns as wide as their content, the last one folded into what the terminal leaves.

import { fold, type Line, type Span, span, textWidth, widthOf } from "./line.ts";

export interface Row {
  readonly cells: readonly Span[];
  /** Last column: folded when it is too long; continuation lines stand under it. */
  readonly rest: Span;
  /** What stands in the first column of continuation lines (a tree's guides). */
  readonly guide?: Span;
  /** Lines under the row, from the first column on: they take no part in the columns. */
  readonly notes?: readonly Span[];
}

export interface TableOptions {
  readonly columns: number;
  readonly header: readonly string[];
  /** Columns by index that are flush right. */
  readonly right?: readonly number[];
}

const gap = 2;
/** The last column is never squeezed below this; then lines are longer than the terminal and wrap by themselves. */
const narrowest = 24;

export function renderTable(rows: readonly Row[], options: TableOptions): readonly Line[] {
  const header = {
    cells: options.header.slice(0, -1).map((title) => span(title, "faint")),
    rest: span(options.header.at(-1) ?? "", "faint"),
  };
  const all = [header, ...rows];
  const widths = header.cells.map((_, column) =>
    Math.max(0, ...all.map(({ cells }) => textWidth(cells[column]?.text ?? ""))),
  );
  const left = widths.reduce((sum, width) => sum + (width === 0 ? 0 : width + gap), 0);
  return all.flatMap((row) =>
    rowLines(row, { columns: options.columns, widths, left, right: options.right ?? [] }),
  );
}

interface Measures {
  readonly columns: number;
  readonly widths: readonly number[];
  readonly left: number;
  readonly right: readonly number[];
}

function rowLines(row: Row, measures: Measures): readonly Line[] {
  const { columns, widths, left, right } = measures;
  const cells = widths.flatMap((width, column) => {
    if (width === 0) return [];
    const cell = row.cells[column] ?? span("");
    const padding = span(" ".repeat(width - textWidth(cell.text)));
    const filled = right.includes(column) ? [padding, cell] : [cell, padding];
    return [...filled, span(" ".repeat(gap))];
  });
  const [first = "", ...more] = fold(row.rest.text, Math.max(narrowest, columns - left));
  const guide = row.guide ?? span("");
  return [
    [...cells, { text: first, style: row.rest.style }],
    ...more.map((text) => [
      guide,
      span(" ".repeat(Math.max(0, left - widthOf([guide])))),
      { text, style: row.rest.style },
    ]),
    ...(row.notes ?? []).flatMap((note) => noteLines(note, guide, columns)),
  ];
}

function noteLines(note: Span, guide: Span, columns: number): readonly Line[] {
  const indent = span("  ");
  const room = columns - widthOf([guide, indent]);
  return fold(note.text, Math.max(narrowest, room)).map((text, index) => [
    guide,
    index === 0 ? span("") : indent,
    { text, style: note.style },
  ]);
}
