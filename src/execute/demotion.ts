// Hands the lead over: shuts a primary down cleanly so that it comes back as a standby, sees that the one who is to lead has
// everything, and brings the old primary back. The shutdown itself is the fence: from the request on the server lets nobody
// in and ends whoever writes, and what was acknowledged is in the log before the shutdown checkpoint (13 to 18).
// standby.signal is put there last, just before the stop: a crash in between would bring the node back read-only.

import type { ServerControl } from "../host/control.ts";
import type { CheckpointStep, DemoteStep, ReinstateStep } from "../plan/step.ts";
import { type Ending, untilReplayed, watchEnding } from "../postgres/ending.ts";
import { pointAt, unpoint } from "../postgres/follow.ts";
import { observePosition, type PositionLook } from "../postgres/position.ts";
import { unquiesce } from "../postgres/quiesce.ts";
import { QueryError, type Session } from "../postgres/session.ts";
import {
  alterMark,
  readMark,
  reload,
  reloadAll,
  resetMark,
  resetSystem,
} from "../postgres/settings.ts";
import { type SignalFile, signalThrough } from "../postgres/standby-signal.ts";
import { segmentSizeOf } from "../topology/settings.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { formatPosition } from "../wal/position.ts";
import { readMarks } from "../conninfo/override.ts";
import { mustAct, mustFinish } from "./acting.ts";
import type { Memory } from "./memory.ts";
import { NotDone, type Performer, Unfinished } from "./performer.ts";
import { dropMadeSlots, makeSlot } from "./slots.ts";
import { releaseForGood } from "./told-slots.ts";
import { mustBeAlone } from "./rival.ts";
import { answers, nodeConfig, type World } from "./world.ts";

/** There is always something to write: whoever asks for a checkpoint gets one. */
export function createCheckpointPerformer(): Performer<CheckpointStep> {
  // A plan may ask for a second one.
  const written = new Set<CheckpointStep>();
  return {
    pollMs: 5,

    holds: (step) =>
      Promise.resolve(
        written.has(step)
          ? { holds: true, detail: null }
          : { holds: false, why: `${step.node} has not written a checkpoint` },
      ),

    async act(step, world) {
      const session = await world.session(step.node);
      await session
        .query("CHECKPOINT", [], { timeoutMs: Math.max(1, world.remainingMs()) })
        .catch((error: unknown) => {
          if (!(error instanceof QueryError) || error.sqlstate !== "42501") throw error;
          throw new NotDone(`the role may not write a checkpoint on ${step.node} (pg_checkpoint)`);
        });
      written.add(step);
    },
  };
}

export async function controlOf(node: string, world: World): Promise<ServerControl> {
  const control = await world.control(nodeConfig(world, node));
  if (control === null) throw new NotDone(`there is no control of ${node}`);
  return control;
}

/** By its machine where the topology file says where the files are, else by the server itself. */
async function signalOf(node: string, control: ServerControl, world: World): Promise<SignalFile> {
  return control.standbySignal ?? signalThrough(await world.session(node));
}

/** What a node of this cluster connects with: what it connected with before it led, else what the other does. */
function conninfoFor(node: string, own: PositionLook, other: PositionLook): string | null {
  const before = readMarks(own.primaryConninfo ?? "").base;
  if (before !== "") return own.primaryConninfo;
  const base = readMarks(other.primaryConninfo ?? "").base;
  return base === "" ? null : `${base} application_name=${node}`;
}

/** What the mark says of primary_conninfo before: a value of its own stands under the override, or there was none. */
const demotion = { told: "on", bare: "unset" } as const;

/** Tells the primary whom it follows from its next start on, with its slot there. */
async function tell(step: DemoteStep, look: PositionLook, run: Run): Promise<void> {
  const { world } = run;
  const [session, successor] = await Promise.all([
    world.session(step.node),
    world.session(step.to),
  ]);
  const conninfo = conninfoFor(step.node, look, await observePosition(successor));
  if (conninfo === null) throw new NotDone(`${step.to} has no primary_conninfo to take over`);
  const slotName = physicalSlotName(step.node, look.primarySlotName);
  // Whoever was cut short has said what was before.
  const isBare = readMarks(look.primaryConninfo ?? "").base === "";
  const was =
    (await readMark(session, "remaster.demoted")) || (isBare ? demotion.bare : demotion.told);
  mustAct(await alterMark(session, "remaster.demoted", was));
  const pointed = await pointAt(session, {
    upstream: nodeConfig(world, step.to).replication,
    slotName,
    look: { ...look, primaryConninfo: conninfo },
    makeSlot: {
      on: step.to,
      make: () => makeSlot(step.node, { upstream: step.to, slotName }, run),
      answers: () => answers(step.node, world),
    },
  });
  mustAct(pointed);
  if (pointed.done) run.memory.pointings.set(step.node, pointed.before);
}

interface Run {
  readonly world: World;
  readonly memory: Memory;
}

/** Stops it cleanly, and gives how its log ended. */
async function shutDown(
  step: DemoteStep,
  control: ServerControl,
  { world, memory }: Run,
): Promise<Ending> {
  const { conninfo } = nodeConfig(world, step.node);
  const successor = await world.session(step.to);
  const { replayLsn } = await observePosition(successor);
  const [seen] = await world.observe([step.node]);
  if (seen?.reachable !== true || seen.timeline === null || replayLsn === null) {
    throw new NotDone(`what ${step.node} and ${step.to} have is not known`);
  }
  const limit = { timeoutMs: world.remainingMs(), signal: world.signal };
  await using watch = await watchEnding(conninfo, {
    ...limit,
    from: { timeline: seen.timeline, lsn: replayLsn },
    segmentSize: segmentSizeOf(seen),
  });
  await (await signalOf(step.node, control, world)).put();
  const onRequest = (): void => {
    memory.closedAt.ms ??= world.now();
    world.ends(step.node);
  };
  // What was asked of a server cannot be called back: an interrupt is heeded when it is seen to its end.
  const stopping = control.stop({ timeoutMs: limit.timeoutMs, how: "clean", onRequest });
  memory.stopping.set(step.node, stopping);
  stopping.catch(() => undefined);
  return await Promise.race([watch.ending, failureOf(stopping)]);
}

/** Never settles where the stop succeeds: how the log ended says more. */
function failureOf(stopping: Promise<void>): Promise<Ending> {
  return new Promise((resolve) => {
    stopping.catch((error: unknown) => {
      resolve({ kind: "unclean", why: error instanceof Error ? error.message : String(error) });
    });
  });
}

/** Where the server was not asked to stop, or was seen to its end, waiting for more helps nobody. */
async function endsHere<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Unfinished) throw error;
    throw new Unfinished(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

export function createDemotePerformer(memory: Memory): Performer<DemoteStep> {
  return {
    pollMs: 1,

    async holds(step, world) {
      const position = memory.fenced.get(step.node);
      // A fence gives a position as well.
      if (position === undefined || !memory.stopping.has(step.node)) {
        return { holds: false, why: `${step.node} was not shut down` };
      }
      const successor = await world.session(step.to);
      const has = await untilReplayed(successor, position.lsn, { timeoutMs: 0 });
      return has
        ? { holds: true, detail: formatPosition(position) }
        : { holds: false, why: `${step.to} has not replayed up to ${formatPosition(position)}` };
    },

    async act(step, world) {
      const control = await controlOf(step.node, world);
      const session = await world.session(step.node);
      const run = { world, memory };
      const look = await observePosition(session);
      await endsHere(() => tell(step, look, run));
      const ending = await endsHere(() => shutDown(step, control, run));
      if (ending.kind === "unclean") {
        throw new Unfinished(`${step.node} was not seen to shut down cleanly: ${ending.why}`);
      }
      memory.fenced.set(step.node, ending.at);
    },
  };
}

/** What the node was told to connect with was made for it where it had nothing of its own. */
async function takeConninfoBack(session: Session): Promise<void> {
  const was = await readMark(session, "remaster.demoted");
  if (was === demotion.bare) mustFinish(await resetSystem(session, "primary_conninfo"));
}

/** It leads, or follows, for good. */
export async function forgetDemotion(session: Session): Promise<void> {
  mustFinish(await resetMark(session, "remaster.demoted"));
  await reload(session);
}

/** The stop that this run asked for is over. */
export async function untilStopped(
  node: string,
  control: ServerControl,
  { world, memory }: Run,
): Promise<void> {
  const over = await memory.stopping.get(node)?.then(
    () => true,
    () => false,
  );
  memory.stopping.delete(node);
  // Asked in vain, or not by this run.
  if (over !== true) {
    await control.stop({ timeoutMs: world.remainingMs(), signal: world.signal, how: "clean" });
  }
}

/** It may lead where our network does not reach: then it is not ours to stop. */
async function mustNotLead(node: string, control: ServerControl, { memory }: Run): Promise<void> {
  if (memory.stopping.has(node) || (await control.runsAs()) !== "primary") return;
  await control.standbySignal?.remove();
  throw new Unfinished(`${node} runs as a primary and does not let us in: its marks stay`);
}

/** Where only the server itself reaches its files, it has to come up once as a standby. */
async function startAsPrimary(node: string, control: ServerControl, run: Run): Promise<void> {
  const { world } = run;
  const limit = () => ({ timeoutMs: world.remainingMs(), signal: world.signal });
  if (control.standbySignal !== null) {
    await untilStopped(node, control, run);
    await control.standbySignal.remove();
    await control.start(limit());
    return;
  }
  await run.memory.stopping.get(node)?.catch(() => undefined);
  run.memory.stopping.delete(node);
  await control.start(limit());
  await (await signalOf(node, control, world)).remove();
  await control.stop({ ...limit(), how: "clean" });
  await control.start(limit());
}

export function createReinstatePerformer(memory: Memory): Performer<ReinstateStep> {
  return {
    pollMs: 10,

    async holds({ node }, world) {
      const [seen] = await world.observe([node]);
      if (seen?.reachable !== true) return { holds: false, why: `${node} cannot be reached` };
      if (seen.role !== "primary") return { holds: false, why: `${node} is a standby` };
      return seen.marks.repointing === null && seen.marks.demoted !== true
        ? { holds: true, detail: null }
        : { holds: false, why: `${node} bears a mark` };
    },

    async act({ node }, world) {
      await mustBeAlone(node, world);
      const control = await controlOf(node, world);
      const [seen] = await world.observe([node]);
      if (seen?.reachable === true && seen.role === "primary") {
        await (await signalOf(node, control, world)).remove();
      } else {
        await mustNotLead(node, control, { world, memory });
        await startAsPrimary(node, control, { world, memory });
      }
      const session = await world.session(node);
      // What may have been written before the connection was lost shows once it is loaded.
      await reloadAll(session, { timeoutMs: world.remainingMs(), signal: world.signal });
      const look = await observePosition(session);
      await releaseForGood(node, look, { world, memory });
      mustFinish(await unpoint(session, memory.pointings.get(node) ?? null, look));
      mustFinish(await unquiesce(session, { timeoutMs: world.remainingMs() }));
      await takeConninfoBack(session);
      await forgetDemotion(session);
      memory.fenced.delete(node);
    },

    async settle({ node }, world) {
      await dropMadeSlots(node, { world, memory });
      // Its standbys would sleep out wal_retrieve_retry_interval before they try again.
      const others = world.reached().filter((name) => name !== node);
      await Promise.all(others.map(async (name) => reload(await world.session(name))));
    },
  };
}
