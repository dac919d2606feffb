// What a standby's own primary_conninfo tells of the slots that were made for it: written and in force before the slot is
// made, and taken away after it is gone, so that whoever is cut short in between leaves no slot of which nothing tells.
// Makes and drops no slot: that is done on another node (slots.ts).

import type { Overridden } from "../conninfo/mark-text.ts";
import { forgetSlots, markQuiesced, markSlotMade, type SlotPlace } from "../conninfo/override.ts";
import { type Acted, acted, type Refused, refuse } from "./outcome.ts";
import type { Patience } from "./poll.ts";
import type { PositionLook } from "./position.ts";
import type { Session } from "./session.ts";
import {
  changeSettings,
  conninfoHidden,
  reload,
  settingObstacles,
  writeSettings,
} from "./settings.ts";

/** `look`: with what primary_conninfo is from now on. */
export type Announced = { readonly done: true; readonly look: PositionLook } | Refused;

/** Stills the standby under a mark that tells of a slot at that place. Leads it nowhere: a receiver that asks for a slot
 * before it is there costs a whole wal_retrieve_retry_interval. */
export async function announceSlot(
  session: Session,
  look: PositionLook,
  place: SlotPlace,
): Promise<Announced> {
  const [refusal] = await settingObstacles(session, ["primary_conninfo"]);
  if (refusal !== undefined) return { done: false, refusal };
  const from = look.primaryConninfo;
  if (from === null) return conninfoHidden;
  const marked = markSlotMade(from, place);
  if (!marked.ok) return refuse("setting-out-of-reach", marked.message);
  const written = await write(session, from, marked);
  if (!written.done) return written;
  await reload(session);
  return { done: true, look: { ...look, primaryConninfo: marked.value } };
}

/** Puts the quiesce mark over the mark that leads the node to a slot, so that its receiver lets go of it. Nothing is proven
 * by that: what counts is the slot. */
export async function letGo(
  session: Session,
  look: PositionLook,
  patience: Patience,
): Promise<Acted> {
  const from = look.primaryConninfo ?? "";
  const marked = markQuiesced(from);
  if (!marked.ok) return refuse("setting-out-of-reach", marked.message);
  const change = { name: "primary_conninfo", from, to: marked.value } as const;
  return changeSettings(session, change.from === change.to ? [] : [change], patience);
}

/** Of a node that was stilled: its mark tells no more of slots at those places, and stills it as before. */
export async function forgetSlotsAt(
  session: Session,
  look: PositionLook,
  gone: readonly SlotPlace[],
): Promise<Acted> {
  const stilled = markQuiesced(look.primaryConninfo ?? "");
  if (!stilled.ok) return refuse("setting-out-of-reach", stilled.message);
  const written = await write(session, stilled.value, forgetSlots(stilled.value, gone));
  if (written.done) await reload(session);
  return written;
}

async function write(session: Session, from: string, marked: Overridden): Promise<Acted> {
  if (!marked.ok) return refuse("setting-out-of-reach", marked.message);
  if (marked.value === from) return acted;
  return writeSettings(session, [{ name: "primary_conninfo", from, to: marked.value }]);
}
