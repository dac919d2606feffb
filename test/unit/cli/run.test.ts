// One invocation with streams of its own: what reaches which stream, and the status, whatever a verb does.

import { PassThrough } from "node:stream";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  answerSignal,
  crashed,
  newRunState,
  stoppedAtOnce,
  unwritable,
} from "../../../src/cli/ending.ts";
import { type Edge, runProgram } from "../../../src/cli/run.ts";
import { status } from "../../../src/commands/status.ts";
import {
  ConfigError,
  DeclinedError,
  type RemasterError,
  UnreachableError,
  UsageError,
} from "../../../src/errors.ts";
import { reports } from "../ui/reports.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

function edgeFor(interrupt = new AbortController()) {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    isTTY: false,
    columns: 80,
    stream: new PassThrough(),
    write: (text: string) => {
      written[name] += text;
    },
  });
  const edge: Edge = {
    env: {},
    stdinIsTTY: false,
    stdin: () => new PassThrough(),
    stdout: output("stdout"),
    stderr: output("stderr"),
    interrupt: interrupt.signal,
    state: newRunState(),
    now: () => 0,
  };
  return { edge, written, interrupt };
}

/** Runs `remaster status` with another body. */
async function withRun(run: typeof status.run, words: readonly string[] = []) {
  vi.spyOn(status, "run").mockImplementation(run);
  const { edge, written } = edgeFor();
  const exitCode = await runProgram(["status", ...words], edge);
  return { exitCode, ...written, state: edge.state };
}

describe("what a verb returns", () => {
  test("a report becomes text and its status", async () => {
    const { exitCode, stdout, stderr } = await withRun(() =>
      Promise.resolve(reports.troubledStatus),
    );
    expect(exitCode).toBe(1);
    expect(stdout).toContain("n2  standby");
    expect(stderr).toBe("");
  });

  test("or JSON", async () => {
    const { exitCode, stdout } = await withRun(() => Promise.resolve(reports.status), ["--json"]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "done", exitCode: 0 });
  });
});

describe("what a verb throws", () => {
  const stopped: readonly (readonly [RemasterError, number, string])[] = [
    [new ConfigError("no file", "write one"), 3, "config"],
    [new UnreachableError("nobody there", { hint: "start it" }), 4, "unreachable"],
    [new DeclinedError("no"), 6, "declined"],
  ];
  test.each(stopped)("%s", async (error, code, outcome) => {
    const text = await withRun(() => Promise.reject(error));
    expect(text).toMatchObject({ exitCode: code, stdout: "" });
    const hint = error.hint === undefined ? "" : `hint: ${error.hint}\n`;
    expect(text.stderr).toBe(`remaster: ${error.message}\n${hint}`);
    const json = await withRun(() => Promise.reject(error), ["--json"]);
    expect(json).toMatchObject({ exitCode: code, stderr: "" });
    expect(JSON.parse(json.stdout)).toMatchObject({ outcome, summary: error.message });
  });

  test("a usage error that only the verb could see: status 2, and no JSON", async () => {
    const error = new UsageError("no such node", "did you mean n1?");
    const run = await withRun(() => Promise.reject(error), ["--json"]);
    expect(run).toMatchObject({ exitCode: 2, stdout: "" });
    expect(run.stderr).toBe("remaster: no such node\nhint: did you mean n1?\n");
  });

  test("anything else is a bug, said on stderr and in the report", async () => {
    const broken = (): never => {
      throw new TypeError("password=hunter2 is not iterable");
    };
    const run = await withRun(broken, ["--json"]);
    expect(run.exitCode).toBe(70);
    expect(JSON.parse(run.stdout)).toMatchObject({ outcome: "bug", exitCode: 70 });
    expect(run.stderr).toContain("TypeError");
    expect(run.stdout + run.stderr).not.toContain("hunter2");
  });

  test("an abort after an interrupt is the interrupt", async () => {
    const { edge, written, interrupt } = edgeFor();
    vi.spyOn(status, "run").mockImplementation((_, context) => {
      interrupt.abort(new DeclinedError("interrupted by SIGTERM"));
      context.signal.throwIfAborted();
      return Promise.resolve(reports.status);
    });
    expect(await runProgram(["status"], edge)).toBe(6);
    expect(written.stderr).toBe("remaster: interrupted by SIGTERM\n");
  });
});

describe("signals", () => {
  const next = ["remaster failover --to n2", "remaster undo"];
  const changing = { ...newRunState(), verb: "failover", json: true, changing: true, next };

  test("before the first change the second one ends the run", () => {
    const state = { ...newRunState(), verb: "failover" };
    expect(answerSignal(1, "SIGINT", state)).toEqual({ kind: "stop", line: null });
    expect(answerSignal(2, "SIGINT", state)).toEqual({ kind: "at-once" });
    expect(stoppedAtOnce(state)).toMatchObject({ exitCode: 6, stdout: "" });
  });

  test("while a plan is carried out the second one only says that it is ending", () => {
    expect(answerSignal(1, "SIGTERM", changing)).toMatchObject({
      kind: "stop",
      line: "SIGTERM: stopping at the next safe place",
    });
    expect(answerSignal(2, "SIGTERM", changing).kind).toBe("patience");
    expect(answerSignal(3, "SIGTERM", changing)).toEqual({ kind: "at-once" });
  });

  test("ended at once it says what to type next", () => {
    const stopped = stoppedAtOnce(changing);
    expect(stopped.exitCode).toBe(8);
    expect(stopped.stderr).toMatch(/\nnext: remaster failover --to n2\nnext: remaster undo\n$/);
    expect(JSON.parse(stopped.stdout)).toMatchObject({ outcome: "incomplete", exitCode: 8, next });
  });
});

test("a crash keeps the promise of --json", () => {
  const state = { ...newRunState(), verb: "status", json: true };
  const ending = crashed(state, new Error("password=hunter2"), ["status", "--json"]);
  expect(JSON.parse(ending.stdout)).toMatchObject({ command: "status", outcome: "bug" });
  expect(ending.exitCode).toBe(70);
  expect(ending.stdout + ending.stderr).not.toContain("hunter2");
  expect(crashed(newRunState(), new Error("x"), []).stdout).toBe("");
});

describe("a report that could not be written", () => {
  const full = new Error("ENOSPC: no space left on device");

  test.each([
    ["of a look", 0, false, 3],
    ["of a change that worked", 0, true, 0],
    ["of a change that did not", 8, true, 8],
    ["of a question answered no", 1, false, 1],
  ] as const)("%s", (_, code, changing, expected) => {
    const lost = unwritable(full, code, { ...newRunState(), changing });
    expect(lost.exitCode).toBe(expected);
    expect(lost.stderr).toContain("ENOSPC");
  });
});
