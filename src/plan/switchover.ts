// Decides switchover: the lead changes while all are alive. What can be done before the writes stop is done before: siblings
// stream from the candidate already and follow it to the new timeline over the same connection, its slots are there, both
// have written a checkpoint. Then the short part: the old primary shuts down cleanly, the candidate has everything, leads.

import { rankCandidates } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import { reachedNode } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkReachable, checkRights, checkSettings } from "./checks.ts";
import { checkHandOver } from "./demote.ts";
import type { Decision, Stage } from "./plan.ts";
import { checkMayLead } from "./promote.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { checkFit, type FitAcceptance, tellOfFit } from "./settings-fit.ts";
import { findMovable, type Move, movesOf, repointStages } from "./siblings.ts";

export interface SwitchoverRequest {
  /** Null: the best candidate. */
  readonly to: string | null;
  readonly fit: FitAcceptance;
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
  return rankCandidates(topology).candidate;
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

/** The slots on the old primary of those who have left it: as a standby it would hold WAL for them for ever. */
function staleSlots(topology: Topology, old: string, leaving: readonly ReachedNode[]) {
  const slots = reachedNode(topology, old)?.slots ?? [];
  const names = leaving.map((node) => settingText(node, "primary_slot_name"));
  return slots
    .filter(({ slotName, slotType }) => slotType === "physical" && names.includes(slotName))
    .map(({ slotName: slot }) =>
      planned(topology, { verb: "drop-slot", node: old, slot }, { required: false }),
    );
}

function stagesFor(
  topology: Topology,
  pair: { readonly old: string; readonly next: string; readonly leaving: readonly ReachedNode[] },
  moves: readonly Move[],
): readonly Stage[] {
  const { old, next, leaving } = pair;
  const required = { required: true };
  const one = (reason: string, step: Parameters<typeof planned>[1]): readonly Stage[] =>
    stage(reason, [planned(topology, step, required)]);
  return [
    ...repointStages(topology, moves, {
      until: "stream",
      reason: (to) => `have them stream from ${to} while ${old} leads`,
    }),
    ...stage(
      "write what is dirty to disk beforehand",
      [old, next].map((node) => planned(topology, { verb: "checkpoint", node }, required)),
    ),
    ...one(`shut ${old} down cleanly, with everything on ${next}`, {
      verb: "demote",
      node: old,
      to: next,
    }),
    ...one(`make ${next} the primary, on a new timeline`, {
      verb: "promote",
      node: next,
      require: null,
    }),
    ...one(`bring ${old} back as a standby`, { verb: "rejoin", node: old, to: next }),
    ...repointStages(topology, moves, { until: "follow", reason: (to) => `see them follow ${to}` }),
    ...stage(`let go of the slots that ${old} has for them`, staleSlots(topology, old, leaving)),
  ];
}

export function planSwitchover(topology: Topology, request: SwitchoverRequest): Decision {
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
  const refusal =
    refuseOn([...checkHandOver(topology, old, observed), ...checkCandidate(observed)]) ??
    refuseOn(checkFit(pairing, request.fit));
  if (refusal !== null) return refusal;
  return decidePlan("switchover", topology, {
    stages: stagesFor(topology, { old: old.name, next, leaving: [observed, ...direct] }, moves),
    noReturn: "promote",
    findings: [...findings, ...tellOfFit(pairing, request.fit)],
  });
}
