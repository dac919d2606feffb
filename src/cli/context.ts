// Wires what a verb may use of the world, each part behind its own import: a verb loads what it asks for and no more.
// The deadline of the run starts here and is handed down as what is left of it.

import { setTimeout } from "node:timers/promises";
import type { Context } from "../commands/context.ts";
import { UnreachableError } from "../errors.ts";
import type { GlobalOptions } from "./program.ts";
import type { Edge } from "./run.ts";

export interface Wiring {
  readonly context: Context;
  /** Lets go of connections and timers. Never throws. */
  readonly close: () => Promise<void>;
}

export function createContext(wanted: {
  readonly options: GlobalOptions;
  readonly edge: Edge;
}): Wiring {
  const { options, edge } = wanted;
  const deadline = startDeadline(options, edge);
  const context: Context = {
    options: {
      dryRun: options.dryRun,
      script: options.script,
      yes: options.yes,
      verbose: options.verbose,
    },
    signal: deadline.signal,
    now: () => edge.now(),
    remainingMs: deadline.remainingMs,
    pause: (ms) => pause(ms, deadline.signal),
    prompt: null,
    say: (line) => {
      if (!options.quiet) edge.stderr.write(`${line}\n`);
    },
    cluster: () => Promise.reject(new Error("no loader yet")),
    observe: () => Promise.reject(new Error("no observer yet")),
    execute: () => Promise.reject(new Error("no executor yet")),
    completionScript: async (shell) => {
      const { completionLines } = await import("./completion.ts");
      const { loadVerbs } = await import("./verbs.ts");
      return completionLines(shell, await loadVerbs());
    },
  };
  return {
    context,
    close: async () => {
      deadline.stop();
      await Promise.resolve();
    },
  };
}

/** A wait that the end of the run cuts short, silently: whoever polls looks at the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

interface Deadline {
  readonly signal: AbortSignal;
  readonly remainingMs: () => number;
  readonly stop: () => void;
}

function startDeadline(options: GlobalOptions, edge: Edge): Deadline {
  const endsAt = edge.now() + options.timeoutMs;
  const timeUp = new AbortController();
  const timer = globalThis.setTimeout(() => {
    timeUp.abort(
      new UnreachableError(`time is up: not done within ${String(options.timeoutMs)} ms`, {
        hint: "give it longer with --timeout",
      }),
    );
  }, options.timeoutMs);
  timer.unref();
  return {
    signal: AbortSignal.any([edge.interrupt, timeUp.signal]),
    remainingMs: () => Math.max(0, endsAt - edge.now()),
    stop: () => {
      clearTimeout(timer);
    },
  };
}
