// Keeps copies of logical slots on a standby of 13 to 15, where no slot can be made: the files of the primary's slot, loaded by a
// restart, then advanced during recovery. Advancing reads the log alone, so a copy that was brought level with its consumer needs
// what its consumer's own slot needs, whatever was vacuumed before: that is how copies that nothing vouches for become
// right again, and only then does the hold begin which vouches for them (topology/kept-slots.ts, slot-name.ts).

import { dropHolds, forkSlot, holdCatalog } from "../postgres/catalog-hold.ts";
import { dropCopy, type SlotPoint, slotPoints } from "../postgres/slot-copies.ts";
import { listSnapshots, snapshotName } from "../postgres/slot-file.ts";
import { holdFor, isUnderHold } from "../topology/catalog-holds.ts";
import { isSameKind, type KeptSlot, wantedSlots } from "../topology/kept-slots.ts";
import { isAtMost } from "../topology/transaction-id.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { oldestWalOf } from "../topology/settings.ts";
import { holdSlotName, isHoldSlotName } from "../topology/slot-name.ts";
import { NotDone } from "./performer.ts";
import { installSlots, obstacleToInstalling } from "./slot-installing.ts";
import {
  advanceAll,
  messageOf,
  type Pass,
  type SessionIn,
  timelineOf,
  withSessions,
} from "./slot-advancing.ts";
import type { SlotKeeper } from "./slot-keeper.ts";
import { nodeConfig, type World } from "./world.ts";

export const keepSlotFiles: SlotKeeper = async (task, world) => {
  const [primary, standby] = await Promise.all([
    look(task.primary, world),
    look(task.standby, world),
  ]);
  const pass = { task, world, primary, standby, problems: new Map<string, string>() };
  await dropOldHolds(pass);
  const wanted = task.slots.filter((each) => mayBeKept(each, pass));
  const isSteady = wanted.every(
    ({ slot, copy }) =>
      copy !== null &&
      isSameKind(copy, slot) &&
      isGood(copy) &&
      isVouchedFor(copy.catalogXmin, pass),
  );
  await (isSteady ? bringLevel(wanted, pass) : beginAnew(wanted, pass));
  return pass.problems;
};

async function look(name: string, world: World): Promise<ReachedNode> {
  const [seen] = await world.observe([name]);
  if (seen?.reachable !== true) throw new NotDone(`${name} cannot be reached`);
  return seen;
}

/** What stands in the way and is not this pass's to mend is told, and holds up no other slot. */
function mayBeKept(
  { slot, copy, against }: KeptSlot,
  { problems, primary, standby }: Pass,
): boolean {
  const isInTheWay = against !== null && against.of !== "copy";
  const isSame = copy !== null && isSameKind(copy, slot);
  const isAhead =
    isSame &&
    copy.confirmedFlushLsn !== null &&
    slot.confirmedFlushLsn !== null &&
    copy.confirmedFlushLsn > slot.confirmedFlushLsn;
  const isOther = copy !== null && !isSame && !isUnderHold(primary, standby, copy);
  if (!isInTheWay && !isAhead && !isOther) return true;
  problems.set(slot.slotName, against?.reason ?? `its copy on ${standby.name} is ahead of it`);
  return false;
}

function isGood(copy: Slot): boolean {
  return copy.walStatus !== "lost" && !copy.temporary && copy.confirmedFlushLsn !== null;
}

function isVouchedFor(catalogXmin: number | null, { primary, standby }: Pass): boolean {
  const hold = holdFor(primary, standby.name);
  return hold !== null && catalogXmin !== null && isAtMost(hold, catalogXmin);
}

/** Holds of other timelines vouch for nothing, and hold rows for nobody; on a standby any of them does. */
async function dropOldHolds({ task, world, primary, standby, ...rest }: Pass): Promise<void> {
  const current = holdSlotName(
    standby.name,
    timelineOf({ task, world, primary, standby, ...rest }),
  );
  for (const [node, of] of [
    [primary, task.standby],
    [standby, null],
  ] as const) {
    const names = node.slots
      .map(({ slotName }) => slotName)
      .filter((name) => isHoldSlotName(name, of) && (node !== primary || name !== current));
    if (names.length > 0) await dropHolds(await world.session(node.name), names);
  }
}

/** Every copy that the hold vouches for goes on to where its consumer is, then the hold does. */
async function bringLevel(wanted: readonly KeptSlot[], pass: Pass): Promise<void> {
  await advanceAll(
    wanted.map(({ slot }) => slot),
    pass,
  );
  await moveHold(pass);
}

/** What the hold vouches for: copies of slots that the primary has, from there on. */
async function moveHold(pass: Pass): Promise<void> {
  const { task, world, primary, standby } = pass;
  const names = wantedSlots(primary, []).map(({ slotName }) => slotName);
  const points = await slotPoints(await world.session(task.standby));
  const needs = points
    .filter(({ slotName }) => names.includes(slotName))
    .map(({ catalogXmin }) => catalogXmin)
    .filter((xmin) => xmin !== null && isVouchedFor(xmin, pass));
  const xmin = oldestOf(needs);
  if (xmin !== null && xmin !== holdFor(primary, standby.name)) await hold(xmin, pass);
}

function oldestOf(xids: readonly (number | null)[]): number | null {
  return xids.reduce(
    (least, xid) => (least === null || (xid !== null && isAtMost(xid, least)) ? xid : least),
    null,
  );
}

async function hold(xmin: number, pass: Pass): Promise<void> {
  const { task, world } = pass;
  await holdCatalog(
    await world.session(task.primary),
    {
      conninfo: nodeConfig(world, task.primary).conninfo,
      slotName: holdSlotName(task.standby, timelineOf(pass)),
      xmin,
    },
    { timeoutMs: Math.max(100, world.remainingMs()) },
  );
}

/** There are copies to be made, or some that nothing vouches for. A fork of the slot that needs the oldest rows holds them on the
 * primary until a hold does that outlives us. */
async function beginAnew(wanted: readonly KeptSlot[], pass: Pass): Promise<void> {
  const { task, world, primary, standby, problems } = pass;
  const { fit, anew } = await sortOut(wanted, pass);
  // A hold that takes another's place must not bring copies under it, or leave them, that this pass did not see to.
  const others = wantedSlots(primary, []).filter(
    ({ slotName }) =>
      standby.slots.some((copy) => copy.slotName === slotName && isGood(copy)) &&
      task.slots.every(({ slot }) => slot.slotName !== slotName),
  );
  const all = [...others, ...fit, ...anew];
  if (all.length === 0) return;
  await withSessions(task.primary, world, async (sessionIn) => {
    const forked = await forkOldest(all, { pass, sessionIn });
    const before = holdFor(primary, standby.name);
    const stays = before !== null && isAtMost(before, forked);
    const there = [...others, ...fit];
    const right = new Set(
      [
        // The fork was made under the hold before, and holds older rows.
        ...there.filter((slot) => isVouchedFor(copyOf(slot, pass), pass)),
        ...(await advanceAll(there, pass)),
      ].map(({ slotName }) => slotName),
    );
    tellOfLate(
      there.filter(({ slotName }) => !right.has(slotName)),
      pass,
    );
    if (anew.length > 0) {
      await dropCopies(
        anew.map(({ slotName }) => slotName).filter((name) => hasSlot(standby, name)),
        pass,
      );
      const made = await installSlots(anew, pass).catch((error: unknown) => {
        for (const { slotName } of anew) problems.set(slotName, messageOf(error));
        return [];
      });
      // What the primary's own slot was while its rows were held is right, level or not.
      for (const { slotName } of made) right.add(slotName);
      await advanceAll(made, pass);
    }
    if (!stays) await vouchFor(right, { forked, pass });
  });
}

/** What nothing vouches for becomes right only where its consumer is. */
function tellOfLate(slots: readonly Slot[], { task, problems }: Pass): void {
  for (const { slotName } of slots) {
    if (problems.has(slotName)) continue;
    problems.set(slotName, `${task.standby} has not replayed what its consumer has confirmed`);
  }
}

function copyOf({ slotName }: Slot, { standby }: Pass): number | null {
  return standby.slots.find((copy) => copy.slotName === slotName)?.catalogXmin ?? null;
}

function hasSlot({ slots }: ReachedNode, name: string): boolean {
  return slots.some(({ slotName }) => slotName === name);
}

/** Those whose copies can be advanced, whatever became of the rows before; and those whose copies have to be made, where that may
 * be. Advancing is right only from where decoding is consistent at once: a snapshot is there. */
async function sortOut(
  wanted: readonly KeptSlot[],
  pass: Pass,
): Promise<{ readonly fit: readonly Slot[]; readonly anew: readonly Slot[] }> {
  const { world, standby, problems } = pass;
  const session = await world.session(standby.name);
  const snapshots = wanted.some(({ copy }) => copy !== null) ? await listSnapshots(session) : [];
  const oldest = oldestWalOf(standby);
  const isFit = ({ slot, copy }: KeptSlot): boolean =>
    copy?.restartLsn != null &&
    isSameKind(copy, slot) &&
    isGood(copy) &&
    (oldest === null || oldest <= copy.restartLsn) &&
    (isVouchedFor(copy.catalogXmin, pass) || snapshots.includes(snapshotName(copy.restartLsn)));
  const anew = wanted.filter((each) => !isFit(each)).map(({ slot }) => slot);
  const why = anew.length === 0 ? null : await obstacleToInstalling(pass);
  if (why !== null) for (const { slotName } of anew) problems.set(slotName, why);
  return {
    fit: wanted.filter(isFit).map(({ slot }) => slot),
    anew: why === null ? anew : [],
  };
}

/** Of a slot that moved on meanwhile another may need older rows: then that one is forked. */
async function forkOldest(
  slots: readonly Slot[],
  { pass, sessionIn }: { readonly pass: Pass; readonly sessionIn: SessionIn },
): Promise<number> {
  const session = await pass.world.session(pass.task.primary);
  const look = async (): Promise<readonly SlotPoint[]> =>
    (await slotPoints(session)).filter(
      ({ slotName, catalogXmin }) =>
        catalogXmin !== null && slots.some((each) => each.slotName === slotName),
    );
  for (let tries = 0; tries < 5; tries += 1) {
    const points = await look();
    const least = oldestOf(points.map(({ catalogXmin }) => catalogXmin));
    const first = points.find(({ catalogXmin }) => catalogXmin === least);
    const slot = slots.find(({ slotName }) => slotName === first?.slotName);
    if (slot === undefined) break;
    const forked = await forkSlot(await sessionIn(slot.database ?? ""), slot.slotName);
    const isOldest = (await look()).every(
      ({ catalogXmin }) => catalogXmin !== null && isAtMost(forked, catalogXmin),
    );
    if (isOldest) return forked;
  }
  throw new NotDone(`the slots of ${pass.task.primary} do not hold still`);
}

/** Begins a hold for the copies that are right. One that is not, and would come under it, goes first. */
async function vouchFor(
  right: ReadonlySet<string>,
  { forked, pass }: { readonly forked: number; readonly pass: Pass },
): Promise<void> {
  const { task, world } = pass;
  const name = holdSlotName(task.standby, timelineOf(pass));
  await dropHolds(await world.session(task.primary), [name]);
  const points = await slotPoints(await world.session(task.standby));
  const isRight = ({ slotName, catalogXmin }: SlotPoint): boolean =>
    right.has(slotName) && catalogXmin !== null && isAtMost(forked, catalogXmin);
  const from = oldestOf(points.filter(isRight).map(({ catalogXmin }) => catalogXmin));
  if (from === null) return;
  const wrong = points.filter(
    (each) => !isRight(each) && each.catalogXmin !== null && isAtMost(from, each.catalogXmin),
  );
  await dropCopies(
    wrong.map(({ slotName }) => slotName),
    pass,
  );
  await hold(from, pass);
}

/** Nobody can use a logical slot of a standby before 16: what is dropped there was a copy, or will be one again. */
async function dropCopies(names: readonly string[], { task, world, standby }: Pass): Promise<void> {
  if (names.length === 0) return;
  await withSessions(task.standby, world, async (sessionIn) => {
    for (const name of names) {
      const slot = standby.slots.find(({ slotName }) => slotName === name);
      await dropCopy(await sessionIn(slot?.database ?? ""), name);
    }
  });
}
