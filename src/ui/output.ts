// A report to the two streams: stdout is data, stderr is talk. One word with --quiet, one JSON value with --json (which
// wins over --quiet), text for people otherwise. What kept a verb from doing as asked is said on stderr, with --quiet too.

import type { Report } from "../plan/report.ts";
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

export async function renderOutput(
  report: Report,
  options: OutputOptions,
): Promise<RenderedOutput> {
  if (options.json) {
    const { reportJson } = await import("./json.ts");
    return {
      stdout: `${JSON.stringify(reportJson(report), null, options.stdout.isTTY ? 2 : 0)}\n`,
      stderr: "",
    };
  }
  const { isAnswer, renderBody, renderVerdict } = await import("./report.ts");
  const { paint } = await import("./colour.ts");
  const answered = isAnswer(report);
  const verdict = (look: Look): string => paint(renderVerdict(report, look), look);
  if (options.quiet) {
    return { stdout: quietText(report), stderr: answered ? "" : verdict(options.stderr) };
  }
  if (report.text !== undefined) {
    return { stdout: linesOf(report.text), stderr: answered ? "" : verdict(options.stderr) };
  }
  const view = { look: options.stdout, verbose: options.verbose };
  const body = paint(renderBody(report, view), options.stdout);
  if (!answered) {
    const isOneScreen = options.stdout.isTTY && options.stderr.isTTY;
    const gap = isOneScreen && body !== "" ? "\n" : "";
    return { stdout: body, stderr: `${gap}${verdict(options.stderr)}` };
  }
  return {
    stdout: [body, verdict(options.stdout)].filter((part) => part !== "").join("\n"),
    stderr: "",
  };
}

/** The word (an empty one is silence), or a verb's own lines where those are what was asked for; of runs their names. */
function quietText(report: Report): string {
  if (report.word !== null) return report.word === "" ? "" : `${report.word}\n`;
  if (report.runs !== undefined) return linesOf(report.runs.map(({ id }) => id));
  return report.text === undefined ? "" : linesOf(report.text);
}

function linesOf(text: readonly string[]): string {
  return text.map((each) => `${each}\n`).join("");
}
