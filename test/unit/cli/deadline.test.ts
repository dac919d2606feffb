import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { pause, startDeadline } from "../../../src/cli/deadline.ts";
import { DeclinedError, UnreachableError } from "../../../src/errors.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function start(timeoutMs: number, interrupt = new AbortController()) {
  const deadline = startDeadline({
    timeoutMs,
    interrupt: interrupt.signal,
    now: () => Date.now(),
  });
  return { deadline, interrupt };
}

describe("the deadline of a run", () => {
  test("ends the run when its time is up, and says so", () => {
    const { deadline } = start(1500);
    vi.advanceTimersByTime(1000);
    expect(deadline.remainingMs()).toBe(500);
    expect(deadline.signal.aborted).toBe(false);
    vi.advanceTimersByTime(500);
    expect(deadline.remainingMs()).toBe(0);
    expect(deadline.signal.reason).toBeInstanceOf(UnreachableError);
    expect(deadline.signal.reason).toMatchObject({
      message: "time is up after 1.5 s",
      hint: "give it longer with --timeout",
    });
  });

  test("ends with an interrupt, for its reason", () => {
    const { deadline, interrupt } = start(1500);
    const reason = new DeclinedError("interrupted by SIGINT");
    interrupt.abort(reason);
    expect(deadline.signal.reason).toBe(reason);
  });

  test("stands still while a question is read", async () => {
    const { deadline } = start(1000);
    vi.advanceTimersByTime(300);
    const answer = deadline.hold(async () => {
      await vi.advanceTimersByTimeAsync(60_000);
      return "yes";
    });
    expect(await answer).toBe("yes");
    expect(deadline.remainingMs()).toBe(700);
    vi.advanceTimersByTime(699);
    expect(deadline.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(deadline.signal.aborted).toBe(true);
  });

  test("goes on after a question that failed", async () => {
    const { deadline } = start(1000);
    await expect(deadline.hold(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    vi.advanceTimersByTime(1000);
    expect(deadline.signal.aborted).toBe(true);
  });

  test("lets go when stopped", () => {
    const { deadline } = start(1000);
    deadline.stop();
    vi.advanceTimersByTime(5000);
    expect(deadline.signal.aborted).toBe(false);
  });
});

test("a pause that the end of the run cuts short is no error", async () => {
  vi.useRealTimers();
  const run = new AbortController();
  const paused = pause(60_000, run.signal);
  run.abort(new Error("over"));
  await expect(paused).resolves.toBeUndefined();
});
