// Closes a standby that is to lead for the logical slots that it is to get, and makes them once it leads. A new slot begins where the
// log is when it is made, so nothing may have been written behind what the consumer had confirmed on the old primary: the log
// itself is read for that, over the change of the timeline. What is written by autovacuum counts as well; a server
// that was just promoted starts none before a share of autovacuum_naptime has passed (13 to 18).

import type { CloseStep, MakeSlotsStep } from "../plan/step.ts";
import { closeStandby, isClosedFor, readAwaited } from "../postgres/close.ts";
import {
  dropLogicalSlot,
  endBackends,
  findBackends,
  makeLogicalSlot,
  readBeginnings,
} from "../postgres/consumer-slots.ts";
import { readFenceMark } from "../postgres/fence.ts";
import { QueryError } from "../postgres/session.ts";
import { findForeignWrites } from "../postgres/watch.ts";
import type { AwaitedSlot } from "../topology/fence-mark.ts";
import type { ReachedNode } from "../topology/node.ts";
import { segmentSizeOf } from "../topology/settings.ts";
import { type Lsn, lsn, maxLsn } from "../wal/lsn.ts";
import { formatPosition, type Position } from "../wal/position.ts";
import { mustFinish, waitFor } from "./acting.ts";
import { limitWorld } from "./limits.ts";
import type { Memory } from "./memory.ts";
import { type Holding, NotDone, type Performer, Unfinished } from "./performer.ts";
import { nodeConfig, type World } from "./world.ts";

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The databases in which slots will be made must let us in: once it leads there is no time to find out. */
async function checkDatabases(
  node: string,
  slots: readonly AwaitedSlot[],
  world: World,
): Promise<void> {
  const names = [...new Set(slots.map(({ database }) => database))];
  await Promise.all(
    names.map(async (database) => {
      try {
        const session = await world.sessionIn(node, database);
        await session.close();
      } catch (error) {
        throw new NotDone(`database ${database} of ${node} does not let us in: ${words(error)}`);
      }
    }),
  );
}

export function createClosePerformer({ closed }: Memory): Performer<CloseStep> {
  return {
    pollMs: 2,

    async holds({ node, slots }, world) {
      // What another run saw as confirmed may be old.
      const isHeld = closed.has(node) && (await isClosedFor(await world.session(node), slots));
      return isHeld
        ? { holds: true, detail: null }
        : { holds: false, why: `${node} would take writes as soon as it leads` };
    },

    async act({ node, of, slots }, world) {
      const [session, primary] = await Promise.all([world.session(node), world.session(of)]);
      const awaits = await readAwaited(primary, slots);
      const known = awaits.map(({ slotName }) => slotName);
      const gone = slots.filter((name) => !known.includes(name));
      if (gone.length > 0) throw new NotDone(`${of} has no slot ${gone.join(", ")} any more`);
      await checkDatabases(node, awaits, world);
      closed.add(node);
      const { signal } = world;
      mustFinish(
        await closeStandby(session, { awaits, primary, timeoutMs: world.remainingMs(), signal }),
      );
    },
  };
}

/** What is known of a primary that is to get slots. */
interface Wanted {
  readonly node: ReachedNode;
  readonly awaits: readonly AwaitedSlot[];
  /** Where its own timeline begins: a slot that gives nothing before that was made there. */
  readonly from: Lsn;
}

async function look(name: string, world: World): Promise<Wanted | null> {
  const awaits = (await readFenceMark(await world.session(name)))?.awaits;
  if (awaits === undefined) return null;
  const [node] = await world.observe([name]);
  if (node?.reachable !== true || node.role !== "primary" || node.history === null) {
    throw new Error(`${name} is not seen to lead`);
  }
  return { node, awaits, from: node.history.ancestors.at(-1)?.end ?? lsn(0n) };
}

/** Those that were made on the node since it leads. */
async function findMade({ node, awaits, from }: Wanted, world: World) {
  const begins = await readBeginnings(await world.session(node.name));
  return awaits.filter(({ slotName }) => (begins.get(slotName) ?? -1n) >= from);
}

/** Of the time that is left: writes wait. */
function shareOf(world: World): number {
  return Math.max(1, world.remainingMs() * 0.8);
}

/** Why a slot was not made. */
interface Failure {
  readonly why: string;
  /** The server's process that may still be about to make it; null where it was refused. */
  readonly backendPid: number | null;
}

type Failures = Map<AwaitedSlot, Failure>;

/** Null where it was made. */
async function make(node: string, slot: AwaitedSlot, world: World): Promise<Failure | null> {
  let backendPid: number | null = null;
  try {
    // A copy that was made while it was a standby.
    await dropLogicalSlot(await world.session(node), slot.slotName);
    await using session = await world.sessionIn(node, slot.database);
    backendPid = session.backendPid;
    await makeLogicalSlot(session, slot, shareOf(world));
    return null;
  } catch (error) {
    return { why: words(error), backendPid: error instanceof QueryError ? null : backendPid };
  }
}

/** Those that could not be made. One whose connection was lost is made anew once it is known that it was not. */
async function makeAll(
  wanted: Wanted,
  slots: readonly AwaitedSlot[],
  world: World,
): Promise<Failures> {
  const failures = await attempt(wanted, slots, world);
  const unknown = [...failures].filter(([, { backendPid }]) => backendPid !== null);
  if (unknown.length === 0) return failures;
  await settleUnknown(wanted, failures, world);
  const again = unknown.map(([slot]) => slot).filter((slot) => failures.has(slot));
  const left = await attempt(wanted, again, world);
  for (const slot of again) if (!left.has(slot)) failures.delete(slot);
  return failures;
}

async function attempt(
  { node }: Wanted,
  slots: readonly AwaitedSlot[],
  world: World,
): Promise<Failures> {
  const failures: Failures = new Map();
  await Promise.all(
    slots.map(async (slot) => {
      const failure = await make(node.name, slot, world);
      if (failure !== null) failures.set(slot, failure);
    }),
  );
  return failures;
}

/** How long a server may need to come to the end of what was asked on a connection that was lost, milliseconds. */
const lateMs = 300;

/** One whose answer never came may have been made, or come to be made later, behind writes: its process is ended. */
async function settleUnknown(wanted: Wanted, failures: Failures, world: World): Promise<void> {
  const { name } = wanted.node;
  const ended = async (): Promise<Holding> => {
    const made = await findMade(wanted, world);
    for (const slot of made) failures.delete(slot);
    const session = await world.session(name);
    const pids = [...failures.values()].flatMap(({ backendPid }) => backendPid ?? []);
    const alive = await findBackends(session, pids);
    return alive.length === 0
      ? { holds: true, detail: null }
      : { holds: false, why: `pid ${alive.join(", ")} of ${name} may still make it` };
  };
  try {
    await waitFor(ended, limitWorld(world, lateMs), { pollMs: 10 });
  } catch {
    const pids = [...failures.values()].flatMap(({ backendPid }) => backendPid ?? []);
    await endBackends(await world.session(name), pids);
    await waitFor(ended, limitWorld(world, lateMs), { pollMs: 10 });
  }
}

/** The stretches of the log between what was confirmed and where the slots begin, one per timeline. */
function stretches(
  { node, awaits, from }: Wanted,
  until: Lsn,
): readonly { readonly from: Position; readonly until: Lsn }[] {
  const { history } = node;
  if (history === null) return [];
  const before = history.ancestors.at(-1);
  const own = { from: { timeline: history.timeline, lsn: from }, until };
  if (before === undefined || awaits.some(({ confirmed: c }) => c.timeline !== before.timeline)) {
    throw new Error("what the consumers had confirmed is of another timeline");
  }
  // What they confirmed of the fenced primary's own records behind the switchpoint is no part of this history.
  const oldest = awaits.reduce<Lsn>(
    (least, { confirmed }) => (confirmed.lsn < least ? confirmed.lsn : least),
    from,
  );
  return [{ from: { timeline: before.timeline, lsn: oldest }, until: from }, own];
}

/** Tells where something was written that the slots leave out. */
async function watch(wanted: Wanted, made: readonly AwaitedSlot[], world: World): Promise<void> {
  const { name } = wanted.node;
  try {
    const begins = await readBeginnings(await world.session(name));
    const until = made.reduce<Lsn>(
      (last, { slotName }) => maxLsn(last, begins.get(slotName) ?? last),
      lsn(0n),
    );
    const found = await Promise.all(
      stretches(wanted, until)
        .filter((each) => each.until > each.from.lsn)
        .map((each) =>
          findForeignWrites(nodeConfig(world, name).conninfo, {
            ...each,
            segmentSize: segmentSizeOf(wanted.node),
            timeoutMs: world.remainingMs(),
          }),
        ),
    );
    const first = found.find((at) => at !== null);
    if (first != null) tellOfWrites(name, `was written to at ${formatPosition(first)}`, world);
  } catch (error) {
    tellOfWrites(name, `may have been written to: ${words(error)}`, world);
  }
}

function tellOfWrites(node: string, what: string, world: World): void {
  world.note({
    code: "slots-begin-late",
    severity: "problem",
    node,
    message: `${node} ${what}, before its logical slots were there: their consumers do not get that`,
    hint: "compare what they have with the tables, and find out who writes to a primary that is read-only by default",
  });
}

/** What a primary that opens was to get before, and has not. */
export async function tellOfUnmade(node: string, { unmade }: Memory, world: World): Promise<void> {
  const session = await world.session(node);
  const awaits = (await readFenceMark(session))?.awaits ?? [];
  if (awaits.length === 0) return;
  const there = await readBeginnings(session);
  for (const { slotName, plugin, database, confirmed } of awaits) {
    if (there.has(slotName) && !unmade.has(slotName)) continue;
    const why = unmade.get(slotName) ?? "nobody has made it";
    world.note({
      code: "slot-not-made",
      severity: "problem",
      node,
      message: `logical slot ${slotName} (${plugin} in ${database}) is not on ${node}: ${why}; its consumer had confirmed everything up to ${formatPosition(confirmed)}`,
      hint: `make it: SELECT pg_create_logical_replication_slot('${slotName}', '${plugin}') in ${database}; what is written until then its consumer has to get from elsewhere`,
    });
  }
}

export function createMakeSlotsPerformer({ unmade }: Memory): Performer<MakeSlotsStep> {
  const watched = new Set<MakeSlotsStep>();
  const looks = new Map<MakeSlotsStep, Wanted>();
  /** Writes wait: what does not change is not asked for again. */
  const lookOnce = async (step: MakeSlotsStep, world: World): Promise<Wanted | null> => {
    const known = looks.get(step) ?? (await look(step.node, world));
    if (known !== null) looks.set(step, known);
    return known;
  };
  return {
    pollMs: 5,

    async holds(step, world) {
      const wanted = await lookOnce(step, world);
      if (wanted === null) return { holds: true, detail: null };
      const made = await findMade(wanted, world);
      const left = wanted.awaits.filter((slot) => !made.includes(slot));
      const names = left.map(({ slotName }) => slotName).join(", ");
      return left.length === 0
        ? { holds: true, detail: null }
        : { holds: false, why: `${step.node} has no slot ${names} yet` };
    },

    async act(step, world) {
      const wanted = await lookOnce(step, world);
      if (wanted === null) return;
      const there = await findMade(wanted, world);
      const missing = wanted.awaits.filter((slot) => !there.includes(slot));
      const failures = await makeAll(wanted, missing, world);
      for (const [{ slotName }, { why }] of failures) unmade.set(slotName, why);
      const made = wanted.awaits.filter((slot) => !failures.has(slot));
      watched.add(step);
      await watch(wanted, made, world);
      if (failures.size === 0) return;
      const told = [...failures].map(([{ slotName }, { why }]) => `${slotName}: ${why}`);
      throw new Unfinished(told.join("; "));
    },

    /** Made by a run that was cut short before it had looked. */
    async settle(step, world) {
      const wanted = watched.has(step) ? null : await lookOnce(step, world);
      if (wanted !== null) await watch(wanted, wanted.awaits, world);
    },
  };
}
