// A verb done again and again until the operator interrupts it: each pass begins with nothing of the one before but what was
// told of it. A pass that cannot be done is told once and tried again the next time: a server that is away for an hour
// ends nothing. What keeps the very first pass from being understood (usage, a wrong file) ends the watch at once.

import { ConfigError, RemasterError } from "../errors.ts";
import type { Report } from "../plan/report.ts";
import { pause } from "./deadline.ts";
import { causeOf, errorReport } from "./failure.ts";
import type { Edge } from "./run.ts";

export interface WatchOptions {
  readonly command: string;
  /** From the beginning of a pass to that of the next, milliseconds. */
  readonly everyMs: number;
  readonly json: boolean;
  readonly edge: Edge;
  /** Runs one pass, with servers of its own, on that edge; `failed` makes a report of what it threw, or throws it again. */
  readonly pass: (edge: Edge, failed: (thrown: unknown) => Report) => Promise<Report>;
  readonly say: (line: string) => void;
}

/** Between two passes others get the lock of the cluster, however long a pass takes. Milliseconds. */
const restMs = 1_000;

/** A report is told in so many lines at most: the rest is to be asked for. */
const mostLines = 20;

export async function watch(options: WatchOptions): Promise<Report> {
  const { edge, everyMs } = options;
  const began = edge.now();
  const isOver = (): boolean => edge.interrupt.aborted;
  let told: readonly string[] = [];
  for (let passes = 1; ; passes += 1) {
    const passBegan = edge.now();
    const report = await onePass(options, passes === 1 ? "first" : "later");
    // Cut short, it is the last word; what became of it is its exit status.
    if (isOver()) return report;
    edge.state.changing = false;
    await printJson(report, options);
    told = tellChanged(report, told, options);
    const left = passBegan + everyMs - edge.now();
    await pause(Math.max(left, Math.min(everyMs, restMs)), edge.interrupt);
    if (isOver()) return endOf(options, report, { passes, ms: edge.now() - began });
  }
}

/** Listens to the interrupt for as long as the pass runs, and leaves nothing behind with it. */
async function onePass(
  { command, edge, pass }: WatchOptions,
  at: "first" | "later",
): Promise<Report> {
  const ending = new AbortController();
  const end = (): void => {
    ending.abort(edge.interrupt.reason);
  };
  edge.interrupt.addEventListener("abort", end, { once: true });
  try {
    return await pass({ ...edge, interrupt: ending.signal }, (thrown) =>
      passReport(command, causeOf(thrown, ending.signal), at),
    );
  } finally {
    edge.interrupt.removeEventListener("abort", end);
  }
}

/** What stopped a pass. A file that is being edited is read again by the next one. */
function passReport(command: string, error: unknown, at: "first" | "later"): Report {
  if (!(error instanceof RemasterError)) throw error;
  const isWrong = error.outcome === "usage" || error.outcome === "config";
  if (isWrong && at === "first") throw error;
  return errorReport(command, isWrong ? new ConfigError(error.message, error.hint) : error);
}

/** What a person should know of a pass: how it stands, and what is not as it should be. */
function linesOf({ summary, findings, outcome }: Report): readonly string[] {
  const said = findings.filter(
    ({ severity, message }) => severity !== "note" && !summary.endsWith(message),
  );
  const head = outcome === "done" ? summary.replace(/^nothing to do: /, "") : summary;
  return [head, ...new Set(said.map(({ message }) => message))];
}

/** Tells what was not so in the pass before, each line with its date; gives what is so now. */
function tellChanged(
  report: Report,
  before: readonly string[],
  { edge, say }: WatchOptions,
): readonly string[] {
  const lines = linesOf(report);
  const at = new Date(edge.now()).toISOString().replace(/\.\d+Z$/, "Z");
  const fresh = lines.filter((line) => !before.includes(line));
  for (const line of fresh.slice(0, mostLines)) say(`${at} ${line}`);
  if (fresh.length > mostLines) say(`${at} and ${fresh.length - mostLines} findings more`);
  return lines;
}

/** One report on a line each, also on a terminal. */
async function printJson(report: Report, { json, edge }: WatchOptions): Promise<void> {
  if (!json) return;
  const { reportJson } = await import("../ui/json.ts");
  edge.stdout.write(`${JSON.stringify(reportJson(report))}\n`);
}

function endOf(
  { command }: WatchOptions,
  { cluster }: Report,
  { passes, ms }: { readonly passes: number; readonly ms: number },
): Report {
  const times = passes === 1 ? "1 pass" : `${passes} passes`;
  return {
    command,
    cluster,
    outcome: "done",
    findings: [],
    word: "",
    summary: `ended by a signal after ${times} in ${Math.round(ms / 1000)} s`,
  };
}
