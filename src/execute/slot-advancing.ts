// Advances a standby's copies of logical slots to what their consumers have confirmed, and never past that nor past replay: a
// consumer would miss what lies between. One that cannot be advanced holds up no other.

import { advanceCopy, type SlotPoint, slotPoints } from "../postgres/slot-copies.ts";
import type { Session } from "../postgres/session.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { formatLsn } from "../wal/lsn.ts";
import { NotDone } from "./performer.ts";
import type { KeepTask } from "./slot-keeper.ts";
import type { World } from "./world.ts";

/** One pass over one standby. */
export interface Pass {
  readonly task: KeepTask;
  readonly world: World;
  readonly primary: ReachedNode;
  readonly standby: ReachedNode;
  /** What went wrong, by slot name. */
  readonly problems: Map<string, string>;
}

export type SessionIn = (database: string) => Promise<Session>;

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function timelineOf({ primary }: Pass): number {
  if (primary.timeline === null) throw new NotDone(`the timeline of ${primary.name} is not known`);
  return primary.timeline;
}

/** Sessions by database, for as long as the work lasts. */
export async function withSessions<T>(
  node: string,
  world: World,
  work: (sessionIn: SessionIn) => Promise<T>,
): Promise<T> {
  const open = new Map<string, Session>();
  const sessionIn = async (database: string): Promise<Session> => {
    const session = open.get(database) ?? (await world.sessionIn(node, database));
    open.set(database, session);
    return session;
  };
  try {
    return await work(sessionIn);
  } finally {
    await Promise.all([...open.values()].map((session) => session.close()));
  }
}

/** Gives those that came up to their consumers. One whose standby has not replayed that far is no problem by itself. */
export async function advanceAll(slots: readonly Slot[], pass: Pass): Promise<readonly Slot[]> {
  const { task, world, problems } = pass;
  if (slots.length === 0) return [];
  const names = slots.map(({ slotName }) => slotName);
  const targets = (await slotPoints(await world.session(task.primary))).filter(({ slotName }) =>
    names.includes(slotName),
  );
  await untilReplayed(targets, pass);
  const level: Slot[] = [];
  await withSessions(task.standby, world, async (sessionIn) => {
    for (const slot of slots) {
      const { slotName } = slot;
      const to = targets.find((each) => each.slotName === slotName)?.confirmedFlushLsn ?? null;
      if (to === null) continue;
      try {
        const session = await sessionIn(slot.database ?? "");
        await advanceCopy(session, { slotName, to }, Math.max(100, world.remainingMs()));
        const copies = await slotPoints(session);
        const reached = copies.find((each) => each.slotName === slotName)?.confirmedFlushLsn;
        if (reached === to) level.push(slot);
      } catch (error) {
        problems.set(slotName, messageOf(error));
      }
    }
  });
  return level;
}

/** A standby that lags is not waited for for long: its copies come as far as it has come. */
const replayMs = 3_000;

async function untilReplayed(targets: readonly SlotPoint[], { task, world }: Pass): Promise<void> {
  const until = world.now() + replayMs;
  const session = await world.session(task.standby);
  const sql = "SELECT (pg_last_wal_replay_lsn() >= $1::pg_lsn)::text AS there";
  for (const { confirmedFlushLsn: to } of targets) {
    if (to === null) continue;
    for (;;) {
      const [row] = await session.query(sql, [formatLsn(to)]);
      if (row?.["there"] === "true") break;
      if (world.signal.aborted || world.remainingMs() === 0 || world.now() > until) return;
      await world.pause(5);
    }
  }
}
