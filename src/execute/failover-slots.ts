// Keeps the server's own copies of slots with the failover flag (17+). One call brings copies that are there level. A new
// one has to be brought to be ready by the worker, while snapshots are logged on the primary: sync_replication_slots is
// turned on for that long, and put back. Left on by a run that died, the server goes on keeping the copies: no harm.

import type { KeptSlot } from "../topology/kept-slots.ts";
import { formatLsn, type Lsn } from "../wal/lsn.ts";
import { LockLost } from "../postgres/cluster-lock.ts";
import { ConnectionLost, type Session } from "../postgres/session.ts";
import { changeSettings, reload, reloadAll, restoreSystem } from "../postgres/settings.ts";
import {
  dropLeftSlot,
  logStandbySnapshot,
  readSlotStates,
  type SlotState,
  syncIsOn,
  syncSlots,
  syncWorkerRuns,
} from "../postgres/synced-slots.ts";
import { mustAct, waitFor } from "./acting.ts";
import { limitWorld } from "./limits.ts";
import type { Holding } from "./performer.ts";
import type { KeepTask, SlotKeeper } from "./slot-keeper.ts";
import type { World } from "./world.ts";

/** What the call may take, milliseconds: it reads the primary's slots and writes those of the standby. */
const callMs = 5_000;
/** What is kept back of the run's time for putting the setting back. */
const reserveMs = 2_000;
/** How long a consumer may take to move on: one that streams says where it is every 10 s at the latest (wal_receiver_status_interval),
 * of one that is away nothing is to be expected. */
const patienceMs = { active: 12_000, away: 3_000 };
/** Snapshots are logged, and the worker woken, as often. */
const pushMs = 400;
/** For a worker that was told to end. */
const workerEndMs = 1_500;

/** What is between a new copy and its being ready: where its consumer was, and where it must have come. */
interface Waiting {
  readonly since: number;
  /** The copy is there. */
  readonly isThere: boolean;
  readonly at: Lsn | null;
  past: Lsn | null;
  isOver: boolean;
}

type States = ReadonlyMap<string, SlotState>;

/** Ready to be used, and where its consumer was when the pass began. */
function isKept({ slot }: KeptSlot, copies: States): boolean {
  const copy = copies.get(slot.slotName);
  if (copy === undefined || !copy.synced || copy.temporary || copy.broken) return false;
  const [has, wants] = [copy.confirmedFlushLsn, slot.confirmedFlushLsn];
  return has !== null && (wants === null || has >= wants);
}

/** Of the same kind, and nobody's who would miss it: what a demoted primary had, or what was made here by other means before
 * the slot got its flag, which is never ahead of its consumer. */
function isLeftOver(copy: SlotState, slot: SlotState): boolean {
  if (copy.active || copy.plugin === null) return false;
  if (copy.plugin !== slot.plugin || copy.database !== slot.database) return false;
  const [has, wants] = [copy.confirmedFlushLsn, slot.confirmedFlushLsn];
  return copy.failover || (has !== null && wants !== null && has <= wants);
}

/** Drops what stops the server from keeping copies: any slot with the flag counts, not only the wanted ones. Gives why it is
 * stopped still. */
async function clearLeftOvers(standby: Session, primary: Session): Promise<string | null> {
  const [copies, slots] = [await readSlotStates(standby), await readSlotStates(primary)];
  for (const slot of slots.values()) {
    const copy = copies.get(slot.name);
    if (!slot.failover || slot.temporary || copy === undefined || copy.synced) continue;
    if (!isLeftOver(copy, slot)) {
      const what = copy.active ? "in use" : "of another kind, or ahead of its consumer";
      return `slot ${slot.name} of its own (${what}) stops the server from keeping copies; drop it, or give one of them another name`;
    }
    await dropLeftSlot(standby, slot.name);
  }
  return null;
}

/** One call. A connection of its own: whoever breaks it off must not lose the lock with it. */
async function callOnce(task: Pick<KeepTask, "standby">, world: World): Promise<string | null> {
  const timeoutMs = Math.max(100, Math.min(callMs, world.remainingMs()));
  await using session = await world.sessionIn(task.standby, "postgres");
  return await syncSlots(session, timeoutMs).catch((error: unknown) => {
    if (error instanceof ConnectionLost) return error.message;
    throw error;
  });
}

/** Has the server drop its copies of slots that are gone: its worker does so by itself. Gives why they stay. */
export async function dropObsoleteCopies(standby: string, world: World): Promise<string | null> {
  return (await syncIsOn(await world.session(standby))) ? null : callOnce({ standby }, world);
}

/** Notes of each slot how its consumer does, and whether it is worth to wait any longer. */
function judgeWaiting(
  waiting: Map<string, Waiting>,
  slot: SlotState,
  look: { readonly isThere: boolean; readonly snapshot: Lsn | null; readonly now: number },
): void {
  const { isThere, now } = look;
  const known = waiting.get(slot.name);
  const at = slot.confirmedFlushLsn;
  if (known === undefined || known.at !== at || known.isThere !== isThere) {
    const past = known?.past ?? null;
    waiting.set(slot.name, { since: now, isThere, at, past, isOver: false });
    return;
  }
  // Logged after the copy was there: whoever has confirmed it needs no row that the copy lacks.
  if (isThere) known.past ??= look.snapshot;
  // The server starts a worker once in 10 s.
  const patience = isThere && !slot.active ? patienceMs.away : patienceMs.active;
  known.isOver = now - known.since >= patience;
}

/** Waits for the worker to have each of them ready, for as long as that is to be expected. */
async function untilKept(
  task: KeepTask,
  world: World,
  waiting: Map<string, Waiting>,
): Promise<void> {
  let snapshot: Lsn | null = null;
  let wasThere: ReadonlySet<string> = new Set();
  const look = async (): Promise<Holding> => {
    const copies = await readSlotStates(await world.session(task.standby));
    const slots = await readSlotStates(await world.session(task.primary));
    for (const { slot } of task.slots) {
      const source = slots.get(slot.slotName);
      if (source === undefined) continue;
      const isThere = wasThere.has(slot.slotName);
      judgeWaiting(waiting, source, { isThere, snapshot, now: world.now() });
    }
    const left = task.slots.filter((each) => !isKept(each, copies));
    const hoped = left.filter(({ slot }) => waiting.get(slot.slotName)?.isOver !== true);
    if (hoped.length === 0) return { holds: true, detail: null };
    return { holds: false, why: `${String(hoped.length)} copies are not ready` };
  };
  const push = async (): Promise<void> => {
    const standby = await world.session(task.standby);
    wasThere = new Set((await readSlotStates(standby)).keys());
    snapshot = await logStandbySnapshot(await world.session(task.primary));
    await reload(standby);
  };
  await push();
  await waitFor(look, world, { pollMs: 20, nudge: { everyMs: pushMs, push } });
}

/** The setting as it was, and the worker seen to be gone: while it runs, no call is let through. */
async function putBack(task: KeepTask, world: World): Promise<void> {
  const standby = await world.session(task.standby);
  mustAct(await restoreSystem(standby, "sync_replication_slots", "off"));
  await reloadAll(standby, { timeoutMs: workerEndMs });
  const isOver = async (): Promise<Holding> =>
    (await syncWorkerRuns(standby))
      ? { holds: false, why: "the worker runs still" }
      : { holds: true, detail: null };
  await waitFor(isOver, limitWorld(world, workerEndMs), { pollMs: 10 }).catch(() => undefined);
}

async function turnOn(task: KeepTask, world: World): Promise<void> {
  const standby = await world.session(task.standby);
  const change = { name: "sync_replication_slots", from: "off", to: "on" } as const;
  mustAct(await changeSettings(standby, [change], { timeoutMs: world.remainingMs() }));
}

/** Has the server's worker see to them; it is turned on for that where it is not. */
async function byWorker(
  task: KeepTask,
  world: World,
  wasOn: boolean,
): Promise<ReadonlyMap<string, Waiting>> {
  const waiting = new Map<string, Waiting>();
  const limited = limitWorld(world, Math.max(0, world.remainingMs() - reserveMs));
  try {
    if (!wasOn) await turnOn(task, limited);
    await untilKept(task, limited, waiting).catch((error: unknown) => {
      if (limited.remainingMs() > 0 && !world.signal.aborted) throw error;
    });
  } finally {
    if (!wasOn) await putBack(task, world);
  }
  return waiting;
}

function reasonOf(
  { slot, node }: KeptSlot,
  against: string | null,
  waiting: ReadonlyMap<string, Waiting>,
): string {
  const { at, past } = waiting.get(slot.slotName) ?? { at: null, past: null };
  if (at !== null && past !== null && at < past) {
    const left = (past - at).toString();
    return `its consumer must confirm past ${formatLsn(past)} while the server looks; ${left} bytes to go (with sync_replication_slots = on the server of ${node} waits for that by itself)`;
  }
  return against ?? `the server did not get it ready in time; its log says why`;
}

async function keep(task: KeepTask, world: World): Promise<ReadonlyMap<string, string>> {
  const standby = await world.session(task.standby);
  const primary = await world.session(task.primary);
  const blocked = await clearLeftOvers(standby, primary);
  const wasOn = await syncIsOn(standby);
  // What stands against all of them shows in the answer to a call; the worker says it to the server's log alone.
  const said = wasOn ? null : await callOnce(task, world);
  const leftOf = async (): Promise<readonly KeptSlot[]> => {
    const copies = await readSlotStates(await world.session(task.standby));
    return task.slots.filter((each) => !isKept(each, copies));
  };
  const left = await leftOf();
  if (left.length === 0) return new Map();
  const waiting =
    blocked === null
      ? await byWorker({ ...task, slots: left }, world, wasOn)
      : new Map<string, Waiting>();
  const still = blocked === null ? await leftOf() : left;
  return new Map(
    still.map((each) => [each.slot.slotName, reasonOf(each, blocked ?? said, waiting)]),
  );
}

/** What goes wrong here goes wrong for these slots, and stops nobody else's. */
export const keepFailoverSlots: SlotKeeper = async (task, world) => {
  try {
    return await keep(task, world);
  } catch (error) {
    if (error instanceof LockLost) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return new Map(task.slots.map(({ slot }) => [slot.slotName, why]));
  }
};
