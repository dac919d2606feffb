// What a change of the primary means to its logical slots, and what a switchover does about it. Those that the candidate has no
// copy of get one before anything is stopped, and it counts once the consumer has confirmed past where it begins: what is
// written until the shutdown is in the copy then, so nothing is left out, and some of it may come once more. The shutdown waits
// for the senders of logical consumers, so they get all of it (13 to 18). Before 16 a copy takes a restart: where there is none, the
// slot is made anew on the next primary while nobody may write there (new-slots.ts).

import { counted } from "../topology/counted.ts";
import type { Finding } from "../topology/finding.ts";
import {
  findKeptSlots,
  isAlive,
  isSameKind,
  judgeSlot,
  type KeptSlot,
  wantedSlots,
} from "../topology/kept-slots.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import type { Topology } from "../topology/topology.ts";
import { formatLsn } from "../wal/lsn.ts";
import type { Stage } from "./plan.ts";
import type { Accepted, Hands } from "./preflight.ts";
import type { Report } from "./report.ts";
import { planned, problem, stage } from "./request.ts";

/** How the slots of a primary fare when it hands over. */
export interface SlotOutlook {
  /** The candidate's copy is ready. */
  readonly kept: readonly KeptSlot[];
  /** It will be, once it is made and the consumer, who is there, has gone on. */
  readonly coming: readonly KeptSlot[];
  /** It is made anew on the candidate, once its consumer, who is there, has confirmed everything and before writes get in. */
  readonly anew: readonly KeptSlot[];
  /** It would be, if its consumer were there. */
  readonly waiting: readonly KeptSlot[];
  /** Nothing that a switchover does makes it ready. */
  readonly lost: readonly KeptSlot[];
}

export interface HandOverMeans {
  /** Slots whose consumers were seen to go on, though they may hold the slot only now and then. */
  readonly consuming: ReadonlySet<string>;
  /** `none`: nobody can tell what would keep the writes from being held off the primary. */
  readonly closing: "fence" | "none";
}

export function foreseeHandOver(
  topology: Topology,
  { old, next }: Hands,
  { consuming, closing }: HandOverMeans,
): SlotOutlook {
  const all = wantedSlots(old, []).map((slot) =>
    judgeSlot(topology, { primary: old, standby: next, slot }),
  );
  // What is lost on the primary itself, or not in use yet, a change of the primary takes nothing from.
  const judged = all.filter(({ against }) => against?.of !== "source");
  const able = judged.filter((each) => each.against !== null && canBeMade(each));
  const isThere = (each: KeptSlot): boolean =>
    each.slot.active || consuming.has(each.slot.slotName) || !needsConsumer(each);
  const unable = judged.filter((each) => each.against !== null && !able.includes(each));
  // Nobody writes to a fenced one, so its consumers have nothing to go on with: whether they have everything is seen there.
  const mayBeThere = (each: KeptSlot): boolean => old.marks.fenced || isThere(each);
  const renewable = closing === "none" ? [] : unable.filter((each) => canBeRenewed(each, next));
  return {
    kept: judged.filter(({ against }) => against === null),
    coming: able.filter(isThere),
    anew: renewable.filter(mayBeThere),
    waiting: [
      ...able.filter((each) => !isThere(each)),
      ...renewable.filter((each) => !mayBeThere(each)),
    ],
    lost: unable.filter((each) => !renewable.includes(each)),
  };
}

/** What is in its place there is a copy of it at most, which goes. */
function canBeRenewed({ slot, copy, method }: KeptSlot, next: ReachedNode): boolean {
  if (method !== "slot-file" || slot.plugin === null || slot.database === null) return false;
  if (settingText(next, "wal_level") === "replica") return false;
  return copy === null || isSameKind(copy, slot);
}

function canBeMade({ against, copy, slot, method }: KeptSlot): boolean {
  if (against?.of !== "copy") return false;
  if (copy === null) return method !== "slot-file";
  return isSameKind(copy, slot) && (method !== "slot-file" || isAhead(copy, slot));
}

/** All that it lacks then is that its consumer goes on. */
function isAhead(copy: Slot, slot: Slot): boolean {
  const [has, wants] = [copy.confirmedFlushLsn, slot.confirmedFlushLsn];
  return isAlive(copy) && has !== null && wants !== null && has > wants;
}

/** What is there and behind its consumer may lack no more than a proof. */
function needsConsumer({ copy, slot, method }: KeptSlot): boolean {
  const [has, wants] = [copy?.confirmedFlushLsn ?? null, slot.confirmedFlushLsn];
  if (copy === null || has === null || wants === null) return true;
  if (method === "failover-slot" && (copy.synced !== true || copy.temporary)) return true;
  return has > wants || !isAlive(copy);
}

export function checkSlotsKept({ waiting, lost }: SlotOutlook, { slotLoss }: Accepted): Finding[] {
  if (slotLoss) return [];
  return [
    ...lost.map((each) => {
      const { remedy } = each.against ?? { remedy: null };
      return problem("slot-would-be-lost", each.primary, {
        message: `${nameOf(each.slot)} would be lost by a switchover to ${each.node}: ${whyNot(each)}`,
        hint: [...(remedy === null ? [] : [remedy]), goOn].join(", or "),
      });
    }),
    ...waiting.map((each) =>
      problem("consumer-away", each.primary, {
        message: `nobody reads from ${nameOf(each.slot)} on ${each.primary}, and ${whyNot(each)}: a new one counts once its consumer has confirmed past where it begins`,
        hint: `start its consumer, or ${goOn}`,
      }),
    ),
  ];
}

const goOn = "--accept-slot-loss to go on without it";

function whyNot({ against }: KeptSlot): string {
  return against?.reason ?? "";
}

function nameOf({ slotName, plugin, database }: Slot): string {
  return `logical slot ${slotName} (${plugin ?? "unknown plugin"} in ${database ?? "an unknown database"})`;
}

/** What is given up stands in the plan, with the place that is lost. */
export function tellOfSlots({ kept, coming, anew, waiting, lost }: SlotOutlook): Finding[] {
  return [
    ...[...lost, ...waiting].map(({ slot, primary, against }) => ({
      code: "slot-would-be-lost" as const,
      severity: "warning" as const,
      node: primary,
      message: `${nameOf(slot)} stays behind on ${primary}, confirmed up to ${placeOf(slot)}: ${against?.reason ?? ""}`,
      hint: `drop it there once its consumer has a new one: it holds WAL`,
    })),
    ...tellOfKept([...kept, ...coming]),
    ...tellOfNew(anew),
  ];
}

function placeOf({ confirmedFlushLsn }: Slot): string {
  return confirmedFlushLsn === null ? "an unknown LSN" : formatLsn(confirmedFlushLsn);
}

export function tellOfKept(kept: readonly KeptSlot[]): Finding[] {
  const [first] = kept;
  if (first === undefined) return [];
  const names = kept.map(({ slot }) => slot.slotName).join(", ");
  const verb = kept.length === 1 ? "goes on" : "go on";
  return [
    {
      code: "slot-kept",
      severity: "note",
      node: first.node,
      message: `${counted(kept.length, "logical slot")} ${verb} on ${first.node} (${names}): consumers may get once more what they confirm from now on`,
    },
  ];
}

function tellOfNew(anew: readonly KeptSlot[]): Finding[] {
  const [first] = anew;
  if (first === undefined) return [];
  return [
    {
      code: "slot-kept",
      severity: "note",
      node: first.node,
      message: `${counted(anew.length, "logical slot")} will be made on ${first.node} before it takes writes (${namesOf(anew).join(", ")}): the writes wait until the consumers have confirmed everything`,
    },
  ];
}

/** A fence ends no walsender: what the fenced server writes by itself they would take for progress. */
export function tellOfHeldConsumers(
  held: readonly KeptSlot[],
  { from, to }: { readonly from: string; readonly to: string },
): Finding[] {
  if (held.length === 0) return [];
  const names = held.map(({ slot }) => slot.slotName).join(", ");
  return [
    {
      code: "consumers-on-fenced",
      severity: "warning",
      node: from,
      message: `the consumers of ${names} stay connected to ${from}, which is fenced and goes on`,
      hint: `lead them to ${to} at once: one that keeps a position of its own, and confirms what ${from} writes by itself, would ask ${to} to leave out as much`,
    },
  ];
}

export const namesOf = (some: readonly KeptSlot[]): readonly string[] =>
  some.map(({ slot }) => slot.slotName);

/** First of all, while nothing is changed yet. */
export function makeReadyStage(
  topology: Topology,
  { coming }: SlotOutlook,
  { node, slotLoss }: { readonly node: string; readonly slotLoss: boolean },
): readonly Stage[] {
  if (coming.length === 0) return [];
  const ready = slotLoss ? "each" : "all";
  const step = { verb: "slot-sync", node, slots: namesOf(coming), ready } as const;
  return stage(`have ${node} keep the slots, each from where its consumer has confirmed`, [
    planned(topology, step, { required: !slotLoss }),
  ]);
}

/** Copies that a switchover made before it was taken back: they hold WAL until somebody goes on with them. */
export function tellOfCopiesLeft({
  outcome,
  steps = [],
}: Pick<Report, "outcome" | "steps">): Finding[] {
  if (outcome !== "undone") return [];
  return steps.flatMap(({ step, state }) => {
    if (step.verb !== "slot-sync" || step.ready === undefined || state !== "done") return [];
    const { node, slots } = step;
    return [
      {
        code: "slot-left" as const,
        severity: "warning" as const,
        node,
        message: `${counted(slots.length, "logical slot")} got copies on ${node}, and they stay (${slots.join(", ")}): they hold WAL there`,
        hint: "`remaster slot-sync` keeps them level; drop them where they are not wanted: SELECT pg_drop_replication_slot(...)",
      },
    ];
  });
}

/** Last before the writes stop: what was confirmed until then does not come once more. */
export function makeLevelStage(
  topology: Topology,
  { kept, coming }: SlotOutlook,
  node: string,
): readonly Stage[] {
  const slots = namesOf([...kept, ...coming]);
  if (slots.length === 0) return [];
  return stage(`bring the slots of ${node} level with their consumers`, [
    planned(topology, { verb: "slot-sync", node, slots }, { required: false }),
  ]);
}

/** Slots that a failover now would lose wherever it goes, where somebody evidently means them to be kept. */
export function tellOfSlotsAtRisk(topology: Topology): Finding[] {
  const all = findKeptSlots(topology);
  if (!all.some(isMeantToBeKept)) return [];
  const slots = [...new Set(all.map(({ slot }) => slot))];
  return slots.flatMap((slot) => {
    const cases = all.filter((each) => each.slot === slot);
    const [first] = cases;
    if (first === undefined || cases.some(({ against }) => against === null)) return [];
    if (first.against?.of === "source") return [];
    const reasons = [...new Set(cases.map(({ against }) => against?.reason ?? ""))];
    return [
      {
        code: "slot-would-be-lost" as const,
        severity: "warning" as const,
        node: first.primary,
        message: `${nameOf(slot)} is ready on no standby that may lead: ${reasons.join("; ")}`,
        hint: "`remaster slot-sync`, and `remaster slot-sync --check` for each standby",
      },
    ];
  });
}

/** A slot that a former primary has kept is none where the settings for copies were never made. */
function isMeantToBeKept({ slot, copy, against }: KeptSlot): boolean {
  if (slot.failover === true || copy?.synced === true) return true;
  return copy !== null && isSameKind(copy, slot) && against?.of !== "settings";
}
