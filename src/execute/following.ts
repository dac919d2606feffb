// Gives a standby another upstream. The slot comes first: a first attempt that fails costs wal_retrieve_retry_interval.
// Done when the standby is seen to follow; then the setting is settled, which starts its receiver anew, so it is seen
// to follow once more.

import type { Address } from "../conninfo/conninfo.ts";
import { readMarks } from "../conninfo/override.ts";
import type { SettleNote } from "../conninfo/settle.ts";
import type { RepointStep } from "../plan/step.ts";
import {
  followState,
  isSettledElsewhere,
  namesAlone,
  pointAt,
  pointingUnder,
  readUpstream,
  settle,
  settleHolds,
  untilReceiverEnds,
} from "../postgres/follow.ts";
import { observePosition, type PositionLook } from "../postgres/position.ts";
import type { Session } from "../postgres/session.ts";
import { reload, reloadAll, resetMark } from "../postgres/settings.ts";
import type { SlotEnsured } from "../postgres/slots.ts";
import { sameAddress } from "../topology/edges.ts";
import type { Observation } from "../topology/node.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import type { Lsn } from "../wal/lsn.ts";
import { mustAct, mustFinish, waitFor } from "./acting.ts";
import { unsettled } from "./intake.ts";
import type { Memory } from "./memory.ts";
import type { Holding, Performer } from "./performer.ts";
import { makeSlot } from "./slots.ts";
import { dropSlotsAt, nodeOfSlot, tellOfForgotten } from "./told-slots.ts";
import { bearsUnloadedMark } from "./unloaded.ts";
import { answers, nodeConfig, type World } from "./world.ts";

interface Run {
  readonly world: World;
  readonly memory: Memory;
}

interface Pair {
  readonly standby: Session;
  readonly upstream: Session;
}

async function sessions(step: RepointStep, world: World): Promise<Pair> {
  const [standby, upstream] = await Promise.all([world.session(step.node), world.session(step.to)]);
  return { standby, upstream };
}

/** The standby bears our mark with this upstream, or names it without a mark. */
function isTold({ primaryConninfo }: PositionLook, upstream: Address): boolean {
  const { repointing, exchanging } = readMarks(primaryConninfo ?? "");
  if (repointing !== null) return !exchanging && sameAddress(repointing, upstream);
  return namesAlone(primaryConninfo ?? "", upstream);
}

/** What the upstream had when the standby was first found not to follow: under steady writes what it has now stays out of
 * reach. */
type Marks = Map<string, Lsn>;

async function follows(step: RepointStep, world: World, marks: Marks): Promise<Holding> {
  const { standby, upstream } = await sessions(step, world);
  const address = nodeConfig(world, step.to).replication;
  const atLeast = marks.get(step.node);
  const held = await followState(standby, upstream, {
    slotName: null,
    address,
    ...(atLeast === undefined ? {} : { atLeast }),
  });
  if (held.holds || atLeast !== undefined) return held;
  const above = await readUpstream(upstream);
  if (above !== null) marks.set(step.node, above.lsn);
  return held;
}

function hasSlot(seen: Observation | null, slotName: string): boolean {
  return seen?.reachable === true && seen.slots.some((slot) => slot.slotName === slotName);
}

function ensureOwnSlot(step: RepointStep, look: PositionLook, run: Run): Promise<SlotEnsured> {
  const slotName = physicalSlotName(step.node, look.primarySlotName);
  return makeSlot(step.node, { upstream: step.to, slotName }, run);
}

async function tell(step: RepointStep, look: PositionLook, { world, memory }: Run): Promise<void> {
  const standby = await world.session(step.node);
  const slotName = physicalSlotName(step.node, look.primarySlotName);
  const make = () => ensureOwnSlot(step, look, { world, memory });
  const isThere = () => answers(step.node, world);
  const there = hasSlot(world.lastSeen(step.to), slotName) ? await make() : null;
  if (there !== null) mustAct(there);
  const isOld = there?.done === true && !there.made;
  const pointed = await pointAt(standby, {
    upstream: nodeConfig(world, step.to).replication,
    slotName,
    look,
    ...(isOld
      ? {}
      : { makeSlot: { on: step.to, make: async () => there ?? (await make()), answers: isThere } }),
    ...(memory.changeable.has(step.node) ? { settings: "checked" } : {}),
  });
  mustAct(pointed);
  // The first telling of a run knows what was there before it.
  if (pointed.done && !memory.pointings.has(step.node)) {
    memory.pointings.set(step.node, pointed.before);
  }
}

function isMarkedAnywhere({ primaryConninfo }: PositionLook): boolean {
  return readMarks(primaryConninfo ?? "").repointing !== null;
}

/** The receiver that it had may come from the same address, and is not the one that is waited for. */
async function untilLetGo(
  { node, until }: RepointStep,
  { receiver }: PositionLook,
  world: World,
): Promise<void> {
  if (until === "set" || receiver === null) return;
  await untilReceiverEnds(await world.session(node), receiver.pid, {
    timeoutMs: world.remainingMs(),
    signal: world.signal,
  });
}

/** What its mark tells of on other nodes goes before the mark does: the standby streams from there no more. */
async function dropOthers(step: RepointStep, look: PositionLook, world: World): Promise<void> {
  const told = readMarks(look.primaryConninfo ?? "").slotsAt;
  const slotsAt = told.filter((place) => nodeOfSlot(place, world) !== step.to);
  const { left } = await dropSlotsAt(step.node, { look, slotsAt }, world);
  for (const slot of left) world.note(tellOfForgotten(slot));
}

/** What a standby that was seen to stream has shown to be in order. */
const proven: readonly SettleNote["kind"][] = ["password-file", "certificate-name"];

/** Taken back to the mark that it bore, a node that this run has settled there is told anew. */
function stillTold(node: string, look: PositionLook, { pointings }: Memory): Holding {
  const before = pointings.get(node);
  return before !== undefined && isSettledElsewhere(look, before)
    ? { holds: false, why: `${node} is settled there` }
    : { holds: true, detail: null };
}

async function settleSetting(step: RepointStep, world: World): Promise<void> {
  const session = await world.session(step.node);
  const address = nodeConfig(world, step.to).replication;
  const settled = await settle(session, address, { timeoutMs: world.remainingMs() });
  mustAct(settled);
  if (!settled.done) return;
  for (const note of settled.notes.filter(({ kind }) => !proven.includes(kind))) {
    world.note({
      code: "upstream-setting",
      severity: "note",
      node: step.node,
      message: `primary_conninfo of ${step.node}: ${note.message}`,
    });
  }
}

export function createRepointPerformer(memory: Memory): Performer<RepointStep> {
  const nudge = {
    everyMs: 30,
    push: async (step: RepointStep, world: World): Promise<void> => {
      await reload(await world.session(step.node));
    },
  };
  const looks = new Map<string, PositionLook>();
  const marks: Marks = new Map();
  const lookAt = async (step: RepointStep, world: World): Promise<PositionLook> => {
    const look = await observePosition(await world.session(step.node));
    looks.set(step.node, look);
    return look;
  };
  /** Loaded, what may have been written shows. */
  const knownLook = async (step: RepointStep, world: World): Promise<PositionLook> => {
    const seen = looks.get(step.node);
    if (seen !== undefined && !memory.unsure.has(step.node)) return seen;
    if (memory.unsure.has(step.node)) {
      await reloadAll(await world.session(step.node), { timeoutMs: world.remainingMs() });
      memory.unsure.delete(step.node);
    }
    return lookAt(step, world);
  };
  return {
    pollMs: 2,
    nudge,

    async holds(step, world) {
      if (memory.unsure.has(step.node)) {
        return { holds: false, why: `what was written to the files of ${step.node} is not known` };
      }
      const address = nodeConfig(world, step.to).replication;
      const look = await lookAt(step, world);
      if (!isTold(look, address)) {
        return { holds: false, why: `${step.node} has not been told of ${step.to}` };
      }
      if (step.until === "set") return stillTold(step.node, look, memory);
      const session = await world.session(step.node);
      if (step.until === "stream") return follows(step, world, marks);
      const settled = await settleHolds(session, address);
      const held = settled.holds ? await follows(step, world, marks) : settled;
      if (!held.holds || !(await bearsUnloadedMark(session))) return held;
      memory.unsure.add(step.node);
      return { holds: false, why: `the files of ${step.node} bear a mark that is not in force` };
    },

    async act(step, world) {
      const look = await unsettled(step.node, await knownLook(step, world), { world, memory });
      if (!isTold(look, nodeConfig(world, step.to).replication)) {
        await tell(step, look, { world, memory });
        await untilLetGo(step, look, world);
      } else if (step.until !== "set" && (look.primarySlotName ?? "") !== "") {
        // Whoever told it may have been cut short before the slot was made.
        mustFinish(await ensureOwnSlot(step, look, { world, memory }));
      }
      if (step.until === "set") return;
      // What an earlier run told it is taken back to what it named before as well.
      if (!memory.pointings.has(step.node) && isMarkedAnywhere(look)) {
        memory.pointings.set(step.node, pointingUnder(look));
      }
      await waitFor(() => follows(step, world, marks), world, {
        pollMs: 2,
        nudge: { everyMs: nudge.everyMs, push: () => nudge.push(step, world) },
      });
      if (step.until === "stream") return;
      await dropOthers(step, look, world);
      await settleSetting(step, world);
    },

    /** A former primary that follows for good is no longer on its way. */
    async settle({ node, until }, world) {
      const seen = world.lastSeen(node);
      if (until !== "follow" || seen?.reachable !== true || seen.marks.demoted !== true) return;
      const session = await world.session(node);
      mustFinish(await resetMark(session, "remaster.demoted"));
      await reload(session);
    },
  };
}
