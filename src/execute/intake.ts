// Stops a standby's intake of WAL and gives it back. Whether a node is still is read off its receiver and its startup
// process, never off the mark alone.

import { checkSettings } from "../plan/checks.ts";
import type { QuiesceStep, UnquiesceStep } from "../plan/step.ts";
import { isSettledElsewhere, pointingUnder, unpoint } from "../postgres/follow.ts";
import { pollFor } from "../postgres/poll.ts";
import { observePosition, type PositionLook } from "../postgres/position.ts";
import { judgeQuiesce, quiesce, unquiesce, unquiesceHolds } from "../postgres/quiesce.ts";
import { readMarks } from "../conninfo/override.ts";
import { reload, reloadAll } from "../postgres/settings.ts";
import type { Observation } from "../topology/node.ts";
import { mustAct, mustFinish } from "./acting.ts";
import type { Memory } from "./memory.ts";
import { type Performer, Unfinished } from "./performer.ts";
import { dropMadeSlots } from "./slots.ts";
import { releaseForGood, settleSlots } from "./told-slots.ts";
import { bearsUnloadedMark } from "./unloaded.ts";
import type { World } from "./world.ts";

/** The old value is under the mark alone: one that a dead operator settled, and did not load, is gone with the next reload. */
function rememberPointing(node: string, look: PositionLook, { pointings }: Memory): void {
  const { repointing, exchanging } = readMarks(look.primaryConninfo ?? "");
  if (repointing === null || exchanging || pointings.has(node)) return;
  pointings.set(node, pointingUnder(look));
}

/** Where this run has settled the node elsewhere, what it named before: that belongs under a mark that the undo puts back. */
export async function unsettled(
  node: string,
  look: PositionLook,
  { world, memory }: { readonly world: World; readonly memory: Memory },
): Promise<PositionLook> {
  const before = memory.pointings.get(node);
  if (before === undefined || !isSettledElsewhere(look, before)) return look;
  const session = await world.session(node);
  mustFinish(await unpoint(session, before, look));
  if (!(await reloadAll(session, { timeoutMs: world.remainingMs() }))) {
    throw new Unfinished(`${node} was not seen to take its former settings`);
  }
  return observePosition(session);
}

/** As far as the look shows on which the plan rests: the server would refuse what has changed since. */
function isChangeable(seen: Observation | null): boolean {
  return seen?.reachable === true && checkSettings(seen).length === 0;
}

/** Before 16 the postmaster may sleep through what it is to start for a startup process that tries its new setting, for up
 * to a minute, and that process waits for it (2 of 4,433 on 15): any signal wakes it. */
export const restNudge = { everyMs: 50, push: reload } as const;

export function createQuiescePerformer(memory: Memory): Performer<QuiesceStep> {
  const looks = new Map<string, PositionLook>();
  return {
    pollMs: 2,
    nudge: {
      everyMs: restNudge.everyMs,
      push: async (step, world) => restNudge.push(await world.session(step.node)),
    },

    async holds(step, world) {
      const look = await observePosition(await world.session(step.node));
      looks.set(step.node, look);
      const held = judgeQuiesce(look);
      if (held.holds) memory.resting.set(step.node, look);
      return held;
    },

    async act(step, world) {
      const session = await world.session(step.node);
      const seen = looks.get(step.node);
      const look =
        seen === undefined ? undefined : await unsettled(step.node, seen, { world, memory });
      memory.unsure.add(step.node);
      const result = await quiesce(session, {
        blockers: step.cancelQueries ? "end" : "keep",
        timeoutMs: world.remainingMs(),
        signal: world.signal,
        ...(isChangeable(world.lastSeen(step.node)) ? { settings: "checked" } : {}),
        ...(look === undefined ? {} : { look }),
      });
      // Done or refused: what became of it is known.
      memory.unsure.delete(step.node);
      mustAct(result);
      memory.changeable.add(step.node);
    },

    /** A node that was quiesced before the run is brought back to that: what was made for it elsewhere goes. */
    async settle({ node }, world) {
      memory.unsure.delete(node);
      if (!memory.slots.has(node)) return;
      const look = await observePosition(await world.session(node));
      if (readMarks(look.primaryConninfo ?? "").slotsAt.length > 0) {
        await settleSlots(node, look, { world, memory });
      }
      await dropMadeSlots(node, { world, memory });
    },
  };
}

/** What a receiver may need to come back, milliseconds. */
const comeBackMs = 500;

/** Where there is a primary, its receiver comes back now, and not after wal_retrieve_retry_interval: a first attempt finds the slot
 * still in use by the connection before. Whether it does is not for the one who took the marks away to prove. */
async function untilReceives(name: string, world: World): Promise<void> {
  const leads = ({ name }: { readonly name: string }): boolean => {
    const seen = world.lastSeen(name);
    return seen?.reachable === true && seen.role === "primary";
  };
  if (!world.config.nodes.some(leads)) return;
  const session = await world.session(name);
  let looks = 0;
  const receives = async (): Promise<true | null> => {
    const look = await observePosition(session);
    if (look.role === "primary" || look.receiver?.status === "streaming") return true;
    looks += 1;
    if (looks % 6 === 0) await reload(session);
    return null;
  };
  const timeoutMs = Math.min(comeBackMs, world.remainingMs());
  await pollFor(receives, { timeoutMs, signal: world.signal, everyMs: 5 });
}

/** Takes away every mark, also that of a repoint which was not settled, and first the slots of which it tells; and, as the
 * undo of a run, what that run has settled. */
export function createUnquiescePerformer(memory: Memory): Performer<UnquiesceStep> {
  return {
    pollMs: 5,

    async holds(step, world) {
      const session = await world.session(step.node);
      const look = await observePosition(session);
      const before = memory.pointings.get(step.node);
      const told = readMarks(look.primaryConninfo ?? "").repointing !== null;
      if (told || (before !== undefined && isSettledElsewhere(look, before))) {
        return { holds: false, why: `${step.node} is still told of another upstream` };
      }
      const held = await unquiesceHolds(session);
      return held.holds && (await bearsUnloadedMark(session))
        ? { holds: false, why: `the files of ${step.node} bear a mark that is not in force` }
        : held;
    },

    async act(step, world) {
      const session = await world.session(step.node);
      rememberPointing(step.node, await observePosition(session), memory);
      // What a dead operator wrote and did not load is to be seen by what follows.
      await reloadAll(session, { timeoutMs: world.remainingMs() });
      const look = await observePosition(session);
      await releaseForGood(step.node, look, { world, memory });
      mustAct(await unpoint(session, memory.pointings.get(step.node) ?? null, look));
      mustFinish(await unquiesce(session, { timeoutMs: world.remainingMs() }));
    },

    async settle({ node }, world) {
      await dropMadeSlots(node, { world, memory });
      await untilReceives(node, world);
    },
  };
}
