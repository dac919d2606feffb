// Keeps copies of logical slots by decoding on the standby (16+): made there, brought to what their consumers have confirmed and
// no further, and proven: once the primary is seen to hold the rows that a copy needs, a mark on the standby tells from where on
// in the log. The standby breaks a copy itself as it replays the removal of such a row, so one that is whole behind there is proven.

import { nextPause } from "../postgres/poll.ts";
import { reload } from "../postgres/settings.ts";
import { advanceCopy, logRunning, readCopies, readHeld } from "../postgres/standby-slot.ts";
import type { Lsn } from "../wal/lsn.ts";
import type { CopyMark } from "../topology/copy-mark.ts";
import type { KeptSlot } from "../topology/kept-slots.ts";
import type { ReachedNode } from "../topology/node.ts";
import {
  copyMarkOf,
  type HoldingLink,
  holdingLinks,
  linksHold,
  provenAt,
} from "../topology/proven-copy.ts";
import { decideCopyWork } from "../topology/standby-copy.ts";
import { reachedNode } from "../topology/structure.ts";
import { buildTopology, type Topology } from "../topology/topology.ts";
import { isAtMost } from "../topology/transaction-id.ts";
import { makeCopies } from "./copy-making.ts";
import { markCopies } from "./copy-marks.ts";
import { workInDatabases } from "./copy-sessions.ts";
import { whyLate } from "./late-replay.ts";
import { NotDone } from "./performer.ts";
import type { KeepTask, SlotKeeper } from "./slot-keeper.ts";
import type { World } from "./world.ts";

/** For a receiver's feedback to come through, milliseconds. */
const holdMs = 3_000;

/** What is left for that and for the last look when the rest has taken its time, milliseconds. */
const reserveMs = holdMs + 1_000;

interface Scene {
  readonly task: KeepTask;
  readonly world: World;
  readonly topology: Topology;
  readonly standby: ReachedNode;
  readonly primary: ReachedNode;
  readonly links: readonly HoldingLink[];
  /** For making and advancing. */
  readonly remainingMs: () => number;
}

export const keepStandbySlots: SlotKeeper = async (task, world) => {
  const scene = sceneOf(task, world);
  const works = task.slots.map((kept) => {
    const mark = copyMarkOf(scene.standby, kept.slot.slotName);
    return { kept, work: decideCopyWork(kept, mark) };
  });
  const of = (...kinds: readonly string[]): readonly KeptSlot[] =>
    works.filter(({ work }) => kinds.includes(work.kind)).map(({ kept }) => kept);
  const left = works.flatMap(({ kept, work }) =>
    work.kind === "leave" && work.why !== null ? [[kept.slot.slotName, work.why] as const] : [],
  );
  const there = of("advance");
  const unadvanced = await advance(scene, there);
  const wanted = of("make", "remake");
  const unmade = await make(scene, wanted);
  const made = wanted.filter(({ slot }) => !unmade.has(slot.slotName));
  const unheld = await hold(scene, [
    ...there.filter((kept) => !isHeldAlready(scene, kept)),
    ...made,
  ]);
  return new Map([...left, ...unadvanced, ...unmade, ...unheld]);
};

function sceneOf(task: KeepTask, world: World): Scene {
  const looks = world.config.nodes.flatMap(({ name }) => world.lastSeen(name) ?? []);
  const topology = buildTopology(world.config.name, looks);
  const standby = reachedNode(topology, task.standby);
  const primary = reachedNode(topology, task.primary);
  if (standby === null || primary === null) throw new NotDone("a node was lost meanwhile");
  const links = holdingLinks(topology, task.standby, task.primary) ?? [];
  const reserve = Math.min(reserveMs, world.remainingMs() / 2);
  const remainingMs = () => world.remainingMs() - reserve;
  return { task, world, topology, standby, primary, links, remainingMs };
}

/** Held, and seen to be under this primary: to be seen again, it would have to be replayed to from a later point. */
function isHeldAlready(
  { topology, standby, primary, links }: Scene,
  { slot, copy, against }: KeptSlot,
): boolean {
  const needs = copy?.catalogXmin ?? null;
  if (against?.of === "settings") return false;
  const isMarked = provenAt({ standby, primary }, slot.slotName) !== null;
  return isMarked && needs !== null && linksHold(topology, links, needs);
}

type Failures = ReadonlyMap<string, string>;

function forAll(slots: readonly KeptSlot[], why: string): Failures {
  return new Map(slots.map(({ slot }) => [slot.slotName, why]));
}

/** To the consumer's position as it was read, and no further. */
async function advance(scene: Scene, slots: readonly KeptSlot[]): Promise<Failures> {
  const { task, world, remainingMs } = scene;
  const behind = slots.filter(({ slot, copy }) => {
    const [from, to] = [copy?.confirmedFlushLsn ?? null, slot.confirmedFlushLsn];
    return from !== null && to !== null && from < to;
  });
  return workInDatabases({
    standby: task.standby,
    slots: behind,
    world,
    remainingMs,
    work: async (session, { slot, copy }) => {
      const { slotName, confirmedFlushLsn: to } = slot;
      const from = copy?.confirmedFlushLsn ?? null;
      if (from === null || to === null) return null;
      const advanced = await advanceCopy(session, { slotName, from, to }, remainingMs);
      return advanced.done ? null : advanced.refusal.message;
    },
  });
}

async function make(scene: Scene, slots: readonly KeptSlot[]): Promise<Failures> {
  const { task, world, links, remainingMs } = scene;
  if (slots.length === 0) return new Map();
  const why = whyNoneCanBe(scene);
  if (why !== null) return forAll(slots, why);
  const told = await markCopies(task.standby, marksOf(scene, slots, null), world);
  if (!told.done) return forAll(slots, told.refusal.message);
  const { standby, primary } = task;
  return makeCopies({ standby, primary, slots, links, remainingMs }, world);
}

/** A copy comes to be as replay goes on. */
function whyNoneCanBe({ standby, remainingMs }: Scene): string | null {
  if (standby.replay === "paused") {
    return `replay is paused on ${standby.name}, and a copy comes to be only as it goes on`;
  }
  return whyLate(standby, remainingMs());
}

function marksOf(
  { primary }: Scene,
  slots: readonly KeptSlot[],
  heldFrom: Lsn | null,
): readonly CopyMark[] {
  const { timeline } = primary;
  if (timeline === null) return [];
  return slots.map(({ slot: { slotName } }) => ({ slotName, timeline, heldFrom }));
}

/** Has the rows held that these need, and marks from where on they were. A setting that is missing is so for all of them: then
 * nothing holds those rows, and what was marked before is no proof any more. */
async function hold(scene: Scene, slots: readonly KeptSlot[]): Promise<Failures> {
  const { task, world } = scene;
  const lacking = slots.filter(({ against }) => against?.of === "settings");
  if (lacking.length > 0) {
    const told = await markCopies(task.standby, marksOf(scene, lacking, null), world);
    return told.done ? new Map() : forAll(lacking, told.refusal.message);
  }
  if (slots.length === 0) return new Map();
  const why = await whyNotHeld(scene, slots);
  const heldFrom = why === null ? await logRunning(await world.session(task.primary)) : null;
  const told = await markCopies(task.standby, marksOf(scene, slots, heldFrom), world);
  if (!told.done) return forAll(slots, told.refusal.message);
  return why === null ? new Map() : forAll(slots, why);
}

async function whyNotHeld(scene: Scene, slots: readonly KeptSlot[]): Promise<string | null> {
  const { task, world, links } = scene;
  const copies = await readCopies(await world.session(task.standby));
  const needs = slots.flatMap(({ slot }) => copies.get(slot.slotName)?.catalogXmin ?? []);
  const [oldest] = needs.toSorted((a, b) => (isAtMost(a, b) ? -1 : 1));
  if (oldest === undefined) return "they are gone again";
  if (links.length === 0)
    return `no slots lead all the way from ${task.primary} to ${task.standby}`;
  const until = world.now() + Math.min(holdMs, world.remainingMs() / 2);
  for (const { below, above, slotName } of links) {
    const upper = await world.session(above);
    const isHeld = async (): Promise<boolean> => {
      const held = await readHeld(upper, slotName);
      return held !== null && isAtMost(held, oldest);
    };
    if (await isHeld()) continue;
    // A receiver that is told to read its settings sends its feedback at once.
    await reload(await world.session(below));
    if (!(await sees(isHeld, until, world))) {
      return `${below} did not have slot ${slotName} on ${above} hold what the copies need`;
    }
  }
  return null;
}

async function sees(look: () => Promise<boolean>, until: number, world: World): Promise<boolean> {
  const began = world.now();
  while (!(await look())) {
    if (world.now() >= until || world.signal.aborted) return false;
    await world.pause(nextPause(5, world.now() - began));
  }
  return true;
}
