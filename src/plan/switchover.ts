// Decides switchover: the lead changes while all are alive. What can be done before the writes stop is done before: siblings
// stream from the candidate already and follow it to the new timeline over the same connection, its slots are there, both
// have written a checkpoint. Then the short part: the old primary shuts down cleanly, the candidate has everything, leads.

import { rankCandidates } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import { findKeptSlots } from "../topology/kept-slots.ts";
import type { ReachedNode } from "../topology/node.ts";
import { reachedNode } from "../topology/structure.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { countKept } from "../topology/slots-after.ts";
import { type Topology, upstreamChain } from "../topology/topology.ts";
import { settingText } from "../topology/settings.ts";
import type { WriterSurvey } from "../topology/writers.ts";
import { checkReachable, checkRights, checkSettings, mayCheckpoint } from "./checks.ts";
import { checkCommitsGoOn } from "./confirmers.ts";
import { checkFreeSender, checkHandOver } from "./demote.ts";
import { tellOfDurability } from "./durability-kept.ts";
import { checkFence, tellOfPrepared } from "./fence.ts";
import { leftBehind } from "./finishing.ts";
import { checkShutdown, tellOfShutdown } from "./held-shutdown.ts";
import type { Decision, Stage } from "./plan.ts";
import {
  type Accepted,
  checkClose,
  tellOfCheckpoints,
  tellOfSessions,
  tellOfSynchronousNames,
} from "./preflight.ts";
import { checkMayLead } from "./promote.ts";
import { checkNewSlots, closeStage, openStages, unclosedStages } from "./new-slots.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { checkFit, type FitAcceptance, tellOfFit } from "./settings-fit.ts";
import {
  checkSlotsKept,
  foreseeHandOver,
  makeLevelStage,
  makeReadyStage,
  namesOf,
  type SlotOutlook,
  tellOfHeldConsumers,
  tellOfSlots,
} from "./slots-kept.ts";
import type { Step } from "./step.ts";
import { finishSwitchover, staleSlotStage } from "./switchover-finishing.ts";
import { findMovable, type Move, movesOf, repointStages } from "./siblings.ts";
import { tellOfSynchronizedSlots } from "./synchronized-slots.ts";

export interface SwitchoverRequest {
  /** Null: the best candidate. */
  readonly to: string | null;
  readonly fit: FitAcceptance;
  readonly accepted: Accepted;
  /** Sessions of these application names stay, where the primary is fenced. */
  readonly spare: readonly string[];
  /** Who is at work on the primary; null where none was there to be asked. */
  readonly survey: WriterSurvey | null;
  /** Logical slots whose consumers were seen to go on; who holds its slot is seen anyway. */
  readonly consuming?: ReadonlySet<string>;
}

function checkPrimaries(topology: Topology): Finding[] {
  const [, second] = topology.primaries;
  if (topology.primaries.length === 0) {
    return [
      problem("no-primary", null, {
        message: "no node that can be reached leads",
        hint: "where the primary is lost: `remaster failover`",
      }),
    ];
  }
  if (second === undefined) return [];
  return [
    problem("several-primaries", null, {
      message: `several nodes lead: ${topology.primaries.join(", ")}`,
      hint: "see `remaster status`",
    }),
  ];
}

function checkCandidate(node: ReachedNode): Finding[] {
  return [...checkMayLead(node), ...checkRights(node, "promotion"), ...checkSettings(node)];
}

function findCandidate(topology: Topology, to: string | null): string | null {
  if (to !== null) return to;
  const all = findKeptSlots(topology);
  const keptOn = ({ name }: ReachedNode) => all.filter(({ node }) => node === name);
  return rankCandidates(topology, { slotsKept: countKept(topology, keptOn) }).candidate;
}

function nobodyMayLead(): Decision {
  const findings = [
    problem("no-candidate", null, {
      message: "no standby may be promoted",
      hint: "see `remaster compare-lsn` for the reasons",
    }),
  ];
  return { kind: "refused", outcome: "refused", findings };
}

/** Slots that are given up need not wait for what would keep them from being made. */
function mayMakeSlots({ preparedTransactions }: WriterSurvey, { slotLoss }: Accepted): boolean {
  return !slotLoss || preparedTransactions.length === 0;
}

/** Who hands over, to whom, and who else is concerned. */
interface HandOver {
  readonly old: ReachedNode;
  readonly next: ReachedNode;
  readonly moves: readonly Move[];
  /** The standby from which the candidate streams until then: it is to follow the candidate, so it cannot feed it any more. Null:
   * the candidate streams from the old primary. */
  readonly above: string | null;
  /** Those that stream from the old primary until then. */
  readonly leaving: readonly ReachedNode[];
  /** Null where the shutdown of the old primary is fence enough. */
  readonly fence: { readonly spare: readonly string[]; readonly survey: WriterSurvey } | null;
  /** Without control of it the old primary goes on as it is, fenced. */
  readonly end: "demoted" | "fenced";
  readonly slots: SlotOutlook;
  readonly accepted: Accepted;
}

function one(topology: Topology, reason: string, step: Step): readonly Stage[] {
  return stage(reason, [planned(topology, step, { required: true })]);
}

/** Done while the old primary leads. */
function preparing(topology: Topology, hand: HandOver): readonly Stage[] {
  const { old, next, moves, above, slots } = hand;
  const { slotLoss } = hand.accepted;
  const straight = { verb: "repoint", node: next.name, to: old.name, until: "follow" } as const;
  return [
    ...(above === null
      ? []
      : one(
          topology,
          `have ${next.name} stream from ${old.name} itself, and not through others`,
          straight,
        )),
    ...makeReadyStage(topology, slots, { node: next.name, slotLoss }),
    ...repointStages(topology, moves, {
      until: "stream",
      reason: (to) => `have them stream from ${to} while ${old.name} leads`,
    }),
    ...stage(
      "write what is dirty to disk beforehand",
      [old, next]
        .filter(mayCheckpoint)
        .map(({ name: node }) =>
          planned(topology, { verb: "checkpoint", node }, { required: true }),
        ),
    ),
    ...makeLevelStage(topology, slots, next.name),
  ];
}

/** The short part. */
function handingOver(topology: Topology, hand: HandOver): readonly Stage[] {
  const { old, next, fence, slots, end } = hand;
  const [node, to] = [old.name, next.name];
  const confirmed = slots.anew.length === 0 ? {} : { confirmed: namesOf(slots.anew) };
  const closed = slots.anew.length === 0 ? {} : { closed: true as const };
  const promote = { verb: "promote", node: to, require: null, ...closed } as const;
  return [
    ...(fence === null
      ? []
      : one(topology, `hold writes off ${node}, with everything on ${to}`, {
          ...{ verb: "fence", node, spare: fence.spare, to },
          ...confirmed,
        })),
    ...closeStage(topology, hand, slots),
    ...(end === "fenced"
      ? []
      : one(topology, `shut ${node} down cleanly, with everything on ${to}`, {
          ...{ verb: "demote", node, to },
        })),
    ...one(topology, `make ${to} the primary, on a new timeline`, promote),
    ...(slots.anew.length === 0 ? [] : openStages(topology, to)),
  ];
}

/** What the fence took away in the catalogues both have in common. */
function hasClosed({ fence, slots }: HandOver): boolean {
  // One that led closed got all of it back when it opened.
  if (fence === null || slots.anew.length > 0) return false;
  const { overrides, subscriptions } = fence.survey;
  return overrides.length > 0 || subscriptions.length > 0;
}

function settling(topology: Topology, hand: HandOver): readonly Stage[] {
  const { old, next, moves, leaving, end } = hand;
  const [node, to] = [old.name, next.name];
  const settled = repointStages(topology, moves, {
    until: "follow",
    reason: (upstream) => `see them follow ${upstream}`,
  });
  if (end === "demoted") {
    return [
      ...one(topology, `bring ${node} back as a standby`, { verb: "rejoin", node, to }),
      ...settled,
      ...staleSlotStage(topology, node, { leaving }),
      ...passedSlots(topology, hand),
    ];
  }
  const reopen = { verb: "unfence", node: to, of: node } as const;
  return [
    ...(hasClosed(hand) ? one(topology, `give ${to} back what the fence took away`, reopen) : []),
    ...settled,
  ];
}

/** The candidate's own, on the standby above it and on the old primary, where it streamed from it in between. */
function passedSlots(topology: Topology, { old, next, above }: HandOver): readonly Stage[] {
  if (above === null) return [];
  const slot = physicalSlotName(next.name, settingText(next, "primary_slot_name"));
  const there = old.slots.some(({ slotName }) => slotName === slot) ? [] : [old.name];
  const steps = [...there, above].map((node) =>
    planned(topology, { verb: "drop-slot", node, slot }, { required: false }),
  );
  return stage(`let go of the slots that ${next.name} had as a standby`, steps);
}

/** It leads no more, and nothing here can make it a standby. */
function tellOfFenced({ old, next, end, slots }: HandOver): Finding[] {
  if (end === "demoted") return [];
  const { name } = old;
  const held = slots.kept.concat(slots.coming, slots.anew).filter(({ slot }) => slot.active);
  return [
    ...tellOfHeldConsumers(held, { from: name, to: next.name }),
    {
      code: "fenced",
      severity: "warning",
      node: name,
      message: `${name} stays up, fenced: nobody here can make it a standby`,
      hint: `what it writes by itself from now on is on no other node: \`remaster rejoin ${name} --to ${next.name}\`, run on its machine with control.pg_ctl in the topology file, takes that back with pg_rewind`,
    },
  ];
}

export function planSwitchover(topology: Topology, request: SwitchoverRequest): Decision {
  return finishSwitchover(topology, request.to) ?? beginSwitchover(topology, request);
}

function beginSwitchover(topology: Topology, request: SwitchoverRequest): Decision {
  const led = refuseOn(checkPrimaries(topology));
  if (led !== null) return led;
  const old = reachedNode(topology, topology.primaries[0] ?? "");
  if (old === null) throw new Error("the primary is not reachable");
  const next = findCandidate(topology, request.to);
  if (next === null) return nobodyMayLead();
  if (next === old.name) return { kind: "already", findings: [] };
  const observed = observationOf(topology, next);
  if (!observed.reachable) return refuseOn(checkReachable(observed)) ?? nobodyMayLead();
  const { able, findings } = findMovable(topology, observed);
  const moves = movesOf(topology, able, { candidate: next, torn: new Set() });
  const direct = moves.filter(({ to }) => to === next).map(({ node }) => node);
  const pairing = { leader: observed, standbys: [...direct, old] };
  const { survey, spare, accepted, fit } = request;
  const end = old.canBeDemoted === true || survey === null ? "demoted" : "fenced";
  const hands = { old, next: observed };
  const slots = foreseeHandOver(topology, hands, {
    consuming: request.consuming ?? new Set(),
    closing: survey === null || !mayMakeSlots(survey, accepted) ? "none" : "fence",
  });
  const isFenced = end === "fenced" || slots.anew.length > 0;
  const fence = isFenced && survey !== null ? { spare, survey } : null;
  const refusal =
    refuseOn([
      ...(end === "demoted"
        ? [
            ...checkHandOver(topology, old, observed),
            // Whoever is led away leaves his.
            ...(direct.length === 0 ? checkFreeSender(old) : []),
            ...checkShutdown(topology, old, accepted),
          ]
        : []),
      ...(fence === null ? [] : checkFence(old, fence.survey)),
      ...checkNewSlots(slots, { next: observed, survey }),
      ...checkCandidate(observed),
      ...checkClose(hands, accepted),
      ...checkSlotsKept(slots, accepted),
      ...(fit.blockedCommits ? [] : checkCommitsGoOn(topology, direct)),
    ]) ?? refuseOn(checkFit(pairing, fit));
  if (refusal !== null) return refusal;
  const above = upstreamChain(topology, next)[0] ?? null;
  const through = above === old.name ? null : above;
  const leaving = [observed, ...direct];
  const hand = { ...hands, moves, above: through, leaving, fence, end, slots, accepted } as const;
  const below = end === "demoted" ? [...direct, old] : direct;
  return decidePlan("switchover", topology, {
    stages: [
      ...unclosedStages(topology, next),
      ...preparing(topology, hand),
      ...handingOver(topology, hand),
      ...settling(topology, hand),
    ],
    noReturn: "promote",
    findings: [
      ...findings,
      ...leftBehind(
        topology,
        [],
        (gone) => `when it is back: \`remaster repoint ${gone} --to ${next}\``,
      ),
      ...tellOfFit(pairing, fit),
      ...tellOfFenced(hand),
      ...(end === "demoted" ? tellOfShutdown(topology, old, accepted) : []),
      ...tellOfCheckpoints(hands),
      ...tellOfSlots(slots),
      ...tellOfSynchronizedSlots(observed, { below, former: old }),
      ...(survey === null ? [] : [...tellOfSessions(survey), ...tellOfPrepared(survey)]),
      ...tellOfSynchronousNames(topology, observed),
      ...tellOfDurability(old, observed),
    ],
  });
}
