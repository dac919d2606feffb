// Looks at servers: each gives an Observation and, where it let us in, the session that looked. Changes nothing and
// never throws for a node: what answered instead of it is a value with its reason. Timelines come from IDENTIFY_SYSTEM,
// a receiver or the name of a primary's WAL file, never from control data, which lags behind a promotion (13 to 18).

import { hostsOf } from "../conninfo/hosts.ts";
import type { ClusterConfig, NodeConfig, Observation, UnreachedNode } from "../topology/node.ts";
import type { TimelineId } from "../wal/timeline.ts";
import { findBlockers } from "./blockers.ts";
import { ConnectFailure } from "./connect-failure.ts";
import { connect } from "./connect.ts";
import { filesSql, observeSql, ownApplicationName } from "./observe-sql.ts";
import { flagOf, isConflictWait, readReceiver, textOf } from "./observed-row.ts";
import { type NodeRows, reachedNode, type WalIdentity } from "./reached-node.ts";
import { identifySystem, timelineHistory } from "./replication.ts";
import { ConnectionLost, QueryError, type Row, type Session } from "./session.ts";

export interface ObserveOptions {
  /** For each node on its own, milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** An open session to the node, looked through instead of a new one. */
  readonly session?: Session;
  /** Opens the session, where there is none yet; a plain one otherwise. */
  readonly open?: () => Promise<Session>;
}

/** What a look at a node gave. The session stays open and belongs to the caller. */
export interface NodeLook {
  readonly observation: Observation;
  /** Null where the node did not let us in, or stopped answering. */
  readonly session: Session | null;
}

/** All nodes at once, each under its own time limit, in the order of the topology file. */
export function observeCluster(
  config: ClusterConfig,
  options: ObserveOptions,
): Promise<readonly NodeLook[]> {
  return Promise.all(config.nodes.map((node) => observeNode(node, options)));
}

/** One node. Throws only where the connection string itself cannot be honoured, or the signal ended the run. */
export async function observeNode(config: NodeConfig, options: ObserveOptions): Promise<NodeLook> {
  const abandon = new AbortController();
  const signal =
    options.signal === undefined
      ? abandon.signal
      : AbortSignal.any([options.signal, abandon.signal]);
  const opening =
    options.session === undefined ? openSession(config, options) : Promise.resolve(options.session);
  const looking = opening.then((session) => readRow(session, options.timeoutMs));
  // A second, short connection is opened at the same time; without it less is known.
  const receivedTimeline = looking.then(
    (row) => readReceiver(row)?.receivedTimeline ?? null,
    () => null,
  );
  const identity = readWalIdentity(config, { ...options, signal, receivedTimeline });
  try {
    const rows = await readMore(await opening, await looking, options.timeoutMs);
    const observation = reachedNode(config, {
      ...rows,
      identity: await identity,
      observedAt: options.now(),
    });
    return { observation, session: await opening };
  } catch (error) {
    abandon.abort();
    await opening.then(
      (session) => session.close(),
      () => undefined,
    );
    await identity;
    options.signal?.throwIfAborted();
    return { observation: unreachedNode(config, error, options.now()), session: null };
  }
}

function openSession(config: NodeConfig, options: ObserveOptions): Promise<Session> {
  if (options.open !== undefined) return options.open();
  return connect(config.conninfo, {
    applicationName: ownApplicationName,
    timeoutMs: options.timeoutMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

async function readRow(session: Session, timeoutMs: number): Promise<Row> {
  const major = Math.floor(session.version / 10_000);
  const [row] = await session.query(observeSql(major), [], { timeoutMs });
  if (row === undefined) throw new Error("the observing statement gave no row");
  return row;
}

async function readMore(session: Session, row: Row, timeoutMs: number): Promise<NodeRows> {
  const sql = filesSql({
    listWal: flagOf(row, "mayListWal") === true,
    stat: flagOf(row, "mayStat") === true,
    settings: flagOf(row, "mayReadFiles") === true,
  });
  const [files] = sql === null ? [] : await session.query(sql, [], { timeoutMs });
  const isBlocked = isConflictWait(textOf(row, "startupWait") ?? "");
  const blockers = isBlocked ? ((await findBlockers(session, { timeoutMs })) ?? []) : [];
  // On a busy cluster replay yields for a moment to any statement, this look among them: nobody stands in its way for longer.
  const seen = isBlocked && blockers.length === 0 ? { ...row, startupWait: null } : row;
  return { version: session.version, row: seen, files: files ?? null, blockers };
}

/** The timeline and its history as the server's WAL sender knows them; null values where it would not say. Asked for once the
 * positions are known: a position with the timeline of a moment before would lie past a switch that came in between, on a line
 * that nobody has. With that of a moment later it lies before the switch, which both lines share. */
async function readWalIdentity(
  config: NodeConfig,
  options: ObserveOptions & {
    readonly signal: AbortSignal;
    /** Of the receiver that the other connection sees, with the positions. */
    readonly receivedTimeline: Promise<TimelineId | null>;
  },
): Promise<WalIdentity> {
  let session: Session | null = null;
  try {
    session = await connect(
      // The name by which a look of ours is told from a standby, whatever the connection string calls itself.
      { ...config.conninfo, application_name: ownApplicationName },
      {
        ...options,
        applicationName: ownApplicationName,
        replication: "database",
        greeting: "none",
      },
    );
    const receivedTimeline = await options.receivedTimeline;
    const { timeline } = await identifySystem(session);
    // A receiver may be on the next timeline already, and knows its history.
    const latest = Math.max(timeline, receivedTimeline ?? 0);
    const history = await timelineHistory(session, latest).catch(() => null);
    return { timeline, history, missing: null };
  } catch (error) {
    return { timeline: null, history: null, missing: missingForReplication(error) };
  } finally {
    // Nobody waits for the goodbye: the place of the WAL sender is free once the server reads it.
    void session?.close();
  }
}

/** Every major has its own words for a role without REPLICATION, and one SQLSTATE. */
function missingForReplication(error: unknown): string | null {
  if (!(error instanceof ConnectFailure)) return null;
  if (error.sqlstate === "42501") return "REPLICATION";
  return error.sqlstate === "53300" ? "a free WAL sender" : null;
}

function unreachedNode(config: NodeConfig, error: unknown, observedAt: number): UnreachedNode {
  const node = {
    name: config.name,
    promotable: config.promotable,
    priority: config.priority,
    addresses: [...hostsOf(config.conninfo), config.replication],
    hasControl: config.control !== null,
    canBeDemoted: (config.control?.pgCtl ?? null) !== null,
    observedAt,
    reachable: false,
  } as const;
  if (error instanceof ConnectFailure) {
    const { answer, speaksPostgres, sqlstate, reason } = error;
    return { ...node, answer, speaksPostgres, sqlstate, reason };
  }
  if (error instanceof QueryError) {
    const { sqlstate, message } = error;
    return { ...node, answer: "error", speaksPostgres: true, sqlstate, reason: message };
  }
  if (error instanceof ConnectionLost) {
    // It had let us in: whatever became of it, a server that speaks PostgreSQL was there a moment ago.
    return {
      ...node,
      answer: "silent",
      speaksPostgres: true,
      sqlstate: null,
      reason: error.message,
    };
  }
  throw error;
}
