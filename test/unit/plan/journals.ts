// Journals as the runs of them would have been written: one to its end, one of a run that was killed.

import { outlineOf } from "../../../src/plan/history.ts";
import type { Plan } from "../../../src/plan/plan.ts";

const beganAt = Date.UTC(2026, 7, 2, 3, 11, 12, 120);

interface Line {
  /** Milliseconds since the run began. */
  readonly at: number;
  readonly event: string;
  readonly [key: string]: unknown;
}

export function journalText(lines: readonly Line[]): string {
  return lines
    .map(({ at, ...entry }) => {
      const moment = new Date(beganAt + at).toISOString();
      return `${JSON.stringify({ at: moment, ...entry })}\n`;
    })
    .join("");
}

export function began(plan: Plan): Line {
  return {
    at: 0,
    event: "run-began",
    verb: plan.verb,
    cluster: "orders",
    operator: "ana@desk",
    version: "0.1.0",
    pid: 4711,
    commandLine: "remaster failover --primary-is-dead --yes",
    directory: "/srv",
    plan: outlineOf(plan),
  };
}

const step = (at: number, commandLine: string): Line => ({ at, event: "step-began", commandLine });

const ended = (at: number, commandLine: string, more: Readonly<Record<string, unknown>>): Line => ({
  at,
  event: "step-ended",
  commandLine,
  state: "done",
  ms: 0,
  detail: null,
  ...more,
});

export function finishedJournal(plan: Plan): string {
  return journalText([
    began(plan),
    step(1, "remaster quiesce n2"),
    step(1, "remaster quiesce n3"),
    ended(37, "remaster quiesce n3", { ms: 36 }),
    ended(41, "remaster quiesce n2", { ms: 40 }),
    step(42, "remaster exchange --to n2"),
    ended(50, "remaster exchange --to n2", { state: "already", ms: 8 }),
    step(51, "remaster promote n2"),
    ended(160, "remaster promote n2", { ms: 109, detail: "2@0/5000100" }),
    { at: 161, event: "run-ended", outcome: "done", timings: { total: 161 } },
    {
      at: 190,
      event: "reported",
      outcome: "incomplete",
      exitCode: 8,
      summary: "n2 leads at 2@0/5000100, followed by n3",
    },
  ]);
}

export function killedJournal(plan: Plan): string {
  const text = journalText([
    began(plan),
    step(1, "remaster quiesce n2"),
    ended(40, "remaster quiesce n2", { ms: 39 }),
    step(41, "remaster exchange --to n2"),
  ]);
  return `${text}{"at":"2026-08-02T03:11:1`;
}
