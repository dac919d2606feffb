// The servers of one run: its topology file, its sessions, and the carrying out of its plan, each loaded when first
// asked for. What is loaded here is what a verb that looks or changes costs at its start.

import { homedir } from "node:os";
import { join } from "node:path";
import type { Context } from "../commands/context.ts";
import { exitTable } from "../errors.ts";
import type { Journal } from "../execute/journal.ts";
import type { ProgressEvent } from "../execute/run.ts";
import type { Report } from "../plan/report.ts";
import type { ClusterLock } from "../postgres/cluster-lock.ts";
import type { Poolers } from "../postgres/poolers.ts";
import type { Sessions } from "../postgres/sessions.ts";
import type { ClusterConfig } from "../topology/node.ts";
import type { Deadline } from "./deadline.ts";
import { createLock, type LockWish } from "./lock.ts";
import type { GlobalOptions } from "./program.ts";
import { createRecollection } from "./recollection.ts";
import { withStopped } from "./stopped.ts";
import type { Edge } from "./run.ts";

/** How long a node may take to answer a look, milliseconds; connect_timeout may say less. */
const lookMs = 3000;

export interface ServersWish {
  readonly options: GlobalOptions;
  /** The command line, for the journal. */
  readonly argv: readonly string[];
  readonly edge: Edge;
  readonly deadline: Deadline;
  /** Null for a verb that changes nothing. */
  readonly lock: LockWish | null;
  say(line: string): void;
  progress(event: ProgressEvent): void;
}

export interface Servers
  extends Pick<
    Context,
    | "cluster"
    | "observe"
    | "survey"
    | "findRival"
    | "writtenPast"
    | "former"
    | "observePoolers"
    | "lastSeen"
    | "lock"
    | "runLocked"
    | "execute"
    | "runFailureHook"
  > {
  /** What the verb reports in the end: the journal's last line, where one is kept. */
  readonly conclude: (report: Report) => void;
  /** Keeps no journal of the run. Never throws. */
  readonly forget: () => Promise<void>;
  /** Ends all sessions. Never throws. */
  close(): Promise<void>;
}

export function journalDirectory(env: Edge["env"]): string {
  const state = env["XDG_STATE_HOME"] ?? "";
  return join(state === "" ? join(env["HOME"] ?? homedir(), ".local", "state") : state, "remaster");
}

export function createServers(wish: ServersWish): Servers {
  const { edge, deadline } = wish;
  let config: Promise<ClusterConfig> | null = null;
  let sessions: Sessions | null = null;
  let poolers: Poolers | null = null;
  let journal: Journal | null = null;
  let locking: { readonly lock: ClusterLock; readonly token: string } | null = null;

  const cluster = (): Promise<ClusterConfig> => {
    config ??= loadConfig(wish);
    return config;
  };
  const openSessions = async (): Promise<Sessions> => {
    // The driver loads while the file is read.
    const [{ Sessions: Open }, loaded] = await Promise.all([
      import("../postgres/sessions.ts"),
      cluster(),
    ]);
    if (wish.lock !== null) locking ??= await createLock(loaded, wish.lock, edge.env);
    const lock = locking?.lock ?? null;
    sessions ??= new Open({ config: loaded, timeoutMs: lookMs, now: () => edge.now(), lock });
    return sessions;
  };
  const openPoolers = async (): Promise<Poolers> => {
    const [{ Poolers: Open }, { poolers: configs = [] }] = await Promise.all([
      import("../postgres/poolers.ts"),
      cluster(),
    ]);
    poolers ??= new Open(configs, lookMs);
    return poolers;
  };
  const recollection = createRecollection({
    directory: journalDirectory(edge.env),
    cluster,
    pid: process.pid,
    onFailure: (reason) => {
      wish.say(`what is seen of the cluster is not kept for later: ${reason}`);
    },
  });
  return {
    cluster,
    observe: async (names) => {
      const open = await openSessions();
      // Once something was changed, an interrupt must not keep the report from saying what holds.
      const looked = await open.observe(names ?? null, edge.state.changing ? null : edge.interrupt);
      const seen = await withStopped(looked, await cluster());
      if (names === undefined) recollection.add(seen);
      return seen;
    },
    survey: async (node, spare) => {
      const [open, { surveyWriters }] = await Promise.all([
        openSessions(),
        import("../postgres/writers.ts"),
      ]);
      return surveyWriters(node, await open.session(node), spare);
    },
    findRival: async (standbys) => {
      const [open, { findRival }] = await Promise.all([
        openSessions(),
        import("../execute/rival.ts"),
      ]);
      return findRival(standbys, open);
    },
    writtenPast: async (seen, from) => {
      const [{ findForeignWrites }, { segmentSizeOf }, { nodes }] = await Promise.all([
        import("../postgres/watch.ts"),
        import("../topology/settings.ts"),
        cluster(),
      ]);
      const { name, received } = seen;
      const node = nodes.find((each) => each.name === name);
      if (node === undefined || received === null) throw new Error(`${name} shows no position`);
      const segmentSize = segmentSizeOf(seen);
      const timeoutMs = Math.min(lookMs, deadline.remainingMs());
      return findForeignWrites(node.conninfo, {
        from,
        until: received.lsn,
        timeoutMs,
        segmentSize,
      });
    },
    former: async (name, to) => {
      const [open, { examineFormer }, { createControl }, { nodes }] = await Promise.all([
        openSessions(),
        import("../execute/former.ts"),
        import("../host/control.ts"),
        cluster(),
      ]);
      const node = nodes.find((each) => each.name === name);
      const control = node?.control == null ? null : createControl(node.control);
      if (node === undefined || control === null) return null;
      return examineFormer({ node, control, to, session: await open.session(to.name) });
    },
    observePoolers: async () => {
      if ((await cluster()).poolers === undefined) return [];
      const open = await openPoolers();
      return open.observe(edge.state.changing ? null : edge.interrupt);
    },
    lastSeen: () => recollection.recall(),
    lock: async () => {
      const open = await openSessions();
      if (locking === null) throw new Error("the verb takes no lock");
      return locking.lock.take((name) => open.session(name), {
        timeoutMs: deadline.remainingMs(),
        signal: deadline.signal,
      });
    },
    runLocked: async (command) => {
      if (locking?.lock.held !== true) throw new Error("the lock of the cluster is not held");
      const { runLocked } = await import("./locked.ts");
      const say = (line: string): void => {
        wish.say(line);
      };
      const run = { command, ...locking, edge, say };
      return deadline.hold(() => runLocked(run));
    },
    execute: async (plan) => {
      const [{ executePlan }, { openJournal }, { invocationOf }, open, loaded] = await Promise.all([
        import("../execute/execute.ts"),
        import("../execute/journal.ts"),
        import("./invocation.ts"),
        openSessions(),
        cluster(),
      ]);
      const lock = locking?.lock;
      if (lock?.held !== true)
        throw new Error("nothing is changed without the lock of the cluster");
      edge.state.changing = true;
      journal = openJournal({
        directory: journalDirectory(edge.env),
        cluster: loaded.name,
        verb: plan.verb,
        pid: process.pid,
        now: () => edge.now(),
        onFailure: (reason) => {
          wish.say(`no journal is kept of this run: ${reason}`);
        },
      });
      return executePlan(plan, {
        config: loaded,
        sessions: open,
        poolers: await openPoolers(),
        lock,
        journal,
        invocation: { verb: plan.verb, ...invocationOf(wish.argv, loaded.name) },
        accept: wish.options.acceptTimeline,
        interrupt: edge.interrupt,
        now: () => edge.now(),
        remainingMs: () => deadline.remainingMs(),
        progress: (event) => {
          wish.progress(event);
        },
      });
    },
    runFailureHook: async (step) => {
      if (journal === null) throw new Error("nothing was begun");
      const { runFailureHook } = await import("../execute/hooks.ts");
      const { acceptTimeline: accept } = wish.options;
      const desk = { config: await cluster(), journal, accept, now: () => edge.now() };
      return runFailureHook(step, desk);
    },
    conclude: ({ outcome, summary, exitStatus }) => {
      const exitCode = exitStatus ?? exitTable[outcome];
      journal?.write({ event: "reported", outcome, exitCode, summary });
    },
    forget: async () => {
      await journal?.discard();
      journal = null;
    },
    close: async () => {
      await Promise.all([
        recollection.keep(),
        sessions?.close(),
        poolers?.close(),
        journal?.close(),
      ]);
    },
  };

  async function loadConfig({ options: given }: ServersWish): Promise<ClusterConfig> {
    const { loadCluster } = await import("../config/load.ts");
    return loadCluster({
      ...(given.config === null ? {} : { config: given.config }),
      ...(given.cluster === null ? {} : { cluster: given.cluster }),
      ...(given.dsn === null ? {} : { dsn: given.dsn }),
      env: edge.env,
      cwd: process.cwd(),
      home: edge.env["HOME"] ?? homedir(),
    });
  }
}
