// Recorded runs for people: the list, and one run with its plan and every step in the order it was begun.

import type { RecordedStep, RunOutcome, RunRecord } from "../plan/history.ts";
import { fold, type Line, line, span, type Style } from "./line.ts";
import type { Look } from "./look.ts";
import { renderOutline } from "./plan.ts";
import { formatMs } from "./quantity.ts";
import { renderTable } from "./table.ts";

function styleOf(outcome: RunOutcome): Style {
  switch (outcome) {
    case "done":
      return "good";
    case "no":
    case "declined":
    case "undone":
    case "refused":
      return "warning";
    case "config":
    case "unreachable":
    case "incomplete":
    case "bug":
    case "unfinished":
      return "bad";
  }
}

/** To the second, in UTC: the names of the runs are made of it. */
function momentText(at: number | null): string {
  return at === null
    ? "unknown"
    : new Date(at).toISOString().replace("T", " ").replace(/\..*$/, "Z");
}

function tookText({ beganAt, endedAt }: RunRecord): string {
  return beganAt === null || endedAt === null ? "" : formatMs(endedAt - beganAt);
}

export function renderRuns(runs: readonly RunRecord[], look: Look): readonly Line[] {
  if (runs.length === 0) return [];
  const rows = runs.map((run) => ({
    cells: [
      span(momentText(run.beganAt)),
      span(run.verb),
      span(run.outcome, styleOf(run.outcome)),
      span(run.cluster ?? "unknown"),
      span(tookText(run)),
      span(run.operator ?? "unknown"),
    ],
    rest: span(run.id),
  }));
  const header = ["WHEN", "VERB", "OUTCOME", "CLUSTER", "TOOK", "WHO", "RUN"];
  return renderTable(rows, { columns: look.columns, header, right: [4] });
}

/** Groups of lines, to stand apart from each other. */
export function renderRun(run: RunRecord, look: Look): readonly (readonly Line[])[] {
  return [
    headLines(run, look),
    run.plan === null ? [] : renderOutline(run.plan, look),
    renderRecordedSteps(run.steps, look),
    ...run.steps.map(outputLines),
  ];
}

function headLines(run: RunRecord, look: Look): readonly Line[] {
  const facts: readonly (readonly [string, string])[] = [
    ["command", run.commandLine ?? "unknown"],
    ["began", `${momentText(run.beganAt)} by ${run.operator ?? "unknown"}`],
    ["took", tookText(run)],
    ["remaster", run.version ?? "unknown"],
    ["journal", run.file],
    ["unreadable", run.unreadable === 0 ? "" : linesText(run.unreadable)],
  ];
  return [
    line(span(`${run.verb} of ${run.cluster ?? "an unknown cluster"}: `, "strong"), {
      text: run.outcome,
      style: styleOf(run.outcome),
    }),
    ...facts
      .filter(([, value]) => value !== "")
      .flatMap(([name, value]) =>
        fold(value, look.columns - nameWidth).map((text, index) =>
          line(span((index === 0 ? name : "").padEnd(nameWidth), "faint"), text),
        ),
      ),
  ];
}

const nameWidth = 12;

function linesText(count: number): string {
  return count === 1 ? "1 line of the journal" : `${count} lines of the journal`;
}

/** What the operator's own command wrote, line by line. */
function outputLines({ commandLine, output }: RecordedStep): readonly Line[] {
  const text = (output ?? "").trimEnd();
  if (text === "") return [];
  return [
    line(span(`output of ${commandLine.replace(/^remaster /, "")}`, "strong")),
    ...text.split("\n").map((each) => line("  ", each)),
  ];
}

function renderRecordedSteps(steps: readonly RecordedStep[], look: Look): readonly Line[] {
  if (steps.length === 0) return [];
  const rows = steps.map(({ state, commandLine, atMs, ms, detail }) => ({
    cells: [
      span(`+${formatMs(atMs)}`),
      span(state, state === "failed" || state === "unfinished" ? "bad" : "plain"),
      span(commandLine.replace(/^remaster /, "")),
      span(ms === null ? "" : formatMs(ms)),
    ],
    rest: span(detail ?? ""),
  }));
  return renderTable(rows, {
    columns: look.columns,
    header: ["AT", "STATE", "STEP", "TOOK", ""],
    right: [0, 3],
  });
}
