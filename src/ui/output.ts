// A report to the two streams: stdout is data, stderr is talk. One word with --quiet, one JSON value with --json (which
// wins over --quiet), text for people otherwise; what went wrong is said on stderr.

import type { Report } from "../plan/report.ts";
import { reportJson } from "./json.ts";
import type { Look } from "./look.ts";

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly stdout: Look;
  readonly stderr: Look;
}

export interface RenderedOutput {
  readonly stdout: string;
  readonly stderr: string;
}

export function renderOutput(report: Report, options: OutputOptions): RenderedOutput {
  if (options.json) return { stdout: `${JSON.stringify(reportJson(report))}\n`, stderr: "" };
  if (report.outcome !== "done" && report.outcome !== "no") {
    const hint = report.hint === undefined ? "" : `hint: ${report.hint}\n`;
    return { stdout: "", stderr: `remaster: ${report.summary}\n${hint}` };
  }
  if (report.text !== undefined) {
    return { stdout: report.text.map((line) => `${line}\n`).join(""), stderr: "" };
  }
  const text = options.quiet ? report.word : report.summary;
  return { stdout: text === null || text === "" ? "" : `${text}\n`, stderr: "" };
}
