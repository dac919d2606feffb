// What a journal says of a run, read line by line: a run that was killed has no end, its last line may be half of one, and
// another release may have written more than is known here. What cannot be read is counted, never guessed.

import type { Outcome } from "../errors.ts";
import { commandLinesOf } from "./command-line.ts";
import type { Plan } from "./plan.ts";
import type { StepState } from "./step.ts";

/** A plan as text, for whoever has no steps at hand any more. */
export interface PlanOutline {
  readonly verb: string;
  readonly pointOfNoReturn: number | null;
  readonly stages: readonly {
    readonly reason: string;
    readonly commandLine: string;
    readonly steps: readonly { readonly node: string; readonly required: boolean }[];
  }[];
}

export function outlineOf({ verb, pointOfNoReturn, stages }: Plan): PlanOutline {
  return {
    verb,
    pointOfNoReturn,
    stages: stages.map(({ reason, steps }) => ({
      reason,
      commandLine: commandLinesOf(steps.map(({ step }) => step)).join("; "),
      steps: steps.map(({ step, required }) => ({ node: step.node, required })),
    })),
  };
}

export type RunOutcome = Exclude<Outcome, "usage"> | "unfinished";

export interface RecordedStep {
  readonly commandLine: string;
  /** `unfinished`: it was begun, and how it ended is not recorded. */
  readonly state: StepState | "unfinished";
  /** Milliseconds since the run began. */
  readonly atMs: number;
  /** How long it took; null where its end is not recorded. */
  readonly ms: number | null;
  readonly detail: string | null;
  /** What the command of a hook wrote; null where it is none, or wrote nothing down. */
  readonly output: string | null;
}

export interface RunRecord {
  readonly id: string;
  readonly file: string;
  readonly verb: string;
  readonly cluster: string | null;
  /** How the verb reported, or else how the plan ended; `unfinished` where the journal ends before. */
  readonly outcome: RunOutcome;
  readonly summary: string | null;
  /** Milliseconds since 1970; null where no line can be read. */
  readonly beganAt: number | null;
  readonly endedAt: number | null;
  /** `user@host`. */
  readonly operator: string | null;
  readonly commandLine: string | null;
  /** Of remaster. */
  readonly version: string | null;
  readonly plan: PlanOutline | null;
  /** In the order they were begun, those that took others back as well. */
  readonly steps: readonly RecordedStep[];
  /** Lines that could not be read. */
  readonly unreadable: number;
}

type Entry = Readonly<Record<string, unknown>>;

export function parseRun(
  text: string,
  named: { readonly id: string; readonly file: string; readonly verb: string },
): RunRecord {
  const lines = text.split("\n").filter((line) => line !== "");
  const entries = lines.map(parseLine).filter((entry) => entry !== null);
  const began = entries.find((entry) => entry["event"] === "run-began") ?? {};
  const end = entries.findLast((entry) => isEnd(entry));
  const beganAt = timeOf(entries[0] ?? {});
  return {
    ...named,
    cluster: textOf(began, "cluster"),
    outcome: end === undefined ? "unfinished" : outcomeIn(end),
    summary: end === undefined ? null : textOf(end, "summary"),
    beganAt,
    endedAt: end === undefined ? null : timeOf(end),
    operator: textOf(began, "operator"),
    commandLine: textOf(began, "commandLine"),
    version: textOf(began, "version"),
    plan: outlineIn(began["plan"]),
    steps: stepsIn(entries, beganAt ?? 0),
    unreadable: lines.length - entries.length,
  };
}

function parseLine(line: string): Entry | null {
  try {
    const value: unknown = JSON.parse(line);
    return isEntry(value) && typeof value["event"] === "string" ? value : null;
  } catch {
    // Half a line, of a run that was killed or a disk that was full.
    return null;
  }
}

function isEntry(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEnd({ event }: Entry): boolean {
  return event === "run-ended" || event === "reported";
}

function textOf(entry: Entry, key: string): string | null {
  const value = entry[key];
  return typeof value === "string" ? value : null;
}

function timeOf(entry: Entry): number | null {
  const at = Date.parse(textOf(entry, "at") ?? "");
  return Number.isNaN(at) ? null : at;
}

const outcomes: readonly RunOutcome[] = [
  "done",
  "no",
  "config",
  "unreachable",
  "refused",
  "declined",
  "undone",
  "incomplete",
  "bug",
];

function outcomeIn(entry: Entry): RunOutcome {
  return outcomes.find((outcome) => outcome === entry["outcome"]) ?? "unfinished";
}

const states: readonly StepState[] = ["already", "done", "failed", "undone", "skipped"];

/** Steps of a stage are done side by side: an end belongs to the last beginning of the same command. */
function stepsIn(entries: readonly Entry[], beganAt: number): readonly RecordedStep[] {
  const steps: RecordedStep[] = [];
  for (const entry of entries) {
    const commandLine = textOf(entry, "commandLine");
    if (commandLine === null) continue;
    if (entry["event"] === "step-began") {
      const atMs = (timeOf(entry) ?? beganAt) - beganAt;
      steps.push({ commandLine, state: "unfinished", atMs, ms: null, detail: null, output: null });
      continue;
    }
    const at = steps.findLastIndex(
      (step) => step.commandLine === commandLine && step.state === "unfinished",
    );
    const step = steps[at];
    if (step !== undefined && entry["event"] === "step-output") {
      steps[at] = { ...step, output: textOf(entry, "output") };
    } else if (entry["event"] === "step-ended") {
      const state = states.find((each) => each === entry["state"]);
      if (step === undefined || state === undefined) continue;
      const ms = typeof entry["ms"] === "number" ? entry["ms"] : null;
      steps[at] = { ...step, state, ms, detail: textOf(entry, "detail") };
    }
  }
  return steps;
}

function outlineIn(value: unknown): PlanOutline | null {
  if (!isEntry(value) || !Array.isArray(value["stages"])) return null;
  const { pointOfNoReturn } = value;
  return {
    verb: textOf(value, "verb") ?? "",
    pointOfNoReturn: typeof pointOfNoReturn === "number" ? pointOfNoReturn : null,
    stages: value["stages"].filter(isEntry).map((stage) => ({
      reason: textOf(stage, "reason") ?? "",
      commandLine: textOf(stage, "commandLine") ?? "",
      steps: (Array.isArray(stage["steps"]) ? stage["steps"] : []).filter(isEntry).map((step) => ({
        node: textOf(step, "node") ?? "",
        required: step["required"] === true,
      })),
    })),
  };
}
