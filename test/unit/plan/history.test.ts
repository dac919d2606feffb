import { describe, expect, test } from "vitest";
import { parseRun } from "../../../src/plan/history.ts";
import { failoverPlan } from "../ui/reports.ts";
import { began, finishedJournal, journalText, killedJournal } from "./journals.ts";

const named = { id: "20260802T031112120Z-4711", file: "/state/x.jsonl", verb: "failover" };

describe("a journal", () => {
  test("of a run that came to its end", () => {
    const run = parseRun(finishedJournal(failoverPlan), named);
    expect(run).toMatchObject({
      ...named,
      cluster: "orders",
      // What the verb reported in the end counts, not what its plan ended with.
      outcome: "incomplete",
      summary: "n2 leads at 2@0/5000100, followed by n3",
      operator: "ana@desk",
      version: "0.1.0",
      commandLine: "remaster failover --primary-is-dead --yes",
      unreadable: 0,
    });
    expect((run.endedAt ?? 0) - (run.beganAt ?? 0)).toBe(190);
    expect(run.steps).toEqual([
      {
        commandLine: "remaster quiesce n2",
        state: "done",
        atMs: 1,
        ms: 40,
        detail: null,
        output: null,
      },
      {
        commandLine: "remaster quiesce n3",
        state: "done",
        atMs: 1,
        ms: 36,
        detail: null,
        output: null,
      },
      {
        commandLine: "remaster exchange --to n2",
        state: "already",
        atMs: 42,
        ms: 8,
        detail: null,
        output: null,
      },
      {
        commandLine: "remaster promote n2",
        state: "done",
        atMs: 51,
        ms: 109,
        detail: "2@0/5000100",
        output: null,
      },
    ]);
    expect(run.plan?.pointOfNoReturn).toBe(2);
    expect(run.plan?.stages[0]).toMatchObject({
      commandLine: "remaster quiesce n2 n3 n4",
      steps: [{ node: "n2", required: true }, { required: false }, { required: false }],
    });
  });

  test("of a run that was killed has no end, and half a line at its own", () => {
    const run = parseRun(killedJournal(failoverPlan), named);
    expect(run).toMatchObject({ outcome: "unfinished", summary: null, endedAt: null });
    expect(run.unreadable).toBe(1);
    expect(run.steps.map(({ state, ms }) => [state, ms])).toEqual([
      ["done", 39],
      ["unfinished", null],
    ]);
  });

  test("that was begun and synced no further", () => {
    expect(parseRun("", named)).toMatchObject({
      verb: "failover",
      cluster: null,
      outcome: "unfinished",
      beganAt: null,
      steps: [],
      unreadable: 0,
    });
    const only = parseRun(journalText([began(failoverPlan)]), named);
    expect(only).toMatchObject({ outcome: "unfinished", operator: "ana@desk" });
  });

  test("with lines of another make is read as far as it goes", () => {
    const text = [
      `null`,
      `[1]`,
      `{"at":"yesterday","event":"run-began","cluster":7,"plan":{"stages":"none"}}`,
      `{"event":"step-ended","commandLine":"remaster promote n2","state":"done"}`,
      `{"event":"step-began","commandLine":"remaster stop n1"}`,
      `{"event":"step-ended","commandLine":"remaster stop n1","state":"vanished"}`,
      `{"event":"later","something":"else"}`,
      `{"event":"run-ended","outcome":"glorious"}`,
    ].join("\n");
    expect(parseRun(text, named)).toEqual({
      ...named,
      cluster: null,
      outcome: "unfinished",
      summary: null,
      beganAt: null,
      endedAt: null,
      operator: null,
      commandLine: null,
      version: null,
      plan: null,
      steps: [
        {
          commandLine: "remaster stop n1",
          state: "unfinished",
          atMs: 0,
          ms: null,
          detail: null,
          output: null,
        },
      ],
      unreadable: 2,
    });
  });

  test("tells what the command of a hook wrote, a second time as well", () => {
    const commandLine = "remaster hook after_promote --for failover --to n2";
    const lines = (at: number, state: string, output: string) => [
      { at, event: "step-began", commandLine },
      { at: at + 5, event: "step-output", commandLine, output },
      { at: at + 6, event: "step-ended", commandLine, state, ms: 6, detail: null },
    ];
    const text = journalText([
      began(failoverPlan),
      ...lines(10, "failed", "first\n"),
      ...lines(20, "done", "second\n"),
      { at: 30, event: "step-output", commandLine, output: "nobody's" },
    ]);
    expect(parseRun(text, named).steps.map(({ state, output }) => [state, output])).toEqual([
      ["failed", "first\n"],
      ["done", "second\n"],
    ]);
  });
});
