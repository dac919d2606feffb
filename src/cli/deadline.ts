// The one deadline of a run: a signal that ends with it or with an interrupt, and what is left of it. It stands still
// while the operator reads a question.

import { setTimeout as sleep } from "node:timers/promises";
import { UnreachableError } from "../errors.ts";
import { formatMs } from "../ui/quantity.ts";

export interface Deadline {
  /** Its reason is the error to report. */
  readonly signal: AbortSignal;
  /** Milliseconds, never negative. */
  remainingMs(): number;
  /** Runs with the clock stopped. */
  hold<T>(work: () => Promise<T>): Promise<T>;
  stop(): void;
}

export interface DeadlineOptions {
  readonly timeoutMs: number;
  readonly interrupt: AbortSignal;
  readonly now: () => number;
}

export function startDeadline(options: DeadlineOptions): Deadline {
  const { timeoutMs, interrupt, now } = options;
  const timeUp = new AbortController();
  const expire = (): void => {
    timeUp.abort(
      new UnreachableError(`time is up after ${formatMs(timeoutMs)}`, {
        hint: "give it longer with --timeout",
      }),
    );
  };
  let endsAt = now() + timeoutMs;
  let timer: NodeJS.Timeout | null = null;
  const remainingMs = (): number => Math.max(0, endsAt - now());
  const stop = (): void => {
    if (timer !== null) clearTimeout(timer);
  };
  const start = (): void => {
    timer = setTimeout(expire, remainingMs());
    timer.unref();
  };
  start();
  return {
    signal: AbortSignal.any([interrupt, timeUp.signal]),
    remainingMs,
    stop,
    hold: async (work) => {
      stop();
      const left = remainingMs();
      try {
        return await work();
      } finally {
        endsAt = now() + left;
        start();
      }
    },
  };
}

/** A poll's pause that the end of the run cuts short, silently: whoever polls looks at the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
