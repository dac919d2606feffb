// What came of each step, for people: its state, the command line that it is, how long it took, and why where it failed.

import { stepCommandLine } from "../plan/command-line.ts";
import type { StepResult } from "../plan/report.ts";
import type { StepState } from "../plan/step.ts";
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

export interface StepsView {
  readonly look: Look;
  readonly verbose: boolean;
}

export function renderSteps(steps: readonly StepResult[], view: StepsView): readonly Line[] {
  if (steps.length === 0) return [];
  const rows = steps.map((result) => ({
    cells: [
      span(result.state, stateStyle(result)),
      span(stepCommandLine(result.step).replace(/^remaster /, "")),
      span(result.state === "skipped" ? "" : formatMs(result.ms)),
    ],
    rest: span(showsDetail(result, view) ? (result.detail ?? "") : ""),
  }));
  return renderTable(rows, {
    columns: view.look.columns,
    header: ["STATE", "STEP", "TOOK", ""],
    right: [2],
  });
}

function stateStyle({ state, required }: StepResult): Style {
  return state === "failed" && !required ? "warning" : stateStyles[state];
}

/** What a step that went well left to be known is for --verbose, but for where the new primary begins. */
function showsDetail({ step, state }: StepResult, { verbose }: StepsView): boolean {
  return (
    verbose || ["promote", "fence"].includes(step.verb) || (state !== "done" && state !== "already")
  );
}
