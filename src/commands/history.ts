// `remaster history`: the runs that changed something from this machine, as their journals tell.

import { UsageError } from "../errors.ts";
import type { RunRecord } from "../plan/history.ts";
import type { Report } from "../plan/report.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { count } from "./values.ts";

export const history: VerbDefinition = {
  name: "history",
  summary: "the runs that changed something, and what they did",
  description: [
    "Lists the runs that carried a plan out from this account, newest first: when, which verb, how it ended, on which cluster, for how long and by whom. With RUN, shows that one: its command line, its plan, and every step with the time it took, steps that took others back included.",
    "The journal is a record for people: lines of JSON in a directory that only its owner can read, without secrets. No verb needs it to go on. A run that was killed has no end in it, and is shown as unfinished; what it left is legible on the nodes, by `remaster status`.",
  ],
  arguments: [
    {
      name: "run",
      summary: "the run to show, by its name in the list; the beginning of it will do",
      kind: "text",
      required: false,
      variadic: false,
    },
  ],
  options: [
    {
      flag: "limit",
      type: "value",
      placeholder: "COUNT",
      kind: "count",
      default: "20",
      summary: "how many runs to list; 0 for all",
    },
  ],
  examples: [
    { command: "remaster history", explanation: "the last twenty runs" },
    {
      command: "remaster history --cluster orders --limit 0",
      explanation: "every run on one cluster",
    },
    { command: "remaster history 20260802T0311", explanation: "one of them, step by step" },
  ],
  changes: false,
  standalone: true,
  outcomes: { done: "the runs are listed, or the run is shown; none at all is no failure" },
  run: runHistory,
};

async function runHistory(input: Input, context: Context): Promise<Report> {
  const [wanted] = argumentValues(input, "run");
  if (wanted !== undefined) return oneRun(wanted, context);
  const limit = count(optionText(input, "limit") ?? "") ?? 0;
  const { runs, more, directory } = await context.history({
    limit: limit === 0 ? null : limit,
    prefix: "",
  });
  return {
    command: "history",
    cluster: null,
    outcome: "done",
    findings: [],
    runs,
    word: null,
    summary: listSummary(runs.length, { more, directory }),
  };
}

function listSummary(
  shown: number,
  { more, directory }: { readonly more: boolean; readonly directory: string },
): string {
  if (shown === 0) return `no run is recorded in ${directory}`;
  return more ? "there are more: --limit 0 lists all" : "";
}

async function oneRun(prefix: string, context: Context): Promise<Report> {
  const { runs, directory } = await context.history({ limit: 2, prefix });
  const [run, another] = runs;
  if (run === undefined) {
    throw new UsageError(`no run ${prefix} is recorded in ${directory}`, "see remaster history");
  }
  if (another !== undefined && run.id !== prefix) {
    throw new UsageError(
      `more than one run begins with ${prefix}: ${another.id}, ${run.id}`,
      "write more of its name",
    );
  }
  return {
    command: "history",
    cluster: run.cluster,
    outcome: "done",
    findings: [],
    run,
    word: run.outcome,
    summary: summaryOf(run),
  };
}

function summaryOf(run: RunRecord): string {
  if (run.outcome !== "unfinished") return run.summary ?? run.outcome;
  return "unfinished: the journal ends before the run did; what it left is legible on the nodes, see `remaster status`";
}
