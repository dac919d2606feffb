// Holds writes off a primary and lets them back. The fence holds when every layer is in force and nobody is left who wrote
// before; then the end of what was written is taken, and the log is watched behind it.

import type { FenceStep, UnfenceStep } from "../plan/step.ts";
import { untilReplayed } from "../postgres/ending.ts";
import {
  fence,
  fencedPosition,
  fenceHolds,
  readFenceMark,
  reopen,
  reopenLacks,
  unfence,
} from "../postgres/fence.ts";
import { consumersBehind } from "../postgres/consumer-slots.ts";
import { observePosition } from "../postgres/position.ts";
import { readWritePosition } from "../postgres/promote.ts";
import { findForeignWrites } from "../postgres/watch.ts";
import { segmentSizeOf } from "../topology/settings.ts";
import { formatPosition, type Position } from "../wal/position.ts";
import { mustAct, mustFinish } from "./acting.ts";
import type { Memory } from "./memory.ts";
import { tellOfUnmade } from "./new-slots.ts";
import { type Holding, type Performer, Unfinished } from "./performer.ts";
import { mustBeAlone } from "./rival.ts";
import { nodeConfig, type World } from "./world.ts";

function limits(node: string, world: World) {
  return {
    timeoutMs: world.remainingMs(),
    signal: world.signal,
    openIn: (database: string) => world.sessionIn(node, database),
  };
}

/** How long the log is watched behind the position, milliseconds. */
const watchMs = 100;

/** What was written to a node behind the position at which it was fenced. */
export async function noteForeignWrites(
  node: string,
  position: Position,
  world: World,
): Promise<void> {
  const { conninfo } = nodeConfig(world, node);
  const { has } = await observePosition(await world.session(node));
  if (has === null || has <= position.lsn) return;
  const seen = world.lastSeen(node);
  const found = await findForeignWrites(conninfo, {
    from: position,
    until: has,
    ...(seen?.reachable === true ? { segmentSize: segmentSizeOf(seen) } : {}),
    timeoutMs: world.remainingMs(),
  });
  if (found === null) return;
  world.note({
    code: "written-past-fence",
    severity: "problem",
    node,
    message: `${node} was written to behind ${formatPosition(position)}, at ${formatPosition(found)}`,
    hint: `find out who writes: SELECT * FROM pg_stat_activity WHERE backend_xid IS NOT NULL`,
  });
}

/** How long the arrival is waited for between two looks at the fence, milliseconds. */
const arrivalMs = 50;

/** Everything that was written is where it is to be. */
async function arrived({ to }: FenceStep, position: Position, world: World): Promise<Holding> {
  const at = formatPosition(position);
  if (to === undefined) return { holds: true, detail: at };
  // Not the whole fence is looked at again for each look at the other: nobody takes writes meanwhile.
  const timeoutMs = Math.min(arrivalMs, world.remainingMs());
  const has = await untilReplayed(await world.session(to), position.lsn, { timeoutMs });
  return has ? { holds: true, detail: at } : { holds: false, why: `${to} has not replayed ${at}` };
}

/** Of the time that is left once nobody writes: the promotion is still to come, or the way back. */
const share = 1 / 2;

/** Consumers that have confirmed everything lack nothing where another slot of theirs begins later. */
async function confirmed(
  { node, confirmed: slots = [] }: FenceStep,
  position: Position,
  { world, until }: { readonly world: World; readonly until: number },
): Promise<Holding> {
  const at = formatPosition(position);
  if (slots.length === 0) return { holds: true, detail: at };
  const behind = await consumersBehind(await world.session(node), slots, position.lsn);
  if (behind.length === 0) return { holds: true, detail: at };
  const why = `${node} was fenced at ${at}, and ${behind.join(", ")}`;
  return world.now() < until ? { holds: false, why } : { holds: false, why, hopeless: true };
}

/** The catalogues are shared: what the fence of the one took away is missing on the other. */
function createReopening(world: World, of: string) {
  const markOf = async () => readFenceMark(await world.session(of));
  return {
    holds: async (node: string): Promise<Holding> => {
      const mark = await markOf();
      if (mark === null) return { holds: true, detail: null };
      const lacks = await reopenLacks(await world.session(node), mark);
      return lacks.length === 0
        ? { holds: true, detail: null }
        : { holds: false, why: `still closed on ${node}: ${lacks.join(", ")}` };
    },
    act: async (node: string): Promise<void> => {
      const mark = await markOf();
      if (mark === null) return;
      mustFinish(await reopen(await world.session(node), mark, limits(node, world)));
    },
  };
}

export function createFencePerformer(memory: Memory): Performer<FenceStep> {
  const patience = new Map<FenceStep, number>();
  return {
    pollMs: 2,

    async holds(step, world) {
      const session = await world.session(step.node);
      const held = await fenceHolds(session, step.spare);
      if (!held.holds) return held;
      const position = memory.fenced.get(step.node) ?? (await fencedPosition(session));
      memory.fenced.set(step.node, position);
      const until = patience.get(step) ?? world.now() + world.remainingMs() * share;
      patience.set(step, until);
      const there = await arrived(step, position, world);
      return there.holds ? confirmed(step, position, { world, until }) : there;
    },

    async act(step, world) {
      const session = await world.session(step.node);
      memory.closedAt.ms = world.now();
      const done = await fence(session, { ...limits(step.node, world), spare: step.spare });
      if (!done.done && done.left === true) throw new Unfinished(done.refusal.message);
      mustAct(done);
    },

    async settle(step, world) {
      const position = memory.fenced.get(step.node);
      // Where another node is about to lead, the log is watched until it does.
      if (position === undefined || step.to !== undefined) return;
      await world.pause(Math.min(watchMs, world.remainingMs()));
      await noteForeignWrites(step.node, position, world);
    },
  };
}

/** Primaries that handed over to the node: it leads closed, and they are fenced. Of another one that is fenced nobody has. */
async function predecessorsOf(
  node: string,
  { fenced }: Memory,
  world: World,
): Promise<readonly string[]> {
  const mark = await readFenceMark(await world.session(node));
  if (mark?.awaits === undefined) return [];
  return world.reached().filter((name) => {
    const seen = world.lastSeen(name);
    if (seen?.reachable !== true || seen.role !== "primary") return false;
    return fenced.has(name) || (seen.marks.fenced && seen.marks.awaits === undefined);
  });
}

export function createUnfencePerformer(memory: Memory): Performer<UnfenceStep> {
  const { fenced, closed, closedAt } = memory;
  return {
    pollMs: 5,

    async holds({ node, of }, world) {
      if (of !== undefined) return createReopening(world, of).holds(node);
      const [seen] = await world.observe([node]);
      if (seen?.reachable !== true) return { holds: false, why: `${node} cannot be reached` };
      return seen.marks.fenced
        ? { holds: false, why: `${node} bears the fence mark` }
        : { holds: true, detail: null };
    },

    async act({ node, of }, world) {
      if (of !== undefined) return createReopening(world, of).act(node);
      const session = await world.session(node);
      const leads = (await readWritePosition(session)) !== null;
      // A standby takes no writes, whoever leads.
      if (leads) {
        await mustBeAlone(node, world, await predecessorsOf(node, memory, world));
        await tellOfUnmade(node, memory, world);
      }
      mustFinish(await unfence(session, limits(node, world)));
      fenced.delete(node);
      if (closed.delete(node) && leads && closedAt.ms !== null) {
        world.measured("writesStopped", world.now() - closedAt.ms);
        closedAt.ms = null;
      }
    },
  };
}
