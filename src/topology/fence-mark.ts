// The mark of a fence: the custom setting remaster.fenced, which holds as JSON what was before, so that anybody can take the
// fence back. Every user of the server can read it: nothing secret is in it. What it keeps are running values and names.
// A standby that is to lead bears the same mark where it is to get logical slots before it takes writes; then it names them.

import { formatPosition, parsePosition, type Position } from "../wal/position.ts";

/** A role's or a database's own default_transaction_read_only, which would go past the fence. */
export interface Override {
  /** Null: of every role in that database. */
  readonly role: string | null;
  /** Null: in every database. */
  readonly database: string | null;
  readonly value: string;
}

export interface Subscription {
  readonly database: string;
  readonly name: string;
}

export interface FenceMark {
  /** default_transaction_read_only as it was. */
  readonly readOnly: string;
  /** synchronous_standby_names as it was. */
  readonly synchronous: string;
  /** Taken away, to be set again. */
  readonly overrides: readonly Override[];
  /** Disabled, to be enabled again. */
  readonly subscriptions: readonly Subscription[];
  /** What the node is to get before it takes writes; absent on one that was fenced for another reason. */
  readonly awaits?: readonly AwaitedSlot[];
}

/** A logical slot as it was on the primary before. */
export interface AwaitedSlot {
  readonly slotName: string;
  readonly plugin: string;
  readonly database: string;
  /** 14+; false before. */
  readonly twoPhase: boolean;
  /** What its consumer had confirmed there once nobody wrote any more. */
  readonly confirmed: Position;
}

export function formatFenceMark(mark: FenceMark): string {
  const { awaits } = mark;
  if (awaits === undefined) return JSON.stringify(mark);
  const slots = awaits.map((slot) => ({ ...slot, confirmed: formatPosition(slot.confirmed) }));
  return JSON.stringify({ ...mark, awaits: slots });
}

/** Null where the text is none of ours, or empty: then nothing is known of what was before. */
export function parseFenceMark(text: string | null): FenceMark | null {
  let found: unknown;
  try {
    found = JSON.parse(text ?? "");
  } catch {
    return null;
  }
  if (!isMark(found)) return null;
  const { readOnly, synchronous, overrides, subscriptions } = found;
  const mark = { readOnly, synchronous, overrides, subscriptions };
  const awaits: unknown = found.awaits;
  return Array.isArray(awaits) ? { ...mark, awaits: awaits.flatMap(readAwaited) } : mark;
}

function readAwaited(found: unknown): readonly AwaitedSlot[] {
  if (!isRecord(found)) return [];
  const { slotName, plugin, database, twoPhase, confirmed } = found;
  const at = typeof confirmed === "string" ? parsePosition(confirmed) : null;
  if (typeof slotName !== "string" || typeof plugin !== "string" || at === null) return [];
  if (typeof database !== "string") return [];
  return [{ slotName, plugin, database, twoPhase: twoPhase === true, confirmed: at }];
}

function isMark(found: unknown): found is FenceMark {
  if (!isRecord(found)) return false;
  const { readOnly, synchronous, overrides, subscriptions } = found;
  return (
    typeof readOnly === "string" &&
    typeof synchronous === "string" &&
    Array.isArray(overrides) &&
    overrides.every(isOverride) &&
    Array.isArray(subscriptions) &&
    subscriptions.every(isSubscription)
  );
}

function isOverride(found: unknown): found is Override {
  if (!isRecord(found)) return false;
  const names = [found["role"], found["database"]];
  return (
    names.every((name) => name === null || typeof name === "string") &&
    typeof found["value"] === "string"
  );
}

function isSubscription(found: unknown): found is Subscription {
  return (
    isRecord(found) && typeof found["database"] === "string" && typeof found["name"] === "string"
  );
}

function isRecord(found: unknown): found is Readonly<Record<string, unknown>> {
  return typeof found === "object" && found !== null;
}
