// What a structure means: every situation that an observation shows, under its code. One rule per situation; each rule
// says why its severity is what it is. `problem` makes `status` answer no, so a healthy cluster has none, idle or not.

import {
  blockedCommits,
  missingCandidate,
  missingPrimary,
  otherClusters,
  otherMajors,
  sameServers,
  splitBrain,
  timelineClashes,
  unreachableNodes,
} from "./cluster-rules.ts";
import { heedDemotions } from "./demotion-hints.ts";
import type { Finding, Severity } from "./finding.ts";
import { unknownFollowers } from "./follower-rules.ts";
import { forkedTimelines, strayNodes } from "./fork-rules.ts";
import { otherManagers } from "./managers.ts";
import {
  brokenOffPromotions,
  demotions,
  fences,
  heldUpReplay,
  leftoverStandbySignals,
  pointInTimeRecovery,
  quiesceMarks,
  unsettledRepoints,
} from "./node-rules.ts";
import {
  fixedTargetTimelines,
  ignoredPriorities,
  missingRights,
  rightsToChange,
  missingWalSenders,
  passwordsInConninfo,
  settingsBelowPrimary,
  settingsOutOfReach,
} from "./setting-rules.ts";
import { endangeredSlots, idleSlots, lostSlots } from "./slot-rules.ts";
import type { Structure } from "./structure.ts";
import {
  deadUpstreams,
  divergedStandbys,
  missingUpstreams,
  notFollowing,
  silentReceivers,
  tornTails,
  unknownUpstreams,
  upstreamCycles,
} from "./upstream-rules.ts";

type Rule = (structure: Structure) => readonly Finding[];

/** In the order in which an operator wants to hear of them, within a severity. */
const rules: readonly Rule[] = [
  splitBrain,
  forkedTimelines,
  missingPrimary,
  demotions,
  unreachableNodes,
  blockedCommits,
  otherClusters,
  otherMajors,
  sameServers,
  timelineClashes,
  strayNodes,
  divergedStandbys,
  notFollowing,
  deadUpstreams,
  upstreamCycles,
  brokenOffPromotions,
  leftoverStandbySignals,
  lostSlots,
  quiesceMarks,
  unsettledRepoints,
  fences,
  tornTails,
  silentReceivers,
  unknownUpstreams,
  unknownFollowers,
  missingUpstreams,
  heldUpReplay,
  missingCandidate,
  pointInTimeRecovery,
  settingsOutOfReach,
  settingsBelowPrimary,
  fixedTargetTimelines,
  missingWalSenders,
  endangeredSlots,
  idleSlots,
  passwordsInConninfo,
  missingRights,
  rightsToChange,
  otherManagers,
  ignoredPriorities,
];

const weight: Readonly<Record<Severity, number>> = { problem: 0, warning: 1, note: 2 };

/** Everything worth saying about a cluster, problems first. */
export function findFindings(structure: Structure): readonly Finding[] {
  const findings = rules.flatMap((rule) => rule(structure));
  return heedDemotions(structure, findings).toSorted(
    (a, b) => weight[a.severity] - weight[b.severity],
  );
}
