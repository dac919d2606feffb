// Looks at a rehearsal's nodes from outside, without remaster's own eyes: who takes writes, who streams from it on which
// timeline, which numbers a node has. A standby's received WAL counts as its own once it is replayed.

import { setTimeout as delay } from "node:timers/promises";
import type { Session } from "../postgres/session.ts";
import { readNumbers } from "./ledger.ts";
import { openSession } from "./operator.ts";
import { serverState } from "./server.ts";
import { type SandboxNode, type SandboxState, serverOf } from "./state.ts";

/** Runs one query on a node; null where the node does not let us in. */
async function look<T>(
  state: SandboxState,
  node: SandboxNode,
  read: (session: Session) => Promise<T>,
): Promise<T | null> {
  if ((await serverState(serverOf(state, node.name))) !== "up") return null;
  await using session = await openSession(state, node);
  return await read(session);
}

/** Every number that the node has, once it has replayed all it ever received. */
export async function numbersOf(
  state: SandboxState,
  node: SandboxNode,
): Promise<ReadonlySet<number>> {
  const numbers = await look(state, node, async (session) => {
    await untilReplayed(session);
    return readNumbers(session);
  });
  return numbers ?? new Set();
}

const stillMs = 300;
const replayDeadlineMs = 20_000;

/** Replay has reached what was received, or stands still before a record whose end never came. */
async function untilReplayed(session: Session): Promise<void> {
  const until = performance.now() + replayDeadlineMs;
  let last = "";
  let since = performance.now();
  for (;;) {
    const [row] = await session.query(
      `SELECT pg_last_wal_replay_lsn()::text AS replayed,
         pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() AS complete`,
    );
    const replayed = row?.["replayed"] ?? "";
    if (row?.["complete"] === "t") return;
    const now = performance.now();
    if (replayed !== last) since = now;
    last = replayed;
    if (now - since > stillMs) return;
    if (now > until) throw new Error("a standby does not come to the end of its WAL");
    await delay(5);
  }
}

export interface Survey {
  /** Names of the nodes that take writes. */
  readonly writable: readonly string[];
  /** Names of the standbys that stream on the newest primary's timeline. */
  readonly following: readonly string[];
  /** The timeline of the node that takes writes; null unless exactly one does. */
  readonly timeline: number | null;
}

/** Who leads and who follows, as the servers themselves say. */
export async function surveyNodes(state: SandboxState): Promise<Survey> {
  const seen = await Promise.all(
    state.nodes.map(async (node) => ({ name: node.name, row: await lookAtRole(state, node) })),
  );
  const writable = seen.filter(({ row }) => row?.["recovering"] === "f").map(({ name }) => name);
  const leader = writable.length === 1 ? seen.find(({ name }) => name === writable[0]) : undefined;
  const timeline = leader?.row?.["timeline"] ?? null;
  const following = seen
    .filter(
      ({ row }) => row?.["recovering"] === "t" && timeline !== null && row["timeline"] === timeline,
    )
    .map(({ name }) => name);
  return { writable, following, timeline: timeline === null ? null : Number(timeline) };
}

function lookAtRole(state: SandboxState, node: SandboxNode) {
  return look(state, node, async (session) => {
    const [row] = await session.query(
      `SELECT pg_is_in_recovery() AS recovering,
         CASE WHEN pg_is_in_recovery()
           THEN (SELECT received_tli::text FROM pg_stat_wal_receiver WHERE status = 'streaming')
           ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int::text
         END AS timeline`,
    );
    return row;
  });
}
