// Decides what is left of a failover once a node leads: bringing those to it that do not follow yet, and clearing marks
// away. Where there was no failover the primary that answers is not gone, and that is said.

import type { Finding } from "../topology/finding.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { standbysOf } from "../topology/structure.ts";
import { streamsFrom, type Topology } from "../topology/topology.ts";
import { isTornFor } from "../topology/torn.ts";
import { checkNobodyReceives, checkPrimaryGone } from "./checks.ts";
import { findUnfollowing } from "./following.ts";
import { checkNotAsked } from "./pending.ts";
import type { Decision, Stage } from "./plan.ts";
import { isMarked } from "./quiesce.ts";
import { decidePlan, planned, refuseOn, stage } from "./request.ts";
import { findingsOn, findMovable, healStages, movesOf, repointStages } from "./siblings.ts";

/** Nodes that a failover leaves behind: a standby among them can be brought to the new primary when it is back. */
export function leftBehind(
  topology: Topology,
  except: readonly string[],
  hint: (node: string) => string,
) {
  return [...topology.nodes.values()].flatMap((node): Finding[] => {
    if (node.reachable || except.includes(node.name)) return [];
    const { name, reason } = node;
    const message = `${name} cannot be reached and is left behind: ${reason}`;
    return [
      { code: "node-unreachable", severity: "warning", node: name, message, hint: hint(name) },
    ];
  });
}

function hasSlotOn({ slots }: ReachedNode, standby: string): boolean {
  const own = [standby, physicalSlotName(standby, null)];
  return slots.some((slot) => own.includes(slot.slotName));
}

/** A node out of reach that may have been the primary before this one: there was one before, and it is not known as a
 * standby of this one by its slot. */
function mayHaveLed(node: Observation, primary: ReachedNode): boolean {
  return !node.reachable && primary.timeline !== 1 && !hasSlotOn(primary, node.name);
}

/** A standby of this primary may be down because whoever healed it was cut short. Which of the others was the primary before
 * can no longer be told. */
function whatNext(topology: Topology, primary: ReachedNode, gone: string): string {
  const isOurs = topology.nodes.get(gone)?.hasControl === true && hasSlotOn(primary, gone);
  return isOurs
    ? `\`remaster heal ${gone} --to ${primary.name}\` starts it, without the end of its WAL if that is torn`
    : "see `remaster status` when it is back";
}

/** A node leads already: what is left is to bring those to it that do not follow yet, and to clear marks away. Where no
 * node is lost and no mark is left there was no failover: then the primary that answers is not gone. */
export function finishFailover(
  topology: Topology,
  primary: ReachedNode,
  request: { readonly to: string | null; readonly patienceMs: number },
): Decision {
  const { name } = primary;
  const siblings = standbysOf(topology);
  const lost = [...topology.nodes.values()].some((node) => mayHaveLed(node, primary));
  const unfinished = [primary, ...siblings].some(isMarked);
  const wanted = request.to === null || request.to === name;
  const { able, findings: unmoved } = findMovable(topology, primary);
  const behind = leftBehind(topology, [], (gone) => whatNext(topology, primary, gone));
  const brokenOff = topology.findings.filter(({ code }) => code === "promotion-broken-off");
  const findings = [...brokenOff, ...unmoved, ...behind];
  const leads = request.to === name && findUnfollowing(topology, name).length === 0;
  if (leads && !unfinished) return { kind: "already", findings };
  if (!wanted || (!lost && !unfinished)) {
    return refuseOn(checkPrimaryGone(topology)) ?? { kind: "already", findings };
  }
  const { patienceMs } = request;
  const alone = refuseOn([
    ...checkNotAsked(topology),
    ...checkNobodyReceives(topology, { patienceMs, except: [name] }),
  ]);
  if (alone !== null) return alone;
  const torn = new Set(able.filter((node) => isTornFor(node, primary)).map((node) => node.name));
  const stragglers = movesOf(topology, able, { candidate: name, torn }).filter(
    ({ node }) => isMarked(node) || !streamsFrom(topology, node.name, name),
  );
  const reason = (to: string): string => `have them follow ${to}`;
  const stages = [
    ...clearStage(topology, primary),
    ...repointStages(topology, stragglers, { until: "follow", reason }),
    ...healStages(topology, stragglers),
  ];
  const said = [...findings, ...findingsOn(topology, stragglers)];
  if (stages.length === 0) return { kind: "already", findings: said };
  return decidePlan("failover", topology, { stages, findings: said });
}

/** Marks rest on a primary, and would still it when it is a standby again. */
function clearStage(topology: Topology, primary: ReachedNode): readonly Stage[] {
  if (!isMarked(primary)) return [];
  const step = { verb: "unquiesce", node: primary.name } as const;
  return stage(`clear away what was left on ${primary.name}`, [
    planned(topology, step, { required: false }),
  ]);
}
