// What came of each step, for people: its state, the command line that it is, how long it took, and why where it failed.

import { stepCommandLine } from "../plan/command-line.ts";
import type { StepResult, StepState } from "../plan/report.ts";
import { type Line, span, type Style } from "./line.ts";
import type { Look } from "./look.ts";
import { formatMs } from "./quantity.ts";
import { renderTable } from "./table.ts";

const stateStyles: Readonly<Record<StepState, Style>> = {
  already: "faint",
  done: "good",
  failed: "bad",
  undone: "warning",
  skipped: "faint",
};

export function renderSteps(steps: readonly StepResult[], look: Look): readonly Line[] {
  if (steps.length === 0) return [];
  const rows = steps.map(({ step, state, ms, detail, required }) => ({
    cells: [
      span(state, state === "failed" && !required ? "warning" : stateStyles[state]),
      span(stepCommandLine(step).replace(/^remaster /, "")),
      span(state === "skipped" ? "" : formatMs(ms)),
    ],
    rest: span(detail ?? ""),
  }));
  return renderTable(rows, {
    columns: look.columns,
    header: ["STATE", "STEP", "TOOK", ""],
    right: [2],
  });
}
