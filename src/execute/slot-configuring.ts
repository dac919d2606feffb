// Sets what copies of logical slots need on a server. On a standby the physical slot comes first: a receiver that finds none waits a
// whole wal_retrieve_retry_interval. Its receiver starts anew for a slot or a connection string, and must be seen to stream
// again: else all of it is put back.

import { readMarks } from "../conninfo/override.ts";
import { formatConninfo } from "../conninfo/format.ts";
import { parseConninfo } from "../conninfo/parse.ts";
import type { SlotSettingsStep } from "../plan/step.ts";
import { followState, untilReceiverEnds } from "../postgres/follow.ts";
import { observePosition, type PositionLook } from "../postgres/position.ts";
import type { Session } from "../postgres/session.ts";
import {
  type Change,
  type ChangeableSetting,
  changeSettings,
  conninfoHidden,
  reload,
  settingObstacles,
  takeBackSettings,
} from "../postgres/settings.ts";
import { slotNamesIn } from "../topology/slot-settings.ts";
import { reachedNode } from "../topology/structure.ts";
import { buildTopology, upstreamChain } from "../topology/topology.ts";
import { lsn } from "../wal/lsn.ts";
import { mustAct, waitFor } from "./acting.ts";
import { limitWorld } from "./limits.ts";
import type { Memory } from "./memory.ts";
import { type Holding, NotDone, type Performer } from "./performer.ts";
import { dropMadeSlots, makeSlot } from "./slots.ts";
import type { World } from "./world.ts";

/** What is kept back of the time for putting things back, milliseconds. */
const reserveMs = 700;

async function readSetting(session: Session, name: ChangeableSetting): Promise<string> {
  const [row] = await session.query("SELECT current_setting($1, true) AS value", [name]);
  return row?.["value"] ?? "";
}

/** The connection string with a database in it, else byte for byte as it was. */
function withDatabase(conninfo: string, dbname: string): string {
  const parsed = parseConninfo(conninfo);
  if (!parsed.ok) throw new NotDone(`primary_conninfo: ${parsed.message}`);
  if ((parsed.conninfo["dbname"] ?? "") !== "") return conninfo;
  const isUri = /^postgres(?:ql)?:/.test(conninfo);
  return isUri
    ? formatConninfo({ ...parsed.conninfo, dbname })
    : `${conninfo} ${formatConninfo({ dbname })}`;
}

/** What is to be otherwise on the server; a list of names counts as it is written. */
async function changesFor(
  step: SlotSettingsStep,
  session: Session,
  look: PositionLook,
): Promise<readonly Change[]> {
  const { primaryConninfo } = look;
  if (step.dbname !== undefined) {
    if (primaryConninfo === null) mustAct(conninfoHidden);
    if (readMarks(primaryConninfo ?? "").base !== primaryConninfo) {
      throw new NotDone(`primary_conninfo of ${step.node} bears a mark`);
    }
  }
  const wanted: Change[] = [];
  const want = (name: ChangeableSetting, from: string, to: string): void => {
    if (from !== to) wanted.push({ name, from, to });
  };
  if (step.synchronized !== undefined) {
    const from = await readSetting(session, "synchronized_standby_slots");
    const isSo = slotNamesIn(from).join() === step.synchronized.join();
    if (!isSo) want("synchronized_standby_slots", from, step.synchronized.join(","));
  }
  if (step.feedback === true) {
    want("hot_standby_feedback", await readSetting(session, "hot_standby_feedback"), "on");
  }
  if (step.slot !== undefined) want("primary_slot_name", look.primarySlotName ?? "", step.slot);
  if (step.dbname !== undefined && primaryConninfo !== null) {
    want("primary_conninfo", primaryConninfo, withDatabase(primaryConninfo, step.dbname));
  }
  return wanted;
}

/** A name without a slot holds every consumer of a failover slot up for good (17, 18). */
async function mustHaveSlots(session: Session, names: readonly string[]): Promise<void> {
  const rows = await session.query(
    "SELECT slot_name AS name FROM pg_replication_slots WHERE slot_type = 'physical'",
  );
  const missing = names.filter((wanted) => rows.every(({ name }) => name !== wanted));
  if (missing.length > 0) throw new NotDone(`there is no physical slot ${missing.join(", ")}`);
}

interface Upstream {
  readonly name: string;
  /** Somebody streams through the slot that is wanted. */
  readonly isTaken: boolean;
}

async function upstreamOf(step: SlotSettingsStep, world: World): Promise<Upstream> {
  const topology = buildTopology(world.config.name, await world.observe());
  const [name] = upstreamChain(topology, step.node);
  if (name === undefined) throw new NotDone(`whom ${step.node} follows is not known`);
  const slot = reachedNode(topology, name)?.slots.find(({ slotName }) => slotName === step.slot);
  return { name, isTaken: slot?.active === true };
}

/** Streams from its upstream through the slot that it names: any position will do. */
async function streams(step: SlotSettingsStep, upstream: string, world: World): Promise<Holding> {
  const [standby, above] = [await world.session(step.node), await world.session(upstream)];
  const atLeast = lsn(0n);
  return await followState(standby, above, { slotName: step.slot ?? null, atLeast });
}

async function restartReceiver(
  step: SlotSettingsStep,
  upstream: string,
  run: { readonly world: World; readonly look: PositionLook },
): Promise<void> {
  const world = limitWorld(run.world, Math.max(0, run.world.remainingMs() - reserveMs));
  const session = await world.session(step.node);
  const patience = { timeoutMs: world.remainingMs(), signal: world.signal };
  if (run.look.receiver !== null) {
    await untilReceiverEnds(session, run.look.receiver.pid, patience);
  }
  await waitFor(() => streams(step, upstream, world), world, {
    pollMs: 5,
    nudge: { everyMs: 30, push: () => reload(session) },
  });
}

async function setOnStandby(step: SlotSettingsStep, world: World, memory: Memory): Promise<void> {
  const session = await world.session(step.node);
  const look = await observePosition(session);
  const changes = await changesFor(step, session, look);
  const names = changes.map(({ name }) => name);
  const restarts = names.some((name) => name.startsWith("primary_"));
  const [obstacle] = await settingObstacles(session, names);
  if (obstacle !== undefined) throw new NotDone(obstacle.message);
  const needsUpstream = restarts || step.slot !== undefined;
  const upstream = needsUpstream ? await upstreamOf(step, world) : null;
  if (upstream !== null && step.slot !== undefined) {
    if (upstream.isTaken && look.receiver?.slotName !== step.slot) {
      throw new NotDone(`somebody else streams through slot ${step.slot} of ${upstream.name}`);
    }
    const slot = { upstream: upstream.name, slotName: step.slot };
    mustAct(await makeSlot(step.node, slot, { world, memory }));
  }
  try {
    mustAct(await changeSettings(session, changes, { timeoutMs: world.remainingMs() }));
    if (upstream !== null) await restartReceiver(step, upstream.name, { world, look });
    memory.slots.delete(step.node);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    await takeBackSettings(session, changes, {
      done: false,
      refusal: { code: "step-failed", message: why },
    });
    await reload(session);
    await dropMadeSlots(step.node, { world, memory });
    throw new NotDone(`put back as it was: ${why}`, { cause: error });
  }
}

export function createSlotSettingsPerformer(memory: Memory): Performer<SlotSettingsStep> {
  return {
    pollMs: 10,

    async holds(step, world) {
      const session = await world.session(step.node);
      const [change] = await changesFor(step, session, await observePosition(session));
      if (change !== undefined) {
        return { holds: false, why: `${change.name} of ${step.node} is not so` };
      }
      if (step.slot === undefined && step.dbname === undefined) {
        return { holds: true, detail: null };
      }
      return await streams(step, (await upstreamOf(step, world)).name, world);
    },

    async act(step, world) {
      if (step.synchronized !== undefined) {
        const session = await world.session(step.node);
        await mustHaveSlots(session, step.synchronized);
        const changes = await changesFor(step, session, await observePosition(session));
        const [obstacle] = await settingObstacles(
          session,
          changes.map(({ name }) => name),
        );
        if (obstacle !== undefined) throw new NotDone(obstacle.message);
        mustAct(await changeSettings(session, changes, { timeoutMs: world.remainingMs() }));
        return;
      }
      await setOnStandby(step, world, memory);
    },
  };
}
