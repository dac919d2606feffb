// Brings one node level with another by pointing it there for as long as it takes. The end of what the source has need
// not be a record boundary, so what counts is that everything is received, not an exact replay position. Afterwards the
// node is as still as it was, or has its own upstream back.

import { readMarks } from "../conninfo/override.ts";
import type { ExchangeStep } from "../plan/step.ts";
import { pointAt, unpoint } from "../postgres/follow.ts";
import { observePosition } from "../postgres/position.ts";
import { quiesce, quiesceHolds } from "../postgres/quiesce.ts";
import type { Session } from "../postgres/session.ts";
import { reload, reloadAll } from "../postgres/settings.ts";
import { rankCandidates } from "../topology/candidates.ts";
import { hidesWal, mayHoldMore } from "../topology/hidden.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import { reachedNode, standbysOf, type Structure } from "../topology/structure.ts";
import { buildStructure } from "../topology/topology.ts";
import { formatLsn, type Lsn } from "../wal/lsn.ts";
import { compareHeld, formatPosition } from "../wal/position.ts";
import { mustAct, mustFinish, waitFor } from "./acting.ts";
import { restNudge } from "./intake.ts";
import type { Memory } from "./memory.ts";
import { type Holding, NotDone, type Performer, Unfinished } from "./performer.ts";
import { makeToldSlot, releaseForGood, settleSlots } from "./told-slots.ts";
import { nodeConfig, type World } from "./world.ts";

/** What the node lacks and who has it; `source` null when it has everything. */
interface Lack {
  readonly source: string | null;
  readonly position: string | null;
  /** A node that had more than anybody who can still be reached. */
  readonly missing: ReachedNode | null;
  /** A node that was started anew, and shows what it has only once it has replayed it. */
  readonly busy: string | null;
}

interface Run {
  readonly world: World;
  readonly memory: Memory;
}

/** A node that neither streamed nor restored when it was looked at cannot have changed its timeline since: how far it is
 * is all that has to be asked again, which is much cheaper than a full look; and of one that was just seen to rest not
 * even that. */
async function lookAgain(name: string, { world, memory }: Run): Promise<Observation | null> {
  const seen = world.lastSeen(name);
  if (seen?.reachable !== true || seen.role !== "standby" || seen.receiver !== null) return null;
  const restores = settingText(seen, "restore_command") ?? "";
  if (restores !== "" || seen.received === null || seen.replayed === null) return null;
  const look = memory.resting.get(name) ?? (await observePosition(await world.session(name)));
  memory.resting.delete(name);
  const { has, receiveLsn, replayLsn, startupWait, replay, pauseRequested } = look;
  if (look.role !== "standby" || look.receiver !== null || has === null || replayLsn === null) {
    return null;
  }
  return {
    ...seen,
    receiveLsn,
    startupWait,
    replay,
    pauseRequested,
    received: { ...seen.received, lsn: has },
    replayed: { ...seen.replayed, lsn: replayLsn },
  };
}

/** The nodes that let us in, as they are now that all of them are still. */
async function lookAtReached(run: Run): Promise<readonly Observation[]> {
  const { world } = run;
  const names = world.reached();
  // One that has gone away meanwhile is seen to have by the full look.
  const looks = await Promise.all(names.map((name) => lookAgain(name, run).catch(() => null)));
  const certain = looks.filter((look) => look !== null);
  return certain.length === names.length ? certain : world.observe(names);
}

/** Nodes that have gone away during the run, as they were last. */
function goneSince(memory: Memory, looks: readonly Observation[]): readonly ReachedNode[] {
  const here = new Set(looks.filter((node) => node.reachable).map((node) => node.name));
  for (const look of looks) if (look.reachable) memory.seen.set(look.name, look);
  return [...memory.seen.values()].filter((node) => !here.has(node.name));
}

/** Of the nodes that have gone away one that had more than anybody else has. */
function findMissing(topology: Structure, best: ReachedNode, gone: readonly ReachedNode[]) {
  const { histories } = topology;
  return gone.find((node) => compareHeld(node, best, histories).relation === "ahead") ?? null;
}

function missingText({ name, received }: ReachedNode): string {
  const what = received === null ? "more" : formatPosition(received);
  return `${name}, which has ${what}, can no longer be reached`;
}

/** Who has what the node lacks. A connection that was lost is opened again before what was behind it counts as missing. */
async function findLack(step: ExchangeStep, run: Run): Promise<Lack> {
  const lack = await lookForLack(step, run);
  if (lack.missing === null) return lack;
  try {
    await run.world.session(lack.missing.name);
  } catch {
    // Whatever keeps it away: it is missing.
    return lack;
  }
  return lookForLack(step, run);
}

/** By ancestry, among those that let us in now; and those that did when the run began, if they had more. */
async function lookForLack(step: ExchangeStep, { world, memory }: Run): Promise<Lack> {
  // A connection that was lost is opened again, or says why not.
  await world.session(step.node);
  for (const { name } of world.config.nodes) {
    const seen = memory.seen.has(name) ? null : world.lastSeen(name);
    if (seen?.reachable === true && seen.role === "standby") memory.seen.set(name, seen);
  }
  const observations = await lookAtReached({ world, memory });
  const gone = goneSince(memory, observations);
  const topology = buildStructure(world.config.name, observations);
  const node = reachedNode(topology, step.node);
  if (node === null) throw new Error(`${step.node} cannot be reached`);
  const name = step.from ?? rankCandidates(topology, { to: step.node }).ahead;
  const source = name === null ? null : reachedNode(topology, name);
  if (source === null)
    throw new Error(`${name ?? "no node with a known position"} cannot be reached`);
  const { relation } = compareHeld(node, source, topology.histories);
  const position = node.received === null ? null : formatPosition(node.received);
  const missing = step.from === null ? findMissing(topology, source, gone) : null;
  const concerned = step.from === null ? standbysOf(topology) : [node, source];
  const busy = concerned.find((each) => mayHoldMore(each) && !hidesWal(each))?.name ?? null;
  const lack = { position, missing, busy };
  if (relation === "same" || relation === "ahead") return { ...lack, source: null };
  if (relation === "behind") return { ...lack, source: source.name };
  throw new NotDone(`${step.node} and ${source.name} cannot be brought level: ${relation}`);
}

function busyText(name: string): string {
  return `${name} still replays what it had at its start, and shows no more of it until then`;
}

/** Until every node shows what it has nothing is decided. */
async function untilShown(step: ExchangeStep, run: Run): Promise<void> {
  const look = async (): Promise<Holding> => {
    const { busy } = await findLack(step, run);
    return busy === null ? { holds: true, detail: null } : { holds: false, why: busyText(busy) };
  };
  try {
    await waitFor(look, run.world, { pollMs: 20 });
  } catch (error) {
    throw new NotDone(error instanceof Error ? error.message : String(error));
  }
}

async function received(session: Session): Promise<Lsn | null> {
  return (await observePosition(session)).has;
}

/** From a source that is gone nothing comes any more. */
async function checkThere(source: string, world: World): Promise<void> {
  try {
    await world.session(source);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Unfinished(`${source}, which has what is missing, can no longer be reached: ${why}`);
  }
}

async function untilLevel(
  node: string,
  target: { readonly lsn: Lsn; readonly source: string },
  world: World,
): Promise<void> {
  const look = async (): Promise<Holding> => {
    const has = await received(await world.session(node));
    if (has !== null && has >= target.lsn) return { holds: true, detail: null };
    const held = has === null ? "nothing" : formatLsn(has);
    const why = `it has ${held} of the ${formatLsn(target.lsn)} that ${target.source} has`;
    return { holds: false, why };
  };
  const push = async (): Promise<void> => {
    await checkThere(target.source, world);
    await reload(await world.session(node));
  };
  await waitFor(look, world, { pollMs: 2, nudge: { everyMs: 50, push } });
}

export function createExchangePerformer(memory: Memory): Performer<ExchangeStep> {
  return {
    pollMs: 20,

    async holds(step, world) {
      const { source, position, missing, busy } = await findLack(step, { world, memory });
      if (missing !== null) return { holds: false, why: missingText(missing), hopeless: true };
      if (busy !== null) return { holds: false, why: busyText(busy) };
      if (source !== null) return { holds: false, why: `${step.node} lacks what ${source} has` };
      return memory.led.has(step.node)
        ? { holds: false, why: `${step.node} is still led to where it got it from` }
        : { holds: true, detail: position };
    },

    async act(step, world) {
      await untilShown(step, { world, memory });
      const { source: name, missing } = await findLack(step, { world, memory });
      if (missing !== null) throw new NotDone(missingText(missing));
      if (name === null) return;
      const [node, source] = await Promise.all([world.session(step.node), world.session(name)]);
      const [before, target] = await Promise.all([observePosition(node), received(source)]);
      if (target === null) throw new NotDone(`the position of ${name} is not known`);
      // It keeps the slot name that it has: a source without that slot would not stream to it.
      const slotName = before.primarySlotName === "" ? null : before.primarySlotName;
      const look =
        slotName === null
          ? before
          : await makeToldSlot(
              step.node,
              { look: before, slot: { upstream: name, slotName } },
              { world, memory },
            );
      const upstream = nodeConfig(world, name).replication;
      const wasTold = look !== before;
      memory.led.add(step.node);
      const pointed = await pointAt(node, {
        upstream,
        slotName,
        look,
        purpose: "exchange",
        ...(wasTold || memory.changeable.has(step.node) ? { settings: "checked" } : {}),
      });
      if (!pointed.done && wasTold) throw new Unfinished(pointed.refusal.message);
      if (!pointed.done) memory.led.delete(step.node);
      mustAct(pointed);
      if (pointed.done) memory.pointings.set(step.node, pointed.before);
      await untilLevel(step.node, { lsn: target, source: name }, world);
      if (readMarks(before.primaryConninfo ?? "").quiesced) await restAgain(step.node, world);
      else await giveBack(step.node, { world, memory });
      memory.led.delete(step.node);
    },

    /** A source that did not have the slot before shall not keep it. */
    async settle({ node }, world) {
      const seen = world.lastSeen(node);
      const told = seen?.reachable === true ? (seen.marks.slotsAt ?? []) : [];
      if (told.length === 0 && !memory.slots.has(node)) return;
      const look = await observePosition(await world.session(node));
      await settleSlots(node, look, { world, memory });
    },
  };
}

/** What came may have held its replay up for a moment, in which it obeys no setting. */
async function restAgain(name: string, world: World): Promise<void> {
  const told = async (): Promise<Holding> => {
    const timeoutMs = world.remainingMs();
    const result = await quiesce(await world.session(name), { blockers: "keep", timeoutMs });
    return result.done
      ? { holds: true, detail: null }
      : { holds: false, why: result.refusal.message };
  };
  await waitFor(told, world, { pollMs: 5 });
  const push = async () => restNudge.push(await world.session(name));
  const nudge = { everyMs: restNudge.everyMs, push };
  await waitFor(async () => quiesceHolds(await world.session(name)), world, { pollMs: 2, nudge });
}

/** Its own upstream, and before that what was made for it on the source. */
async function giveBack(name: string, { world, memory }: Run): Promise<void> {
  const node = await world.session(name);
  // What is not in force yet would not be found, and would stay.
  if (!(await reloadAll(node, { timeoutMs: world.remainingMs() }))) {
    throw new Unfinished(
      `${name} was not seen to take its settings, and is led to the source still`,
    );
  }
  const look = await observePosition(node);
  await releaseForGood(name, look, { world, memory });
  mustFinish(await unpoint(node, null, look));
}
