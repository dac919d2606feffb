// The report for people: the body (tree, ranking, plan, steps) is data; the verdict (findings, what holds now, what to type
// next) is the part that must not be missed, and goes to stderr when the verb did not do what was asked.

import type { Report } from "../plan/report.ts";
import type { Finding, Severity } from "../topology/finding.ts";
import { renderKeptSlots } from "./kept-slots.ts";
import { renderGuarantee } from "./guarantee.ts";
import { renderRun, renderRuns } from "./history.ts";
import { foldLine, type Line, line, span, type Style } from "./line.ts";
import type { Look } from "./look.ts";
import { renderPlan } from "./plan.ts";
import { formatMs } from "./quantity.ts";
import { renderRanking } from "./ranking.ts";
import { renderSteps } from "./steps.ts";
import { renderTree } from "./tree.ts";

export interface ReportView {
  readonly look: Look;
  readonly verbose: boolean;
}

/** What the verb found or did. */
export function renderBody(report: Report, view: ReportView): readonly Line[] {
  const { look } = view;
  const { topology, comparison, plan, steps } = report;
  return paragraphs([
    topology !== undefined && showsTree(report, view)
      ? [line(span(topology.cluster, "strong")), ...renderTree(topology, look)]
      : [],
    comparison === undefined ? [] : renderRanking(comparison, look),
    report.slots === undefined ? [] : renderKeptSlots(report.slots, look),
    plan !== undefined && showsPlan(report) ? renderPlan(plan, look) : [],
    report.runs === undefined ? [] : renderRuns(report.runs, look),
    ...(report.run === undefined ? [] : renderRun(report.run, look)),
    steps === undefined ? [] : renderSteps(steps, view),
    steps === undefined || plan?.guarantee === undefined
      ? []
      : renderGuarantee(plan.guarantee, look),
    view.verbose && report.timings !== undefined ? timingLines(report.timings) : [],
  ]);
}

/** What that means. On stderr it begins with the program's name, as everything there that is not asked for. */
export function renderVerdict(report: Report, look: Look): readonly Line[] {
  const name = isAnswer(report) ? [] : [span("remaster: ")];
  return paragraphs([
    renderFindings(
      report.findings.filter((finding) => !isSaid(finding, report)),
      look,
    ),
    [
      ...(report.summary === "" ? [] : [[...name, span(report.summary, verdictStyle(report))]]),
      ...hintLines(report),
    ].flatMap((each) => foldLine(each, look.columns)),
    (report.next ?? []).map((command) => line(span("next: ", "faint"), command)),
  ]);
}

/** A lone finding that the summary quotes is not told twice; its hint follows the summary. */
function isSaid(finding: Finding, report: Report): boolean {
  return report.findings.length === 1 && report.summary.endsWith(finding.message);
}

function hintLines(report: Report): readonly Line[] {
  const said = report.findings.find((finding) => isSaid(finding, report));
  const hint = report.hint ?? said?.hint;
  return hint === undefined ? [] : [line("hint: ", hint)];
}

/** The tree is the answer of status, and worth a look once another node leads. */
function showsTree(report: Report, view: ReportView): boolean {
  if (view.verbose) return true;
  if (report.steps !== undefined) {
    return report.steps.some(({ step, state }) => step.verb === "promote" && state === "done");
  }
  const isLook = isAnswer(report) || report.outcome === "unreachable";
  const hasOwn = report.comparison !== undefined || report.slots !== undefined;
  return report.plan === undefined && !hasOwn && isLook;
}

/** The verb did what it was asked, whatever the answer is. */
export function isAnswer(report: Report): boolean {
  return report.outcome === "done" || report.outcome === "no";
}

/** Until it is carried out; whoever declined has just seen it. */
function showsPlan(report: Report): boolean {
  return report.steps === undefined && report.outcome !== "declined";
}

function verdictStyle(report: Report): Style {
  switch (report.outcome) {
    case "done":
      return report.plan !== undefined && report.steps === undefined ? "plain" : "good";
    case "no":
      return "warning";
    case "declined":
      return "plain";
    case "config":
    case "unreachable":
    case "refused":
    case "undone":
    case "incomplete":
    case "bug":
      return "bad";
  }
}

const severityStyles: Readonly<Record<Severity, Style>> = {
  note: "faint",
  warning: "warning",
  problem: "bad",
};

export function renderFindings(findings: readonly Finding[], look: Look): readonly Line[] {
  return findings.flatMap(findingLines).flatMap((each) => foldLine(each, look.columns));
}

function findingLines(finding: Finding): readonly Line[] {
  const { severity, message, code, hint } = finding;
  return [
    line(
      span(`${severity}: `, severityStyles[severity]),
      `${message} `,
      span(`[${code}]`, "faint"),
    ),
    ...(hint === undefined ? [] : [line("hint: ", hint)]),
  ];
}

function timingLines(timings: Readonly<Record<string, number>>): readonly Line[] {
  return Object.entries(timings).map(([name, ms]) =>
    line(span("took: ", "faint"), `${name} ${formatMs(ms)}`),
  );
}

/** Groups of lines with an empty line between them. */
function paragraphs(groups: readonly (readonly Line[])[]): readonly Line[] {
  const empty: Line = [];
  return groups
    .filter((group) => group.length > 0)
    .flatMap((group, index) => (index === 0 ? group : [empty, ...group]));
}
