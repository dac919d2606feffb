// Decides slot-settings: give the servers what copies of logical slots need. A standby gets its feedback, its physical slot and a
// database in primary_conninfo, which has its receiver start anew; a primary is told whom its consumers wait for. What is
// so already is left alone, and so is a name that somebody else put into a list.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode, SettingName } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import {
  fitSynchronizedSlots,
  lackingSettings,
  slotNamesOf,
  synchronizedSlots,
} from "../topology/slot-settings.ts";
import { majorOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkBelongs, checkReach, checkReachable, checkRights, checkStandby } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { isMarked } from "./quiesce.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { wantedSlots } from "./sibling-slots.ts";
import type { SlotSettingsStep } from "./step.ts";

export type SlotSettingsRequest = Omit<SlotSettingsStep, "verb">;

/** The database of slot synchronisation, where nobody names one: the one that remaster's own sessions are in. */
export const syncDatabase = "postgres";

/** What a standby lacks, as a step; null where it lacks nothing. */
export function standbySettings(
  topology: Topology,
  standby: ReachedNode,
  needs: { readonly database: boolean },
): SlotSettingsStep | null {
  const { feedback, slot, dbname, clauses } = lackingSettings(topology, standby, needs);
  if (clauses.length === 0) return null;
  return {
    verb: "slot-settings",
    node: standby.name,
    ...(feedback ? { feedback: true } : {}),
    ...(slot === null ? {} : { slot }),
    ...(dbname ? { dbname: syncDatabase } : {}),
  };
}

/** That consumers wait for these standbys, beside whomever they wait for; null where they do. */
export function primarySettings(
  primary: ReachedNode,
  standbys: readonly ReachedNode[],
): SlotSettingsStep | null {
  const synchronized = fitSynchronizedSlots(primary, slotNamesOf(standbys));
  return synchronized === null ? null : { verb: "slot-settings", node: primary.name, synchronized };
}

/** The same for when the standby leads: that consumers wait there for those of the others that will stream from it, through slots
 * that it has, or is to get by the same plan. Who leads now is not among them: he may be dead then. */
export function preparedSettings(
  topology: Topology,
  standby: ReachedNode,
  { keepers, makes }: { readonly keepers: readonly ReachedNode[]; readonly makes: SlotsMade },
): SlotSettingsStep | null {
  const isThere = (slot: string): boolean =>
    makes === "made" ||
    standby.slots.some(({ slotName, slotType }) => slotName === slot && slotType === "physical");
  const wanted = wantedSlots(topology, standby)
    .filter(({ sibling }) => keepers.some(({ name }) => name === sibling))
    .map(({ slot }) => slot)
    .filter(isThere);
  const synchronized = fitSynchronizedSlots(standby, wanted);
  return synchronized === null ? null : { verb: "slot-settings", node: standby.name, synchronized };
}

/** Whether a plan makes the slots for siblings as well. */
export type SlotsMade = "made" | "left";

/** A consumer may have what a standby has not: that would be missing there after a failover. */
export function tellOfRunningAhead(
  primary: ReachedNode,
  standbys: readonly ReachedNode[],
): Finding[] {
  const named = synchronizedSlots(primary);
  const lacking = slotNamesOf(standbys).filter((slot) => !named.includes(slot));
  if (lacking.length === 0) return [];
  return [
    {
      code: "consumers-may-run-ahead",
      severity: "note",
      node: primary.name,
      message: `consumers of failover slots on ${primary.name} do not wait for ${lacking.join(", ")} (synchronized_standby_slots)`,
      hint: "`remaster slot-sync --configure`",
    },
  ];
}

/** Who is waited for holds the consumers up where he stays away: said before it is done. */
export function tellOfWaiting({ node, synchronized = [] }: SlotSettingsStep): Finding[] {
  if (synchronized.length === 0) return [];
  return [
    {
      code: "consumers-wait",
      severity: "note",
      node,
      message: `consumers of failover slots on ${node} will wait for ${synchronized.join(", ")}: while one of them is away they get nothing new`,
      hint: `a standby that is gone for good: \`remaster slot-settings ${node} --synchronized\` with the others`,
    },
  ];
}

/** A step with nothing in it asks for whatever the node lacks. */
function isOpen({ feedback, slot, dbname, synchronized }: SlotSettingsRequest): boolean {
  return [feedback, slot, dbname, synchronized].every((part) => part === undefined);
}

/** What is so already is asked for no more; the slot counts only where its upstream has it. */
function narrowed(
  topology: Topology,
  node: ReachedNode,
  request: SlotSettingsRequest,
): SlotSettingsStep | null {
  const lacking = lackingSettings(topology, node, { database: true });
  const { synchronized: wanted } = request;
  const names = synchronizedSlots(node);
  const isSlot = settingText(node, "primary_slot_name") === request.slot && lacking.slot === null;
  const step: SlotSettingsStep = {
    verb: "slot-settings",
    node: node.name,
    ...(request.feedback === true && lacking.feedback ? { feedback: true } : {}),
    ...(request.slot === undefined || isSlot ? {} : { slot: request.slot }),
    ...(request.dbname !== undefined && lacking.dbname ? { dbname: request.dbname } : {}),
    ...(wanted === undefined || wanted.join() === names.join() ? {} : { synchronized: wanted }),
  };
  return isOpen(step) ? null : step;
}

function settingsOf(step: SlotSettingsStep): readonly SettingName[] {
  return [
    ...(step.feedback === true ? (["hot_standby_feedback"] as const) : []),
    ...(step.slot === undefined ? [] : (["primary_slot_name"] as const)),
    ...(step.dbname === undefined ? [] : (["primary_conninfo"] as const)),
    ...(step.synchronized === undefined ? [] : (["synchronized_standby_slots"] as const)),
  ];
}

function checkUnmarked(node: ReachedNode): Finding[] {
  if (!isMarked(node)) return [];
  return [
    problem("mark-in-the-way", node.name, {
      message: `${node.name} bears a mark of remaster: what it is to follow is not settled`,
      hint: "`remaster status` tells which; `remaster undo`, or the verb that left it once more",
    }),
  ];
}

function checkPrimary(node: ReachedNode, { synchronized }: SlotSettingsRequest): Finding[] {
  const slots = node.slots.filter(({ slotType }) => slotType === "physical");
  const strange = (synchronized ?? []).filter(
    (name) => !slots.some(({ slotName }) => slotName === name),
  );
  const since17 = majorOf(node) >= 17;
  return [
    ...(since17
      ? []
      : [
          problem("needs-major", node.name, {
            message: `${node.name} runs PostgreSQL ${node.versionText}: synchronized_standby_slots came with 17`,
          }),
        ]),
    // A name without a slot holds every consumer up for good (17, 18).
    ...strange.map((name) =>
      problem("no-slot", node.name, {
        message: `${node.name} has no physical slot ${name}: consumers would wait for it for ever`,
        hint: "`remaster status` shows its slots",
      }),
    ),
  ];
}

function checkStep(node: ReachedNode, step: SlotSettingsStep): Finding[] {
  const onStandby = step.feedback ?? step.slot ?? step.dbname;
  return [
    ...(onStandby === undefined ? [] : [...checkStandby(node), ...checkUnmarked(node)]),
    ...(step.synchronized === undefined ? [] : checkPrimary(node, step)),
    ...checkReach(node, settingsOf(step)),
    ...(step.slot === undefined ? [] : checkRights(node, "slots")),
  ];
}

export function planSlotSettings(topology: Topology, request: SlotSettingsRequest): Decision {
  const node = observationOf(topology, request.node);
  const reach = refuseOn(checkReachable(node));
  if (reach !== null || !node.reachable) return reach ?? { kind: "already", findings: [] };
  const belongs = refuseOn(checkBelongs(topology, node));
  if (belongs !== null) return belongs;
  const database = majorOf(node) >= 17;
  const step = isOpen(request)
    ? node.role === "standby"
      ? standbySettings(topology, node, { database })
      : null
    : narrowed(topology, node, request);
  if (step === null) return { kind: "already", findings: [] };
  const refusal = refuseOn(checkStep(node, step));
  if (refusal !== null) return refusal;
  return decidePlan("slot-settings", topology, {
    stages: stage("set what copies of logical slots need", [
      planned(topology, step, { required: true }),
    ]),
    findings: tellOfWaiting(step),
  });
}
