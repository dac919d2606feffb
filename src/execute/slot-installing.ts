// Puts copies of the primary's logical slots into a standby's data directory: it is stopped, gets the files of all of them, and is
// started. A server that has no room for a slot, or another wal_level, does not start with it (13 to 15), so that is looked at
// before. Whatever fails on the way, it is started again. Of several standbys one is down at a time.

import type { ServerControl } from "../host/control.ts";
import { slotPoints } from "../postgres/slot-copies.ts";
import {
  readSlotFiles,
  type SlotFileSet,
  slotRoom,
  type SlotState,
} from "../postgres/slot-file.ts";
import { reload } from "../postgres/settings.ts";
import { dropSlot, ensureSlot } from "../postgres/slots.ts";
import { walCovers } from "../postgres/wal-files.ts";
import type { ClusterConfig, Slot } from "../topology/node.ts";
import { holdSlotName } from "../topology/slot-name.ts";
import { majorOf } from "../topology/structure.ts";
import { formatLsn } from "../wal/lsn.ts";
import { waitFor } from "./acting.ts";
import { delayMs, whyLate } from "./late-replay.ts";
import { messageOf, type Pass, timelineOf } from "./slot-advancing.ts";
import { nodeConfig, type World } from "./world.ts";

const pausedSql = "SELECT pg_is_wal_replay_paused()::text AS paused";

/** Why no copy can be made there; null where one can. */
export async function obstacleToInstalling(pass: Pass): Promise<string | null> {
  const { task, world, primary, standby } = pass;
  if (!task.allowRestart) {
    return `making a copy takes a restart of ${standby.name}, which was not allowed (--allow-restart)`;
  }
  const control = await world.control(nodeConfig(world, standby.name));
  if (control === null || control.slotFiles === null) {
    return `making a copy takes the data directory of ${standby.name}, and the topology file gives no control.pg_ctl of it`;
  }
  if (majorOf(primary) !== majorOf(standby)) {
    return `${standby.name} runs another major version than ${primary.name}`;
  }
  // Whoever paused it, or asked for that while nothing was to be replayed (13), would find it gone on.
  const [row] = await (await world.session(standby.name)).query(pausedSql);
  if (row?.["paused"] === "true") {
    return `replay is paused on ${standby.name}, and making a copy takes a restart, which would let it go on`;
  }
  return whyLate(standby, world.remainingMs());
}

/** Gives the slots that the standby has then; what went wrong with one is among the pass's problems. What is read of the primary is
 * read in the standby's turn: by the next one's its own WAL would be gone that the slots began with. */
export async function installSlots(slots: readonly Slot[], pass: Pass): Promise<readonly Slot[]> {
  const { task, world, problems } = pass;
  const states = await inTurn(world.config, () => installInTurn(slots, pass));
  if (states.length === 0) return [];
  // A receiver that is told to read its settings sends its feedback at once.
  await reload(await world.session(task.standby));
  for (const { slotName } of states) problems.delete(slotName);
  return slots.filter(({ slotName }) => states.some((state) => state.slotName === slotName));
}

async function installInTurn(slots: readonly Slot[], pass: Pass): Promise<readonly SlotState[]> {
  const pin = await pinWal(slots, pass);
  try {
    return await installPinned(slots, pass);
  } finally {
    if (pin !== null) await dropSlot(await pass.world.session(pass.task.standby), pin);
  }
}

/** A slot's WAL has to be there until the slot itself holds it, and restartpoints remove it, the one of the shutdown too: a slot of ours
 * on the standby holds all from its last restartpoint on for so long. Without room for it there is none. One that is left there by a
 * run that died is a hold that a standby has no use for (topology/catalog-holds.ts). */
async function pinWal(slots: readonly Slot[], pass: Pass): Promise<string | null> {
  const { task, world } = pass;
  const session = await world.session(task.standby);
  if ((await slotRoom(session)).free <= slots.length) return null;
  const name = holdSlotName(task.standby, timelineOf(pass));
  return (await ensureSlot(session, name)).done ? name : null;
}

async function installPinned(slots: readonly Slot[], pass: Pass): Promise<readonly SlotState[]> {
  const { task, world } = pass;
  const session = await world.session(task.standby);
  // What a restartpoint lets go of is gone now and not while the server is down, which is shorter for it.
  await session.query("CHECKPOINT", [], { timeoutMs: Math.max(100, world.remainingMs()) });
  const files = await readSlotFiles(
    await world.session(task.primary),
    slots.map(({ slotName }) => slotName),
  );
  // What it has not received yet is not what it has no more.
  await untilReplayed(files.states, pass);
  const states = await whereCovered(files.states, pass);
  if (states.length === 0) return [];
  await mustHaveRoom(states, pass);
  await restartWith({ ...files, states }, pass);
  await untilLoaded(states, pass);
  return states;
}

/** Those whose WAL the standby has. */
async function whereCovered(
  states: readonly SlotState[],
  { task, world, problems }: Pass,
): Promise<readonly SlotState[]> {
  const session = await world.session(task.standby);
  const covered: SlotState[] = [];
  for (const state of states) {
    const has = await walCovers(session, { timeline: 1, lsn: state.restartLsn });
    if (has.covered !== false) covered.push(state);
    else {
      const from = formatLsn(state.restartLsn);
      problems.set(
        state.slotName,
        `${task.standby} has not the WAL from ${from} on any more, which its copy needs: raise wal_keep_size there, or have its consumer go on`,
      );
    }
  }
  return covered;
}

async function mustHaveRoom(states: readonly SlotState[], { task, world }: Pass): Promise<void> {
  const session = await world.session(task.standby);
  const { walLevel, free } = await slotRoom(session);
  const { standby } = task;
  if (walLevel !== "logical") throw new Error(`wal_level of ${standby} is ${walLevel}`);
  if (free < states.length) {
    throw new Error(`max_replication_slots of ${standby} has room for ${free} more slots`);
  }
}

/** How long a standby may take to come up to the slots, beside the time by which it is late on purpose, milliseconds. */
const replayMs = 5_000;

async function untilReplayed(states: readonly SlotState[], pass: Pass): Promise<void> {
  const { task, world } = pass;
  const { standby } = task;
  const session = await world.session(standby);
  const until = world.now() + delayMs(pass.standby) + replayMs;
  // One below a standby that was just restarted asks it for WAL again at once when it is told to read its settings.
  const push = async (): Promise<void> => {
    await reload(session);
  };
  const end = states.reduce((most, { confirmedFlushLsn: at }) => (at > most ? at : most), 0n);
  await waitFor(
    async () => {
      const { replayLsn } = await slotRoom(session);
      const why = `${standby} has not replayed what the consumers have confirmed`;
      if (replayLsn !== null && replayLsn >= end) return { holds: true, detail: null };
      return world.now() > until ? { holds: false, why, hopeless: true } : { holds: false, why };
    },
    world,
    { pollMs: 10, nudge: { everyMs: 500, push } },
  );
}

const turns = new WeakMap<ClusterConfig, Promise<void>>();

async function inTurn<T>(config: ClusterConfig, work: () => Promise<T>): Promise<T> {
  const before = turns.get(config) ?? Promise.resolve();
  const mine = before.then(work);
  turns.set(
    config,
    mine.then(
      () => undefined,
      () => undefined,
    ),
  );
  return mine;
}

/** For starting a server that we have stopped, however little of the run's time is left, milliseconds. */
const startMs = 20_000;

/** Stopping it takes no session, which whoever takes the lock from us would end: so both are asked right before, and by the
 * sessions that hold the lock. Without a primary to follow no standby is stopped either. */
async function mustBeOurs({ task, world }: Pick<Pass, "task" | "world">): Promise<void> {
  for (const node of [task.primary, task.standby]) {
    await (await world.session(node)).query("SELECT 1");
  }
  if (world.signal.aborted) throw new Error("interrupted");
}

async function restartWith(files: SlotFileSet, { task, world }: Pass): Promise<void> {
  const control = await world.control(nodeConfig(world, task.standby));
  if (control?.slotFiles == null) throw new Error(`there is no control of ${task.standby}`);
  await mustBeOurs({ task, world });
  world.ends(task.standby);
  try {
    await control.stop({ timeoutMs: world.remainingMs() });
    await control.slotFiles.put(files);
    await start(control, world);
  } catch (error) {
    await startWithout(files.states, { control, world }).catch((failure: unknown) => {
      const why = `${task.standby} was stopped and could not be started again`;
      throw new Error(`${why}: ${messageOf(failure)}`, { cause: error });
    });
    throw error;
  }
}

/** It may have been the files that kept it from starting. */
async function startWithout(
  states: readonly SlotState[],
  { control, world }: { readonly control: ServerControl; readonly world: World },
): Promise<void> {
  if ((await control.runsAs()) !== "standby") {
    await control.stop({ timeoutMs: startMs });
    await control.slotFiles?.remove(states.map(({ slotName }) => slotName));
  }
  await start(control, world);
}

/** Not to be interrupted: nobody else would start it. */
async function start(control: ServerControl, world: World): Promise<void> {
  await control.start({ timeoutMs: Math.max(startMs, world.remainingMs()) });
}

async function untilLoaded(states: readonly SlotState[], { task, world }: Pass): Promise<void> {
  await waitFor(
    async () => {
      const names = (await slotPoints(await world.session(task.standby))).map(
        ({ slotName }) => slotName,
      );
      const lacks = states.find(({ slotName }) => !names.includes(slotName));
      return lacks === undefined
        ? { holds: true, detail: null }
        : { holds: false, why: `${task.standby} did not load slot ${lacks.slotName}` };
    },
    world,
    { pollMs: 10 },
  );
}
