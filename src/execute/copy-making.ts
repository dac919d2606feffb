// Makes copies of logical slots on a standby, several at once: one record of the running transactions on the primary serves all
// that wait. A copy that does not come to be in its time is given up on the server, where nothing stays of it.

import { nextPause } from "../postgres/poll.ts";
import type { Session } from "../postgres/session.ts";
import { reload } from "../postgres/settings.ts";
import {
  advanceCopy,
  dropCopy,
  hasReplayed,
  logRunning,
  makeCopy,
  mayLogRunning,
  oldestWriter,
  preparedBefore,
  readClock,
  readCopies,
} from "../postgres/standby-slot.ts";
import type { KeptSlot } from "../topology/kept-slots.ts";
import type { HoldingLink } from "../topology/proven-copy.ts";
import { workInDatabases } from "./copy-sessions.ts";
import type { World } from "./world.ts";

export interface CopyMaking {
  readonly standby: string;
  readonly primary: string;
  readonly slots: readonly KeptSlot[];
  /** Whose feedback holds what the copies need. */
  readonly links: readonly HoldingLink[];
  readonly remainingMs: () => number;
}

/** Gives why not, by slot name, for those that did not come to be. */
export async function makeCopies(
  task: CopyMaking,
  world: World,
): Promise<ReadonlyMap<string, string>> {
  const { standby, slots } = task;
  const primary = await world.session(task.primary);
  if (!(await mayLogRunning(primary))) {
    const why = `this role may not execute pg_log_standby_snapshot() on ${task.primary}, without which no copy comes to be`;
    return new Map(slots.map(({ slot }) => [slot.slotName, why]));
  }
  const waiting = new Set<number>();
  const logging = new AbortController();
  const log = logUntil(logging.signal, waiting, task, world);
  try {
    return await workInDatabases({
      standby,
      slots,
      world,
      remainingMs: () => task.remainingMs(),
      work: async (session, kept) => {
        waiting.add(session.backendPid);
        try {
          return await makeOne(session, kept, { task, world });
        } finally {
          waiting.delete(session.backendPid);
        }
      },
    });
  } finally {
    logging.abort();
    await log;
  }
}

interface Making {
  readonly task: CopyMaking;
  readonly world: World;
}

async function makeOne(
  session: Session,
  kept: KeptSlot,
  { task, world }: Making,
): Promise<string | null> {
  const { slot, copy } = kept;
  if (copy !== null) await dropCopy(session, slot.slotName);
  const wish = {
    slotName: slot.slotName,
    plugin: slot.plugin ?? "",
    twoPhase: slot.twoPhase === true,
  };
  const made = await makeCopy(session, wish, task.remainingMs());
  if (!made.done) {
    const writer = await oldestWriter(await world.session(task.primary)).catch(() => null);
    const isLate = task.remainingMs() <= 0 && writer !== null;
    return `${made.refusal.message}${isLate ? `; it waits for the end of ${writer} on ${task.primary}` : ""}`;
  }
  if (!wish.twoPhase) return null;
  const why = await passPrepared(session, kept, { task, world });
  if (why !== null) await dropCopy(session, slot.slotName);
  return why;
}

/** A transaction that was prepared before the copy became consistent is sent once more as a whole when it is committed, also
 * where its consumer has it prepared already. So the copy begins only behind the end of all such transactions. */
async function passPrepared(
  session: Session,
  { slot }: KeptSlot,
  { task, world }: Making,
): Promise<string | null> {
  const { slotName, database } = slot;
  const primary = await world.session(task.primary);
  const moment = await readClock(primary);
  const began = world.now();
  const pause = () => world.pause(nextPause(10, world.now() - began));
  for (;;) {
    const gid = await preparedBefore(primary, database ?? "", moment);
    if (gid === null) break;
    if (task.remainingMs() <= 0 || world.signal.aborted) {
      return `the prepared transaction ${gid} on ${task.primary} was not ended meanwhile`;
    }
    await pause();
  }
  const to = await logRunning(primary);
  while (!(await hasReplayed(session, to))) {
    if (task.remainingMs() <= 0 || world.signal.aborted) {
      return `${task.standby} did not replay what was written meanwhile`;
    }
    await pause();
  }
  const from = (await readCopies(session)).get(slotName)?.confirmedFlushLsn ?? null;
  if (from === null) return "it was gone as soon as it was made";
  const advanced = await advanceCopy(session, { slotName, from, to }, () => task.remainingMs());
  return advanced.done ? null : advanced.refusal.message;
}

/** Has records of the running transactions logged as long as copies wait, and the feedback sent that holds what they need. */
async function logUntil(
  ended: AbortSignal,
  waiting: ReadonlySet<number>,
  { primary, standby, links }: CopyMaking,
  world: World,
): Promise<void> {
  const began = world.now();
  let told = false;
  try {
    while (!ended.aborted) {
      await world.pause(nextPause(20, world.now() - began));
      if (world.signal.aborted) {
        await cancelAll(await world.session(standby), waiting);
        return;
      }
      if (waiting.size === 0) continue;
      if (!told) {
        for (const { below } of links) await reload(await world.session(below));
        told = true;
      }
      await logRunning(await world.session(primary));
    }
  } catch {
    // The copies end at their own limits, and say so.
  }
}

async function cancelAll(session: Session, pids: ReadonlySet<number>): Promise<void> {
  for (const pid of pids) await session.query("SELECT pg_cancel_backend($1::int)", [pid]);
}
