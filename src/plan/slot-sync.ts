// Decides slot-sync: which copies of logical slots are to be made, or brought level, on which standbys. A slot that nothing can
// be done for is told of and holds up no other; what needs a setting or a restart waits for the operator's word.

import type { Finding } from "../topology/finding.ts";
import {
  findKeptSlots,
  type KeptSlot,
  slotMethod,
  type SlotWish,
  wantedSlots,
  wantedStandbys,
} from "../topology/kept-slots.ts";
import type { ReachedNode, Slot } from "../topology/node.ts";
import { standbysUpwards } from "../topology/slot-settings.ts";
import { findLeftCopies, type LeftCopy } from "../topology/standby-copy.ts";
import { solePrimary } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkReachable } from "./checks.ts";
import { keepingOf, type Keeping, pruneStages } from "./keep-slots.ts";
import type { Decision, Stage } from "./plan.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { lacksFlag, tellOfFlagging, tellOfUnflagged } from "./slot-failover.ts";
import {
  preparedSettings,
  primarySettings,
  standbySettings,
  tellOfRunningAhead,
  tellOfWaiting,
} from "./slot-settings.ts";
import { tellOfSynchronizedSlots } from "./synchronized-slots.ts";

export interface SlotSyncRequest extends SlotWish {
  /** `keep`: the standbys' physical slots for their siblings as well. `prune`: and drop those of ours that nobody needs. */
  readonly physical?: "keep" | "prune";
  /** Standbys may be stopped and started, where a copy cannot come to be without. */
  readonly allowRestart: boolean;
  /** Settings of the servers may be changed to what copies need. */
  readonly configure: boolean;
  /** Slots may be given the failover flag (17+). */
  readonly enableFailover: boolean;
}

/** What a failover to that standby would lose. */
export function tellOfUnready(
  { slot, node, primary, against }: KeptSlot,
  severity: Finding["severity"],
): Finding[] {
  if (against === null) return [];
  const { slotName, plugin, database } = slot;
  const what = `${plugin ?? "unknown plugin"} in ${database ?? "an unknown database"}`;
  return [
    {
      code: "slot-would-be-lost",
      severity,
      node: primary,
      message: `logical slot ${slotName} (${what}) would be lost by a failover to ${node}: ${against.reason}`,
      ...(against.remedy === null ? {} : { hint: against.remedy }),
    },
  ];
}

export function checkSolePrimary(topology: Topology): Finding[] {
  if (solePrimary(topology) !== null) return [];
  const [first, second] = topology.primaries;
  const message =
    first !== undefined && second !== undefined
      ? `${topology.primaries.join(" and ")} both take writes`
      : "no primary can be reached: whose slots are meant is not known";
  return [problem("no-primary", null, { message, hint: "see `remaster status`" })];
}

/** One that went with the slot's drop is dropped; of the others nobody knows whether they are all that is left of a slot. */
export function tellOfLeftCopy({ node, copy, dropped }: LeftCopy): Finding[] {
  if (dropped) return [];
  return [
    {
      code: "slot-copy-left",
      severity: "warning",
      node,
      message: `${node} has a copy of logical slot ${copy.slotName}, which was on the primary before the lead changed and is not on this one`,
      hint: `where its consumer is gone: SELECT pg_drop_replication_slot('${copy.slotName}') on ${node}`,
    },
  ];
}

/** A copy that is ready and level needs nothing; what stands in the way may be set to rights by the same plan. One that misses
 * a setting is brought along, so that it holds up no WAL. */
function needsWork(kept: KeptSlot, { configure }: SlotSyncRequest): boolean {
  const { slot, copy, method, against, repeatBytes } = kept;
  if (against === null) return repeatBytes !== 0n;
  if (against.of !== "settings") return against.of === "copy";
  if (configure || method !== "standby-slot") return configure;
  const [has, wants] = [copy?.confirmedFlushLsn ?? null, slot.confirmedFlushLsn];
  return has !== null && wants !== null && has < wants;
}

/** What stands around the copies: settings, and the flag by which servers keep them. */
interface Around {
  readonly primary: ReachedNode;
  readonly standbys: readonly ReachedNode[];
  readonly slots: readonly Slot[];
  /** Those of the slots that this plan gives the flag. */
  readonly flagged: readonly Slot[];
}

function lookAround(topology: Topology, request: SlotSyncRequest): Around | null {
  const primary = solePrimary(topology);
  if (primary === null) return null;
  const slots = wantedSlots(primary, request.patterns ?? []);
  const lacking = slots.filter((slot) => lacksFlag(primary, slot));
  const standbys = wantedStandbys(topology, request);
  return { primary, standbys, slots, flagged: request.enableFailover ? lacking : [] };
}

/** The standbys whose server keeps copies, or is to. */
function keepers(topology: Topology, { standbys, slots, flagged }: Around): ReachedNode[] {
  return standbys.filter((standby) =>
    slots.some((slot) => {
      const failover = slot.failover === true || flagged.includes(slot);
      return slotMethod(topology, standby, { failover }) === "failover-slot";
    }),
  );
}

function settingStages(
  topology: Topology,
  around: Around,
  { physical }: SlotSyncRequest,
): readonly Stage[] {
  const { primary, standbys, slots } = around;
  if (slots.length === 0) return [];
  const kept = keepers(topology, around);
  const upwards = new Set(standbys.flatMap((standby) => standbysUpwards(topology, standby)));
  const below = [...upwards].flatMap((standby) => {
    const step = standbySettings(topology, standby, { database: kept.includes(standby) });
    return step === null ? [] : [planned(topology, step, { required: false })];
  });
  const makes = physical === undefined ? "left" : "made";
  const waited = [
    primarySettings(primary, kept),
    ...kept.map((standby) => preparedSettings(topology, standby, { keepers: kept, makes })),
  ].filter((step) => step !== null);
  return [
    ...stage("have the standbys hold what copies need", below),
    ...stage(
      "have consumers wait for the standbys, whoever leads",
      waited.map((step) => planned(topology, step, { required: false })),
    ),
  ];
}

function flagStages(topology: Topology, { primary, flagged }: Around): readonly Stage[] {
  const steps = flagged.map(({ slotName: slot }) => {
    const step = { verb: "slot-failover", node: primary.name, slot } as const;
    return planned(topology, step, { required: false });
  });
  return stage("have the standbys' servers keep copies of the slots", steps);
}

/** Slots that some wanted standby has no ready copy of: of the others nobody needs to be told how else they could be kept. */
function unready(topology: Topology, request: SlotSyncRequest): readonly Slot[] {
  const lacking = findKeptSlots(topology, request).filter(({ against }) => against !== null);
  return [...new Set(lacking.map(({ slot }) => slot))];
}

/** Nodes out of reach that were named, or that may lead where no standby that may is there: whether a failover to them would keep the
 * slots is not known. */
export function tellOfAway(
  topology: Topology,
  { standbys = [], patterns = [] }: SlotWish,
): Finding[] {
  const primary = solePrimary(topology);
  if (primary === null || wantedSlots(primary, patterns).length === 0) return [];
  const isNobodyThere = wantedStandbys(topology, {}).length === 0;
  return [...topology.nodes.values()].flatMap((node): Finding[] => {
    const isMeant =
      standbys.length === 0 ? isNobodyThere && node.promotable : standbys.includes(node.name);
    if (node.reachable || !isMeant) return [];
    return [
      {
        code: "node-unreachable",
        severity: "warning",
        node: node.name,
        message: `${node.name} cannot be reached (${node.reason}): whether it keeps the logical slots is not known`,
        hint: "see `remaster status`",
      },
    ];
  });
}

/** What is worth knowing of them beside whether each copy is ready, and what will be otherwise. */
export function tellOfKeeping(topology: Topology, request: SlotSyncRequest): Finding[] {
  const around = lookAround(topology, request);
  if (around === null) return [];
  const { primary, flagged } = around;
  const kept = keepers(topology, around);
  const above = primarySettings(primary, kept);
  const waiting = above === null ? [] : tellOfWaiting(above);
  // Where nothing can be done about it beforehand, it is told when the lead changes.
  const tellOfNext = (): Finding[] =>
    kept
      .filter((next) => preparedSettings(topology, next, { keepers: kept, makes: "left" }) !== null)
      .flatMap((next) => {
        const below = kept.filter((each) => each !== next);
        return tellOfSynchronizedSlots(next, { below, former: primary });
      });
  return [
    ...(request.configure ? waiting : [...tellOfRunningAhead(primary, kept), ...tellOfNext()]),
    ...findLeftCopies(topology, request).flatMap(tellOfLeftCopy),
    ...tellOfAway(topology, request),
    ...(request.enableFailover
      ? flagged.flatMap((slot) => tellOfFlagging(primary, slot))
      : tellOfUnflagged(primary, unready(topology, request))),
  ];
}

function physicalStages(topology: Topology, { physical, standbys = [] }: SlotSyncRequest): Keeping {
  if (physical === undefined) return { stages: [], findings: [] };
  const { stages, findings } = keepingOf(topology, standbys);
  const pruned = physical === "prune" ? pruneStages(topology, standbys) : [];
  return { stages: [...stages, ...pruned], findings };
}

export function planSlotSync(topology: Topology, request: SlotSyncRequest): Decision {
  const refusal = refuseOn([
    ...checkSolePrimary(topology),
    ...(request.standbys ?? []).flatMap((name) => checkReachable(observationOf(topology, name))),
  ]);
  if (refusal !== null) return refusal;
  const around = lookAround(topology, request);
  const flagged = around?.flagged ?? [];
  const kept = findKeptSlots(topology, request).filter(
    (each) => needsWork(each, request) || flagged.includes(each.slot),
  );
  const left = findLeftCopies(topology, request).filter(({ dropped }) => dropped);
  const work = [
    ...kept.map(({ node, slot }) => ({ node, slotName: slot.slotName })),
    ...left.map(({ node, copy }) => ({ node, slotName: copy.slotName })),
  ];
  const before =
    around === null
      ? []
      : [
          ...(request.configure ? settingStages(topology, around, request) : []),
          ...flagStages(topology, around),
        ];
  const physical = physicalStages(topology, request);
  const findings = [...tellOfKeeping(topology, request), ...physical.findings];
  if (work.length + physical.stages.length === 0 && before.length === 0)
    return { kind: "already", findings };
  const nodes = [...new Set(work.map(({ node }) => node))];
  const steps = nodes.map((node) => {
    const slots = work.filter((each) => each.node === node).map(({ slotName }) => slotName);
    const restart = request.allowRestart ? ({ allowRestart: true } as const) : {};
    const step = { verb: "slot-sync", node, slots, ...restart } as const;
    return planned(topology, step, { required: false });
  });
  return decidePlan("slot-sync", topology, {
    // What may take long comes last: the others do not wait for it.
    stages: [
      ...physical.stages,
      ...before,
      ...stage("bring the standbys' copies of the slots level", steps),
    ],
    findings,
  });
}
