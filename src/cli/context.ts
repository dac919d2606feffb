// Wires what a verb may use of the world, each part behind its own import: a verb loads what it asks for and no more.
// The deadline of the run starts here and is handed down as what is left of it.

import { dirname, join, resolve } from "node:path";
import type { Context } from "../commands/context.ts";
import { pause, startDeadline } from "./deadline.ts";
import { type LockWish, lockVariable } from "./lock.ts";
import { createOperator } from "./operator.ts";
import type { GlobalOptions } from "./program.ts";
import { newRunState } from "./ending.ts";
import type { Report } from "../plan/report.ts";
import type { Edge } from "./run.ts";
import { createServers, journalDirectory } from "./servers.ts";
import type { Typed } from "./typed.ts";

export interface Wiring {
  readonly context: Context;
  /** Told what the verb reports, for the journal. */
  readonly conclude: (report: Report) => void;
  /** Keeps no journal of the run. Never throws. */
  readonly forget: () => Promise<void>;
  /** Lets go of connections and timers. Never throws. */
  readonly close: () => Promise<void>;
}

export function createContext(wanted: {
  readonly options: GlobalOptions;
  readonly typed: Typed;
  /** The command line, behind the program's name. */
  readonly argv: readonly string[];
  /** The verb under whose name the lock of the cluster is taken; null for one that changes nothing. */
  readonly locksFor: string | null;
  readonly edge: Edge;
}): Wiring {
  const { options, typed, argv, edge } = wanted;
  const deadline = startDeadline({
    timeoutMs: options.timeoutMs,
    interrupt: edge.interrupt,
    now: () => edge.now(),
  });
  const { progress, prompt, follow } = createOperator({ options, edge, deadline });
  const say = (line: string): void => {
    progress.say(line);
  };
  edge.state.say = (line) => {
    if (options.quiet) edge.stderr.write(`${line}\n`);
    else say(line);
  };
  const servers = createServers({
    options,
    argv,
    edge,
    deadline,
    lock: lockWish(wanted),
    say,
    progress: follow,
  });
  const context: Context = {
    options: {
      dryRun: options.dryRun,
      script: options.script,
      yes: options.yes,
      acceptTimeline: options.acceptTimeline,
      overrideManager: options.overrideManager,
      verbose: options.verbose,
    },
    signal: deadline.signal,
    now: () => edge.now(),
    remainingMs: () => deadline.remainingMs(),
    pause: (ms) => pause(ms, deadline.signal),
    prompt,
    say,
    cluster: servers.cluster,
    observe: async (names) => {
      progress.waiting("looking at the servers");
      try {
        return await servers.observe(names);
      } finally {
        progress.rest();
      }
    },
    survey: servers.survey,
    findRival: servers.findRival,
    writtenPast: servers.writtenPast,
    former: servers.former,
    observePoolers: servers.observePoolers,
    lastSeen: servers.lastSeen,
    lock: async () => {
      progress.waiting("taking the lock of the cluster");
      try {
        return await servers.lock();
      } finally {
        progress.rest();
      }
    },
    runLocked: servers.runLocked,
    execute: async (plan) => {
      try {
        return await servers.execute(plan);
      } finally {
        progress.rest();
      }
    },
    runFailureHook: async (step) => {
      progress.waiting(`running the hook ${step.hook}`);
      try {
        return await servers.runFailureHook(step);
      } finally {
        progress.rest();
      }
    },
    typed,
    history: async (runs) => {
      const { readHistory } = await import("./history.ts");
      const isNamed = [options.config, options.cluster, options.dsn].some((name) => name !== null);
      const cluster = isNamed ? (await servers.cluster()).name : null;
      return readHistory(journalDirectory(edge.env), { ...runs, cluster });
    },
    clusterWords: async () => {
      if (options.dsn !== null) return ["--dsn", options.dsn];
      const { file } = await servers.cluster();
      return file === null ? [] : ["--config", resolve(file)];
    },
    sandbox: async () => (await import("./sandbox.ts")).createSandboxApi(),
    withConfig: (file, run) => runOnConfig(wanted, file, run),
    watch: async (everyMs, pass) => {
      const { watch } = await import("./watch.ts");
      return watch({
        ...{ command: typed.words[0] ?? "", everyMs, json: options.json, edge, say },
        pass: (own, failed) =>
          runPass({ ...wanted, edge: own }, (context) => pass(context).catch(failed)),
      });
    },
    completionScript: async (shell) => {
      const { completionLines } = await import("./completion.ts");
      const { loadVerbs } = await import("./verbs.ts");
      return completionLines(shell, await loadVerbs());
    },
  };
  return {
    context,
    conclude: servers.conclude,
    forget: servers.forget,
    close: async () => {
      progress.rest();
      deadline.stop();
      await servers.close();
    },
  };
}

/** A dry run and a script change nothing, and stand in nobody's way. */
function lockWish({ options, locksFor }: Parameters<typeof createContext>[0]): LockWish | null {
  if (locksFor === null || options.dryRun || options.script) return null;
  const when = options.yes || locksFor === "lock" ? "opening" : "asked";
  return { verb: locksFor, when, rival: options.takeOver ? "end" : "refuse" };
}

/** The same run once more, with nothing of the one before. What goes on in it is not talked of, and one that went well leaves
 * no journal: there would be thousands. */
async function runPass(
  outer: Parameters<typeof createContext>[0],
  run: (context: Context) => Promise<Report>,
): Promise<Report> {
  const { context, conclude, forget, close } = createContext({
    ...outer,
    options: { ...outer.options, quiet: true },
  });
  try {
    const report = await run(context);
    conclude(report);
    if (report.outcome === "done") await forget();
    return report;
  } finally {
    await close();
  }
}

/** One run inside another, on another cluster: what it writes down stays beside that cluster's topology file. */
async function runOnConfig<T>(
  outer: Parameters<typeof createContext>[0],
  file: string,
  run: (context: Context) => Promise<T>,
): Promise<T> {
  const { context, close } = createContext({
    options: { ...outer.options, config: file, cluster: null, dsn: null, yes: true },
    typed: outer.typed,
    argv: outer.argv,
    locksFor: "rehearse",
    edge: {
      ...outer.edge,
      state: newRunState(),
      env: {
        ...outer.edge.env,
        [lockVariable]: undefined,
        XDG_STATE_HOME: join(dirname(file), "state"),
      },
    },
  });
  try {
    return await run(context);
  } finally {
    await close();
  }
}
