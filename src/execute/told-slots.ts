// The slots of which a node's mark tells: made for it on another node, by this run or by one that was cut short. The mark
// stands before the slot is made, and is not taken away before the slot is gone, or before it was said that it is left.
// Drops no slot that is in use, none by another name, and none on the node's own upstream, which is to stream through it.

import { formatAddress } from "../conninfo/hosts.ts";
import { readMarks, type SlotPlace } from "../conninfo/override.ts";
import { tellOfLeft } from "../plan/left-slots.ts";
import type { PositionLook } from "../postgres/position.ts";
import { announceSlot, forgetSlotsAt, letGo } from "../postgres/slot-marks.ts";
import { ensureSlot, slotType } from "../postgres/slots.ts";
import { findSlotPlace } from "../topology/edges.ts";
import type { Finding } from "../topology/finding.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { mustAct, mustFinish } from "./acting.ts";
import type { MadeSlot, Memory } from "./memory.ts";
import { NotDone, Unfinished } from "./performer.ts";
import { untilDropped } from "./slots.ts";
import { nodeConfig, type World } from "./world.ts";

interface Run {
  readonly world: World;
  readonly memory: Memory;
}

/** Makes sure that the upstream has the slot. Where it lacks it the node's mark tells of it first, and the node is still
 * from then on. Gives what the node's settings are then. */
export async function makeToldSlot(
  node: string,
  { look, slot }: { readonly look: PositionLook; readonly slot: MadeSlot },
  { world, memory }: Run,
): Promise<PositionLook> {
  const [session, upstream] = await Promise.all([
    world.session(node),
    world.session(slot.upstream),
  ]);
  const isThere = (await slotType(upstream, slot.slotName)) !== null;
  if (isThere) {
    mustAct(await ensureSlot(upstream, slot.slotName));
    return look;
  }
  const address = nodeConfig(world, slot.upstream).replication;
  const place = { address, node: slot.upstream };
  // Before anything is: where it is cut off, whether it was done is not known.
  memory.slots.set(node, [...(memory.slots.get(node) ?? []), slot]);
  const announced = await announceSlot(session, look, place);
  if (!announced.done) {
    forgetMade(node, [slot.upstream], memory);
    throw new NotDone(announced.refusal.message);
  }
  const ensured = await ensureSlot(upstream, slot.slotName);
  if (!ensured.done) throw new Unfinished(ensured.refusal.message);
  if (ensured.made) return announced.look;
  // Somebody else has made it meanwhile.
  forgetMade(node, [slot.upstream], memory);
  return look;
}

/** A slot that could not be dropped. */
export interface LeftSlot {
  /** As a node of the topology file; else as an address. */
  readonly node: string;
  readonly slotName: string;
  readonly why: string;
  readonly known: boolean;
}

export interface Released {
  readonly gone: readonly SlotPlace[];
  readonly left: readonly LeftSlot[];
}

/** Drops the slots of which the node's mark tells, and no other. Where that mark leads the node to one of them, the node is
 * stilled first. */
export async function releaseSlots(
  node: string,
  look: PositionLook,
  world: World,
): Promise<Released> {
  const { slotsAt, repointing } = readMarks(look.primaryConninfo ?? "");
  if (slotsAt.length === 0) return { gone: [], left: [] };
  if (repointing !== null) {
    mustFinish(await letGo(await world.session(node), look, { timeoutMs: world.remainingMs() }));
  }
  return dropSlotsAt(node, { look, slotsAt }, world);
}

/** The same where the mark is to go altogether: the report says what could not be dropped. */
export async function releaseForGood(
  node: string,
  look: PositionLook,
  { world, memory }: Run,
): Promise<void> {
  const { gone, left } = await releaseSlots(node, look, world);
  forgetMade(
    node,
    gone.map((place) => nodeOfSlot(place, world) ?? ""),
    memory,
  );
  forgetMade(
    node,
    left.map((slot) => slot.node),
    memory,
  );
  for (const slot of left) world.note(tellOfForgotten(slot));
}

function forgetMade(node: string, upstreams: readonly string[], { slots }: Memory): void {
  const kept = (slots.get(node) ?? []).filter(({ upstream }) => !upstreams.includes(upstream));
  if (kept.length === 0) slots.delete(node);
  else slots.set(node, kept);
}

/** Drops the node's slots at those places, where nothing uses them any more. */
export async function dropSlotsAt(
  node: string,
  { look, slotsAt }: { readonly look: PositionLook; readonly slotsAt: readonly SlotPlace[] },
  world: World,
): Promise<Released> {
  const slotName = physicalSlotName(node, look.primarySlotName);
  const gone: SlotPlace[] = [];
  const left: LeftSlot[] = [];
  for (const place of slotsAt) {
    const upstream = nodeOfSlot(place, world);
    const why = upstream === null ? "no node of the topology file is there" : await drop(upstream);
    if (why === null) gone.push(place);
    else {
      const node = upstream ?? formatAddress(place.address);
      left.push({ node, known: upstream !== null, slotName, why });
    }
  }
  return { gone, left };

  async function drop(upstream: string): Promise<string | null> {
    if (isOwnUpstream(node, upstream, world)) return null;
    try {
      await untilDropped({ upstream, slotName }, world);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** Null where it is no node of the topology file. */
export function nodeOfSlot(place: SlotPlace, world: World): string | null {
  const seen = world.config.nodes.map(({ name }) => world.lastSeen(name));
  const known = seen.filter((node) => node !== null);
  return findSlotPlace(new Map(known.map((node) => [node.name, node])), place);
}

function isOwnUpstream(node: string, upstream: string, world: World): boolean {
  const seen = world.lastSeen(node);
  // What a primary connected with before it led is no upstream of its.
  const own = seen?.reachable === true && seen.role === "standby" ? seen.configuredUpstream : null;
  return own !== null && nodeOfSlot({ address: own, node: null }, world) === upstream;
}

/** Of a node that is to stay as still as it was: drops them, and leaves the quiesce mark alone. A slot that could not be
 * dropped stays in the mark. */
export async function settleSlots(
  node: string,
  look: PositionLook,
  { world, memory }: Run,
): Promise<void> {
  const { gone, left } = await releaseSlots(node, look, world);
  if (gone.length > 0) {
    mustFinish(await forgetSlotsAt(await world.session(node), look, gone));
  }
  forgetMade(
    node,
    gone.map((place) => nodeOfSlot(place, world) ?? ""),
    memory,
  );
  if (left.length > 0) throw new Error(left.map(leftText).join("; "));
}

export function leftText({ node, slotName, why, known }: LeftSlot): string {
  const then = known ? `, \`remaster drop-slot ${node} --slot ${slotName}\` removes it` : "";
  return `slot ${slotName} is left on ${node}${then}: ${why}`;
}

/** For the report, where no mark will tell of it any more. */
export function tellOfForgotten({ node, slotName: slot, why, known }: LeftSlot): Finding {
  if (known) return tellOfLeft({ node, slot }, why);
  return {
    code: "slot-left",
    severity: "note",
    message: `slot ${slot} is left at ${node}: ${why}`,
    hint: `drop it there: SELECT pg_drop_replication_slot('${slot}')`,
  };
}
