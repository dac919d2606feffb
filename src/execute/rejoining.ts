// Brings a former primary back as a standby. One that this run has shut down, with everything on its successor, is started as it
// was prepared. Any other is judged by its files (former.ts), after its stop, and taken back by pg_rewind where it has to be.
// It is told whom it follows, and standby.signal is there, before it is started: it never comes up as a primary.
// The fence is lifted once it is a standby, when nothing on it can be written to any more.

import { parseConninfo } from "../conninfo/parse.ts";
import { formatConninfo } from "../conninfo/format.ts";
import { markRepointed, readMarks } from "../conninfo/override.ts";
import { settleConninfo } from "../conninfo/settle.ts";
import type { ServerControl } from "../host/control.ts";
import type { DataFiles } from "../host/data-files.ts";
import type { RejoinStep, RepointStep } from "../plan/step.ts";
import { namesAlone } from "../postgres/follow.ts";
import { liftFence } from "../postgres/former-fence.ts";
import { observePosition } from "../postgres/position.ts";
import { hasSlot } from "../postgres/slots.ts";
import { sameAddress } from "../topology/edges.ts";
import type { Diverged, FormerNode } from "../topology/former.ts";
import type { ReachedNode } from "../topology/node.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { buildStructure } from "../topology/topology.ts";
import { reachedNode } from "../topology/structure.ts";
import { compareHeld, formatPosition, type Position } from "../wal/position.ts";
import { formatSegmentName } from "../wal/segment.ts";
import { filesToSetAside } from "../wal/torn-tail.ts";
import { mustFinish } from "./acting.ts";
import { controlOf, forgetDemotion, untilStopped } from "./demotion.ts";
import { examineFormer } from "./former.ts";
import { dropFormerSlots, dropUselessCopies } from "./former-slots.ts";
import { limitWorld } from "./limits.ts";
import type { Memory } from "./memory.ts";
import { NotDone, type Performer, Unfinished } from "./performer.ts";
import { rewindNode } from "./rewinding.ts";
import { makeSlot } from "./slots.ts";
import { nodeConfig, type World } from "./world.ts";

/** How long it may take to be seen to follow once it runs, milliseconds; the verb has time for a pg_rewind. */
const followMs = 60_000;

interface Run {
  readonly world: World;
  readonly memory: Memory;
  readonly repoint: Performer<RepointStep>;
}

const following = ({ node, to }: RejoinStep): RepointStep => {
  return { verb: "repoint", node, to, until: "follow" };
};

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The node where it is a standby on the line already, else null. */
async function lookAt(
  step: RejoinStep,
  world: World,
): Promise<{ readonly standby: ReachedNode | null; readonly to: ReachedNode }> {
  const seen = await world.observe([step.node, step.to]);
  const structure = buildStructure(world.config.name, seen);
  const [node, to] = [reachedNode(structure, step.node), reachedNode(structure, step.to)];
  if (to === null) throw new NotDone(`${step.to} cannot be reached`);
  const isStandby =
    node?.role === "standby" && compareHeld(node, to, structure.histories).relation !== "diverged";
  return { standby: isStandby ? node : null, to };
}

async function examine(step: RejoinStep, control: ServerControl, to: ReachedNode, world: World) {
  const node = nodeConfig(world, step.node);
  const session = await world.session(step.to);
  const former = await examineFormer({ node, control, to, session });
  if (former === null)
    throw new NotDone(`the topology file gives no control.pg_ctl of ${node.name}`);
  const { line } = former;
  if (line.kind === "unknown") throw new NotDone(`${node.name} cannot be judged: ${line.why}`);
  if (line.kind === "diverged") checkLoss(step, line);
  return { ...former, line };
}

function checkLoss({ node, acceptDataLoss }: RejoinStep, line: Diverged): void {
  if (line.foreign === null || acceptDataLoss === true) return;
  const [from, to] = [formatPosition(line.foreign), formatPosition(line.end)];
  throw new NotDone(
    `${node} has transactions that exist nowhere else, from ${from} to ${to}: --accept-data-loss gives them up`,
  );
}

/** Stops it, judges it, and makes it fit to follow. */
async function makeFit(step: RejoinStep, control: ServerControl, run: Run): Promise<void> {
  const { world } = run;
  const { to } = await lookAt(step, world);
  await examine(step, control, to, world);
  await control.stop({ timeoutMs: world.remainingMs(), signal: world.signal });
  // A run that was cut short behind pg_rewind has left the source's there.
  await control.rewind?.putBackConfiguration();
  // What it wrote until it was down counts.
  const former = await examine(step, control, to, world);
  if (former.line.kind === "diverged") {
    await rewindNode({ step, control, former: { ...former, line: former.line }, world });
    return;
  }
  if (former.line.torn !== null)
    await cutTorn(step, control, { former, at: former.line.torn, world });
}

/** The beginning of a record that was never finished must not lead it past the switchpoint (torn-tail.ts). */
async function cutTorn(
  { node }: RejoinStep,
  { wal }: ServerControl,
  found: { readonly former: FormerNode; readonly at: Position; readonly world: World },
): Promise<void> {
  const { at, former, world } = found;
  if (wal === null || former.line.kind !== "part") return;
  const segmentSize = former.segmentSize;
  const off = await wal.cut({
    files: filesToSetAside(await wal.list(), { switchpoint: at.lsn, segmentSize }),
    last: formatSegmentName(at.timeline, at.lsn, segmentSize),
    offset: Number(at.lsn % segmentSize),
    segmentSize: Number(segmentSize),
  });
  world.note({
    code: "torn-tail-repair",
    severity: "note",
    node,
    message: `the torn end of ${node}'s WAL was cut off; the files as they were are in ${off.directory}`,
    hint: "remove them once the node is known to be well",
  });
}

/** What a node of this cluster connects with: what the new primary connected with before it led, else any standby. */
async function borrowedConninfo(step: RejoinStep, world: World): Promise<string> {
  const others = world.reached().filter((name) => name !== step.node && name !== step.to);
  for (const name of [step.to, ...others]) {
    const { primaryConninfo } = await observePosition(await world.session(name));
    const { base } = readMarks(primaryConninfo ?? "");
    const settled =
      base === "" ? null : settleConninfo(base, nodeConfig(world, step.to).replication);
    const parsed = settled?.ok === true ? parseConninfo(settled.value) : null;
    if (parsed?.ok === true) {
      return formatConninfo({ ...parsed.conninfo, application_name: step.node });
    }
  }
  throw new NotDone(`no node has a primary_conninfo that ${step.node} could take over`);
}

/** Tells it whom it follows from its next start on, as repoint would over SQL; its slot is made there. */
async function prepare(step: RejoinStep, files: DataFiles, { world, memory }: Run): Promise<void> {
  const { replication } = nodeConfig(world, step.to);
  const conninfo = await files.setting("primary_conninfo");
  const named = await files.setting("primary_slot_name");
  const { base, repointing, exchanging } = readMarks(conninfo);
  const slotName = physicalSlotName(step.node, named);
  const made = !(await hasSlot(await world.session(step.to), slotName));
  const isTold =
    (repointing !== null && !exchanging && sameAddress(repointing, replication)) ||
    (base !== "" && namesAlone(conninfo, replication));
  if (!isTold) {
    const slot = { named: named === "", made, on: made ? step.to : null };
    const marked =
      base === ""
        ? { ok: true as const, value: await borrowedConninfo(step, world) }
        : markRepointed(conninfo, replication, slot);
    if (!marked.ok) throw new NotDone(marked.message);
    await files.writeSettings({ primary_conninfo: marked.value, primary_slot_name: slotName });
  }
  mustFinish(await makeSlot(step.node, { upstream: step.to, slotName }, { world, memory }));
}

/** Never as a primary: what came up as one is stopped again. */
async function startAsStandby(node: string, control: ServerControl, world: World): Promise<void> {
  await control.standbySignal?.put();
  await control.start({ timeoutMs: Math.max(world.remainingMs(), followMs), signal: world.signal });
  const [seen] = await world.observe([node]);
  if (seen?.reachable !== true || seen.role === "standby") return;
  await control.stop({ timeoutMs: followMs });
  throw new Unfinished(`${node} came up as a primary, and was stopped again`);
}

/** It runs as a standby: from here on nothing can be lost, and the same command goes on. */
async function follow(step: RejoinStep, { world, repoint }: Run): Promise<void> {
  try {
    await repoint.act(following(step), limitWorld(world, followMs));
  } catch (error) {
    throw new Unfinished(
      `${step.node} runs as a standby and was not seen to follow: ${words(error)}`,
      { cause: error },
    );
  }
}

async function bringBack(step: RejoinStep, run: Run): Promise<void> {
  const { world } = run;
  const control = await controlOf(step.node, world);
  const { files } = control;
  if (files === null) throw new NotDone(`there is no pg_ctl of ${step.node}`);
  await makeFit(step, control, run);
  try {
    await prepare(step, files, run);
    await startAsStandby(step.node, control, world);
  } catch (error) {
    throw new Unfinished(words(error), { cause: error });
  }
}

/** This run has shut it down, and its successor has all of it. */
async function startPrepared(step: RejoinStep, { world, memory }: Run): Promise<void> {
  const control = await controlOf(step.node, world);
  await untilStopped(step.node, control, { world, memory });
  await startAsStandby(step.node, control, world);
}

export function createRejoinPerformer(
  memory: Memory,
  repoint: Performer<RepointStep>,
): Performer<RejoinStep> {
  return {
    pollMs: 10,

    async holds(step, world) {
      const seen = world.lastSeen(step.node);
      if (seen?.reachable !== true || seen.role === "primary") {
        return { holds: false, why: `${step.node} is no standby` };
      }
      return repoint.holds(following(step), world);
    },

    async act(step, world) {
      const run = { world, memory, repoint };
      if (memory.stopping.has(step.node) && memory.fenced.has(step.node)) {
        await startPrepared(step, run);
        return follow(step, run);
      }
      if ((await lookAt(step, world)).standby === null) await bringBack(step, run);
      await follow(step, run);
      await dropFormerSlots(step.node, world);
    },

    async settle({ node, to }, world) {
      const [session, upstream] = await Promise.all([world.session(node), world.session(to)]);
      mustFinish(
        await liftFence(
          { session, upstream },
          {
            timeoutMs: world.remainingMs(),
            signal: world.signal,
            openIn: (database) => world.sessionIn(to, database),
          },
        ),
      );
      // The mark goes last: whoever finds it does the rest.
      try {
        await dropUselessCopies(node, to, world);
      } finally {
        await forgetDemotion(session);
      }
    },
  };
}
