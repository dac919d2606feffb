// A report to the two streams: stdout is data, stderr is talk. One word with --quiet, one JSON value with --json (which
// wins over --quiet), text for people otherwise. What kept a verb from doing as asked is said on stderr, with --quiet too.

import type { Report } from "../plan/report.ts";
import type { Line } from "./line.ts";
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
  const { paint, stylesFor } = await import("./colour.ts");
  const painted = async (lines: readonly Line[], look: Look): Promise<string> =>
    paint(lines, await stylesFor(look));
  const answered = isAnswer(report);
  const verdict = (look: Look): Promise<string> => painted(renderVerdict(report, look), look);
  const lines = options.quiet ? quietLines(report) : report.text;
  if (lines !== undefined) {
    return { stdout: linesOf(lines), stderr: answered ? "" : await verdict(options.stderr) };
  }
  const view = { look: options.stdout, verbose: options.verbose };
  const body = await painted(renderBody(report, view), options.stdout);
  if (!answered) {
    const isOneScreen = options.stdout.isTTY && options.stderr.isTTY;
    const gap = isOneScreen && body !== "" ? "\n" : "";
    return { stdout: body, stderr: `${gap}${await verdict(options.stderr)}` };
  }
  return {
    stdout: [body, await verdict(options.stdout)].filter((part) => part !== "").join("\n"),
    stderr: "",
  };
}

/** The word (an empty one is silence), or a verb's own lines where those are what was asked for; of runs their names. */
function quietLines(report: Report): readonly string[] {
  if (report.word !== null) return report.word === "" ? [] : [report.word];
  if (report.runs !== undefined) return report.runs.map(({ id }) => id);
  return report.text ?? [];
}

function linesOf(text: readonly string[]): string {
  return text.map((each) => `${each}\n`).join("");
}
