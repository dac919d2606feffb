// Logical slots that come to be on the next primary alone, because no copy of them can be made on a standby without a restart (13
// to 15). Such a slot begins where the log is when it is made. So nobody may write from where the consumer of the old one has
// confirmed everything until the new one is there: the old primary is fenced, the next one leads closed, and opens with its slots.
// A slot cannot be made while a transaction is open: one that is prepared would keep it waiting for ever.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { settingInteger } from "../topology/settings.ts";
import { ourNodes, standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import type { WriterSurvey } from "../topology/writers.ts";
import { checkBelongs, checkReach, checkReachable, checkRights, checkStandby } from "./checks.ts";
import { checkPrimary } from "./demote.ts";
import type { Decision, Stage } from "./plan.ts";
import type { Hands } from "./preflight.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { namesOf, type SlotOutlook } from "./slots-kept.ts";

/** The ones that lead and let nobody write before they have their slots. */
export function closedPrimaries(topology: Topology): readonly ReachedNode[] {
  return ourNodes(topology).filter(
    ({ role, marks }) => role === "primary" && marks.awaits !== undefined,
  );
}

/** Standbys that would lead closed. */
export function closedStandbys(topology: Topology): readonly ReachedNode[] {
  return standbysOf(topology).filter(({ marks }) => marks.awaits !== undefined);
}

/** What would keep the next primary from getting its slots, or from being closed until then. */
export function checkNewSlots(
  { anew }: SlotOutlook,
  { next, survey }: { readonly next: ReachedNode; readonly survey: WriterSurvey | null },
): Finding[] {
  if (anew.length === 0) return [];
  return [
    ...checkClosable(next),
    ...checkRights(next, "slots"),
    ...checkRoom(next, anew.length),
    ...(survey === null ? [] : checkNonePrepared(survey, namesOf(anew))),
  ];
}

function checkClosable(next: ReachedNode): Finding[] {
  return [...checkRights(next, "fence"), ...checkReach(next, ["default_transaction_read_only"])];
}

function checkRoom(next: ReachedNode, wanted: number): Finding[] {
  const { name, slots } = next;
  const allowed = settingInteger(next, "max_replication_slots");
  if (allowed === null || slots.length + wanted <= allowed) return [];
  return [
    problem("too-few-slots", name, {
      message: `${name} allows ${allowed} replication slots, has ${slots.length}, and is to get ${wanted} more`,
      hint: `drop a slot on ${name}, or raise max_replication_slots there and restart it`,
    }),
  ];
}

function checkNonePrepared(
  { node, preparedTransactions }: WriterSurvey,
  slots: readonly string[],
): Finding[] {
  if (preparedTransactions.length === 0) return [];
  const gids = preparedTransactions.map(({ gid, database }) => `${gid} in ${database}`);
  return [
    problem("prepared-transactions", node, {
      message: `prepared transactions stand open on ${node} (${gids.join(", ")}), and the slots that the next primary is to get (${slots.join(", ")}) could not be made before they are over`,
      hint: "COMMIT PREPARED or ROLLBACK PREPARED, or --accept-slot-loss to go on without the slots",
    }),
  ];
}

/** Right behind the fence, while the old primary still tells of its slots. */
export function closeStage(
  topology: Topology,
  { old, next }: Hands,
  { anew }: SlotOutlook,
): readonly Stage[] {
  if (anew.length === 0) return [];
  const step = { verb: "close", node: next.name, of: old.name, slots: namesOf(anew) } as const;
  return stage(`have ${next.name} lead closed until it has the slots`, [
    planned(topology, step, { required: true }),
  ]);
}

/** Behind the promotion. That nobody may write is worse than a slot that could not be made; but where the promotion itself is not
 * known to be done the node stays closed, and whoever goes on makes them. */
export function openStages(topology: Topology, node: string): readonly Stage[] {
  return [
    ...stage(`make the logical slots that ${node} is to have before it takes writes`, [
      planned(topology, { verb: "make-slots", node }, { required: false }),
    ]),
    ...stage(`let writes in on ${node}`, [
      planned(topology, { verb: "unfence", node }, { required: true }),
    ]),
  ];
}

/** Standbys that an earlier run closed, and that are not to lead now. */
export function unclosedStages(topology: Topology, next: string): readonly Stage[] {
  const steps = closedStandbys(topology)
    .filter(({ name }) => name !== next)
    .map(({ name: node }) => planned(topology, { verb: "unfence", node }, { required: true }));
  return stage("open what an earlier run left closed", steps);
}

/** Slots that it was to get and has not. */
export function tellOfUnmade({ name, marks, slots }: ReachedNode): Finding[] {
  const there = slots.filter(({ slotType }) => slotType === "logical");
  const unmade = (marks.awaits ?? []).filter(
    ({ slotName }) => !there.some((slot) => slot.slotName === slotName),
  );
  if (unmade.length === 0) return [];
  return [
    {
      code: "slot-not-made",
      severity: "warning",
      node: name,
      message: `${name} has not got the logical slots that it is to get before it takes writes: ${unmade.map(({ slotName }) => slotName).join(", ")}`,
      hint: `\`remaster make-slots ${name}\` first: made later they leave out what is written until then`,
    },
  ];
}

export interface CloseRequest {
  readonly node: string;
  readonly of: string;
  readonly slots: readonly string[];
}

export function planClose(topology: Topology, request: CloseRequest): Decision {
  const [next, old] = [observationOf(topology, request.node), observationOf(topology, request.of)];
  const reach = refuseOn([...checkReachable(next), ...checkReachable(old)]);
  if (reach !== null) return reach;
  if (!next.reachable || !old.reachable) return { kind: "already", findings: [] };
  const refusal =
    refuseOn([
      ...checkBelongs(topology, next),
      ...checkBelongs(topology, old),
      ...checkStandby(next),
      ...checkPrimary(old),
    ]) ??
    refuseOn([...checkSlotsOf(old, request.slots), ...checkFenced(old), ...checkClosable(next)]);
  if (refusal !== null) return refusal;
  const step = { verb: "close", ...request } as const;
  return decidePlan("close", topology, {
    stages: stage(`have ${next.name} lead closed until it has the slots`, [
      planned(topology, step, { required: true }),
    ]),
  });
}

/** What their consumers have confirmed says nothing as long as anybody writes. */
function checkFenced({ name, marks }: ReachedNode): Finding[] {
  if (marks.fenced) return [];
  return [
    problem("not-fenced", name, {
      message: `${name} is not fenced: what is written there now would be left out`,
      hint: `\`remaster fence ${name} --confirmed SLOT\` first`,
    }),
  ];
}

/** Each of them a logical slot of the node. */
export function checkSlotsOf({ name, slots }: ReachedNode, wanted: readonly string[]): Finding[] {
  return wanted
    .filter(
      (one) => !slots.some(({ slotName, slotType }) => slotName === one && slotType === "logical"),
    )
    .map((one) =>
      problem("no-slot", name, {
        message: `${name} has no logical slot ${one}`,
        hint: "`remaster status` shows its slots",
      }),
    );
}

export function planMakeSlots(topology: Topology, request: { readonly node: string }): Decision {
  const node = observationOf(topology, request.node);
  if (!node.reachable) return refuseOn(checkReachable(node)) ?? { kind: "already", findings: [] };
  const refusal = refuseOn([
    ...checkBelongs(topology, node),
    ...checkPrimary(node),
    ...checkRights(node, "slots"),
  ]);
  if (refusal !== null) return refusal;
  if (node.marks.awaits === undefined) return { kind: "already", findings: [] };
  const step = { verb: "make-slots", node: node.name } as const;
  return decidePlan("make-slots", topology, {
    stages: stage(`make the logical slots that ${node.name} is to have before it takes writes`, [
      planned(topology, step, { required: true }),
    ]),
  });
}
