// Holds writes off a primary and lets them back. The fence holds when every layer is in force and nobody is left who wrote
// before; then the end of what was written is taken, and the log is watched behind it.

import type { FenceStep, UnfenceStep } from "../plan/step.ts";
import { fence, fencedPosition, fenceHolds, unfence } from "../postgres/fence.ts";
import { observePosition } from "../postgres/position.ts";
import { findForeignWrites } from "../postgres/watch.ts";
import { formatPosition } from "../wal/position.ts";
import { mustAct, mustFinish } from "./acting.ts";
import type { Memory } from "./memory.ts";
import type { Performer } from "./performer.ts";
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

async function noteForeignWrites(step: FenceStep, { fenced }: Memory, world: World): Promise<void> {
  const position = fenced.get(step.node);
  if (position === undefined) return;
  await world.pause(Math.min(watchMs, world.remainingMs()));
  const { conninfo } = nodeConfig(world, step.node);
  const { has } = await observePosition(await world.session(step.node));
  if (has === null || has <= position.lsn) return;
  const found = await findForeignWrites(conninfo, {
    from: position,
    until: has,
    timeoutMs: world.remainingMs(),
  });
  if (found === null) return;
  world.note({
    code: "written-past-fence",
    severity: "problem",
    node: step.node,
    message: `${step.node} was written to behind ${formatPosition(position)}, at ${formatPosition(found)}`,
    hint: `find out who writes: SELECT * FROM pg_stat_activity WHERE backend_xid IS NOT NULL`,
  });
}

export function createFencePerformer(memory: Memory): Performer<FenceStep> {
  return {
    pollMs: 2,

    async holds(step, world) {
      const session = await world.session(step.node);
      const held = await fenceHolds(session, step.spare);
      if (!held.holds) return held;
      const position = memory.fenced.get(step.node) ?? (await fencedPosition(session));
      memory.fenced.set(step.node, position);
      return { holds: true, detail: formatPosition(position) };
    },

    async act(step, world) {
      const session = await world.session(step.node);
      mustAct(await fence(session, { ...limits(step.node, world), spare: step.spare }));
    },

    async settle(step, world) {
      await noteForeignWrites(step, memory, world);
    },
  };
}

export function createUnfencePerformer({ fenced }: Memory): Performer<UnfenceStep> {
  return {
    pollMs: 5,

    async holds({ node }, world) {
      const [seen] = await world.observe([node]);
      if (seen?.reachable !== true) return { holds: false, why: `${node} cannot be reached` };
      return seen.marks.fenced
        ? { holds: false, why: `${node} bears the fence mark` }
        : { holds: true, detail: null };
    },

    async act({ node }, world) {
      const session = await world.session(node);
      mustFinish(await unfence(session, limits(node, world)));
      fenced.delete(node);
    },
  };
}
