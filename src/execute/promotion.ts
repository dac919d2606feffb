// Promotes one node. The request is made once; what follows is looking, with a reload after 5 ms and every 20 ms: a request
// that lands between the receiver's end and the startup process's retry wait would else sleep out
// wal_retrieve_retry_interval (5 s); right behind a primary's shutdown one in four does (18). Never answers "failed" for a promotion that was asked for: it may come any time later.

import { possiblePrimaries } from "../plan/checks.ts";
import type { PromoteStep } from "../plan/step.ts";
import { giveBackSettings, readFenceMark, unfence } from "../postgres/fence.ts";
import { unpoint } from "../postgres/follow.ts";
import { observePosition } from "../postgres/position.ts";
import { readWritePosition, requestPromotion } from "../postgres/promote.ts";
import { giveBackRestoreCommand, unquiesce } from "../postgres/quiesce.ts";
import { reload, resetMark } from "../postgres/settings.ts";
import { buildStructure } from "../topology/topology.ts";
import { formatPosition, type Position } from "../wal/position.ts";
import { mustAct, mustFinish } from "./acting.ts";
import { noteForeignWrites } from "./fencing.ts";
import type { Memory } from "./memory.ts";
import { NotDone, type Performer } from "./performer.ts";
import { leftText, releaseSlots } from "./told-slots.ts";
import { findRival } from "./rival.ts";
import type { World } from "./world.ts";

export function createPromotePerformer({
  fenced,
  closedAt,
  closed,
}: Pick<Memory, "fenced" | "closedAt" | "closed">): Performer<PromoteStep> {
  return {
    pollMs: 2,
    nudge: {
      firstMs: 5,
      everyMs: 20,
      push: async (step, world) => {
        await reload(await world.session(step.node));
      },
    },

    async holds(step, world) {
      const position = await readWritePosition(await world.session(step.node));
      return position === null
        ? { holds: false, why: `${step.node} is still in recovery` }
        : { holds: true, detail: formatPosition(position) };
    },

    async act(step, world) {
      const session = await world.session(step.node);
      // Who has just handed over is no rival.
      const handed = handedOver(step, fenced, world);
      const others = world.reached().filter((name) => name !== step.node && !handed.has(name));
      // Side by side: in a switchover nobody takes writes meanwhile.
      const [back, rival, look] = await Promise.all([
        findReturned(world),
        findRival(others, world),
        observePosition(session),
      ]);
      if (rival !== null) throw new NotDone(`${rival} was promoted, or is about to be`);
      if (back !== null)
        throw new NotDone(`PostgreSQL answers again at ${back}, which may be the primary`);
      // Without its restore_command it cannot see the archive's history files, and would take a timeline a second time.
      const patience = { timeoutMs: world.remainingMs() / 2 };
      mustAct(await giveBackRestoreCommand(session, { ...patience, look }));
      if (isToBeOpened(step, world)) {
        mustAct(await giveBackSettings(session, await readFenceMark(session)));
      }
      const refusal = await requestPromotion(session);
      if (refusal !== null) throw new NotDone(refusal.message);
    },

    /** On a primary the setting rests, but a mark left there would still it when it is a standby again. */
    async settle(step, world) {
      if (!closed.has(step.node)) {
        if (closedAt.ms !== null) world.measured("writesStopped", world.now() - closedAt.ms);
        closedAt.ms = null;
      }
      if (isToBeOpened(step, world)) await open(step.node, world);
      // What got past a fence is told whatever becomes of the marks.
      for (const [node, position] of handedOver(step, fenced, world)) {
        if (world.reached().includes(node)) await watch(node, position, world);
      }
      await clearMarks(step.node, world);
    },
  };
}

/** A run that was cut short has closed it, and another one has it lead now. */
function isToBeOpened({ node, closed }: PromoteStep, world: World): boolean {
  const seen = world.lastSeen(node);
  return closed !== true && seen?.reachable === true && seen.marks.awaits !== undefined;
}

/** What was taken away in the catalogues can be given back once it leads. */
async function open(node: string, world: World): Promise<void> {
  const openIn = (database: string) => world.sessionIn(node, database);
  mustFinish(await unfence(await world.session(node), { timeoutMs: world.remainingMs(), openIn }));
}

async function watch(node: string, position: Position, world: World): Promise<void> {
  try {
    await noteForeignWrites(node, position, world);
  } catch (error) {
    world.note({
      code: "fence-not-watched",
      severity: "problem",
      node,
      message: `whether ${node} was written to behind its fence, at ${formatPosition(position)}, is not known: ${error instanceof Error ? error.message : String(error)}`,
      hint: `compare what was written on ${node} since, before it is brought back`,
    });
  }
}

/** Where the writes of those ended that are fenced: by this run, or by whoever knows the position that is required. */
function handedOver(
  { require }: PromoteStep,
  fenced: Memory["fenced"],
  world: World,
): Memory["fenced"] {
  if (require === null) return fenced;
  const known = world.reached().filter((name) => {
    const seen = world.lastSeen(name);
    return seen?.reachable === true && seen.role === "primary" && seen.marks.fenced;
  });
  return new Map([...known.map((name) => [name, require] as const), ...fenced]);
}

/** An exchange takes its time, and a service manager may have started the old primary meanwhile. Asked again is only where
 * nobody listened: that is told at once. */
async function findReturned(world: World): Promise<string | null> {
  const seen = world.config.nodes.map(({ name }) => world.lastSeen(name));
  const topology = buildStructure(
    world.config.name,
    seen.filter((node) => node !== null),
  );
  const silent = possiblePrimaries(topology).filter(
    (name) => topology.nodes.get(name)?.answer === "refused",
  );
  if (silent.length === 0) return null;
  const back = (await world.observe(silent)).find((node) =>
    node.reachable ? node.role === "primary" : node.speaksPostgres,
  );
  return back?.name ?? null;
}

async function clearMarks(node: string, world: World): Promise<void> {
  const session = await world.session(node);
  mustFinish(await resetMark(session, "remaster.demoted"));
  const look = await observePosition(session);
  const { left } = await releaseSlots(node, look, world);
  // The mark rests on a primary as well, and is all that tells of the slot: it goes when the slot has.
  if (left.length > 0) throw new Error(left.map(leftText).join("; "));
  mustFinish(await unpoint(session, null, look));
  mustFinish(await unquiesce(session, { timeoutMs: 1000 }));
}
