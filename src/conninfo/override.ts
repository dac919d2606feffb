// The in-band marks in primary_conninfo and restore_command, and what they mean on top of each other: the outermost is in
// force, and keeps the old value byte for byte, so that whoever finds it can take it away. Beneath it stands a mark for
// every slot that was made for the node and is there still: nothing else would tell that slot from one of somebody else's.
// A value with those marks is always composed anew: none is put upon a mark that it replaces.

import type { Address } from "./conninfo.ts";
import { keepingAnswers } from "./known.ts";
import {
  type Layer,
  type Overridden,
  override,
  quiescedAddress,
  type SlotMark,
  type TakenOff,
  takeOff,
  untouched,
} from "./mark-text.ts";

export interface ConninfoMarks {
  /** The value without marks, byte for byte. */
  readonly base: string;
  readonly quiesced: boolean;
  /** Where an unsettled repoint leads. */
  readonly repointing: Address | null;
  /** That repoint is an exchange's. */
  readonly exchanging: boolean;
  /** Where slots were made for the node, outermost mark first. */
  readonly slotsAt: readonly SlotPlace[];
}

/** A node on which a slot was made for another one. */
export interface SlotPlace {
  readonly address: Address;
  /** As the topology file of whoever made it names it; null where the mark does not say. */
  readonly node: string | null;
}

/** primary_conninfo with the quiesce mark, in place of any mark that it bears. An empty value can be marked too. */
export function markQuiesced(value: string): Overridden {
  return compose(value, readMarks(value).slotsAt, [quiesceLayer(readSlotMark(value).named)]);
}

/** primary_conninfo led to another upstream, the old value kept, in place of any mark that it bears. */
export function markRepointed(value: string, upstream: Address, slot = untouched): Overridden {
  const { others, own } = slotsBut(value, upstream);
  const named = slot.named || readSlotMark(value).named;
  return compose(value, others, [repointLayer(upstream, { ...madeAt(slot, own), named })]);
}

/** The same for as long as an exchange takes: the repoint mark stands over a quiesce mark, so that whoever finds it knows
 * that nobody is meant to be followed for good. */
export function markExchanging(value: string, upstream: Address, slot = untouched): Overridden {
  const { others, own } = slotsBut(value, upstream);
  const layer = repointLayer(upstream, { ...madeAt(slot, own), named: slot.named });
  return compose(value, others, [quiesceLayer(readSlotMark(value).named), layer]);
}

/** A quiesce mark that tells of a slot at that place: put before the slot is made, so that none ever stands untold. */
export function markSlotMade(value: string, place: SlotPlace): Overridden {
  const { others } = slotsBut(value, place.address);
  return compose(value, [place, ...others], [quiesceLayer(readSlotMark(value).named)]);
}

/** The same mark without a word of the slots at those places. One that leads to such a place leads there still. */
export function forgetSlots(value: string, gone: readonly SlotPlace[]): Overridden {
  const { slotsAt, quiesced, repointing, exchanging } = readMarks(value);
  const kept = slotsAt.filter(({ address }) => !gone.some((each) => isSame(each.address, address)));
  const { named } = readSlotMark(value);
  if (repointing === null) {
    return quiesced ? compose(value, kept, [quiesceLayer(named)]) : { ok: true, value };
  }
  const { others, own } = parted(kept, repointing);
  const layer = repointLayer(repointing, { ...madeAt(untouched, own), named });
  return compose(value, others, exchanging ? [quiesceLayer(named), layer] : [layer]);
}

/** The slots that the value tells of: the one on that upstream, and the others. */
function slotsBut(value: string, upstream: Address) {
  return parted(readMarks(value).slotsAt, upstream);
}

function parted(places: readonly SlotPlace[], upstream: Address) {
  const isOwn = ({ address }: SlotPlace): boolean => isSame(address, upstream);
  return { own: places.find(isOwn) ?? null, others: places.filter((place) => !isOwn(place)) };
}

function madeAt({ made, on }: SlotMark, own: SlotPlace | null): Pick<SlotMark, "made" | "on"> {
  return made ? { made, on } : { made: own !== null, on: own?.node ?? null };
}

function quiesceLayer(named: boolean): Layer {
  return { kind: "quiesce", address: quiescedAddress, named, made: false, on: null };
}

function repointLayer(address: Address, slot: SlotMark): Layer {
  return { kind: "repoint", address, ...slot };
}

/** The value without its marks, under new ones. Beneath them stands a mark for each slot, in force no more: as long as a
 * slot stands, the value tells where. */
function compose(
  value: string,
  slotsAt: readonly SlotPlace[],
  layers: readonly Layer[],
): Overridden {
  const kept = slotsAt
    .toReversed()
    .map(({ address, node }) => repointLayer(address, { named: false, made: true, on: node }));
  let marked: Overridden = { ok: true, value: withoutMarks(value) };
  for (const layer of [...kept, ...layers]) {
    marked = override(marked.value, layer);
    if (!marked.ok) return marked;
  }
  return marked;
}

/** What the marks that a value bears say of the node's slot name, and the outermost of the slot where it leads. */
export function readSlotMark(value: string): SlotMark {
  const outer = takeOff(value);
  let named = false;
  for (let mark = outer; mark !== null; mark = takeOff(mark.base)) named ||= mark.named;
  return { named, made: outer?.made ?? false, on: outer?.on ?? null };
}

function isSame(a: Address | null, b: Address): boolean {
  return a !== null && a.host === b.host && a.hostaddr === b.hostaddr && a.port === b.port;
}

/** Which marks a value bears. The outermost is in force; those that stand below it tell of slots, or of an exchange. */
export const readMarks = keepingAnswers((value: string): ConninfoMarks => {
  const marks: TakenOff[] = [];
  for (let mark = takeOff(value); mark !== null; mark = takeOff(mark.base)) marks.push(mark);
  const [outer, beneath] = marks;
  const quiesced = outer?.kind === "quiesce";
  const made = marks
    .filter((mark) => mark.made && mark.kind === "repoint")
    .map(({ address, on }) => ({ address, node: on }));
  return {
    base: marks.at(-1)?.base ?? value,
    quiesced,
    repointing: outer === undefined || quiesced ? null : outer.address,
    exchanging: outer?.kind === "repoint" && beneath?.kind === "quiesce",
    slotsAt: made.filter(
      ({ address }, at) => made.findIndex((each) => isSame(each.address, address)) === at,
    ),
  };
});

/** The value without marks, byte for byte as it was. */
export function withoutMarks(value: string): string {
  return readMarks(value).base;
}

/** In front of a restore_command: the shell runs `false` and takes the rest for a comment. */
const restorePrefix = "false # ";

/** restore_command with the quiesce mark. An empty one restores nothing and stays as it is. */
export function markRestoreQuiesced(value: string): Overridden {
  const { base } = readRestoreMark(value);
  if (base === "") return { ok: true, value: base };
  // The comment ends with its line: the second one would run.
  if (/[\n\r]/.test(base)) {
    return {
      ok: false,
      message: "restore_command has several lines, so it cannot be disabled in place",
    };
  }
  return { ok: true, value: restorePrefix + base };
}

/** Whether restore_command bears the quiesce mark, and what it is without. */
export function readRestoreMark(value: string): {
  readonly base: string;
  readonly quiesced: boolean;
} {
  let base = value;
  while (base.startsWith(restorePrefix)) base = base.slice(restorePrefix.length);
  return { base, quiesced: base !== value };
}
