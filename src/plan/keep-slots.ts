// Decides keep-slots: which nodes' slots for their siblings are not as they should be, and which slots of ours nobody needs.

import type { Finding } from "../topology/finding.ts";
import { reachedNode, standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkBelongs, checkOnLine, checkReachable, checkRights } from "./checks.ts";
import type { Decision, Stage } from "./plan.ts";
import { decidePlan, observationOf, planned, refuseOn, stage } from "./request.ts";
import { findPrunable, planKeeping, wantedSlots } from "./sibling-slots.ts";

/** The nodes that are asked about: standbys and primaries of the cluster, all where none is named. */
function ourNames(topology: Topology, names: readonly string[]): readonly string[] {
  const all = [...topology.primaries, ...standbysOf(topology).map(({ name }) => name)];
  const asked = names.length === 0 ? all : all.filter((name) => names.includes(name));
  return asked.filter((name) => !topology.strays.includes(name));
}

export interface Keeping {
  readonly stages: readonly Stage[];
  readonly findings: readonly Finding[];
}

/** What is to be done on these nodes. */
export function keepingOf(topology: Topology, names: readonly string[]): Keeping {
  const looks = ourNames(topology, names).flatMap((name) => {
    const node = reachedNode(topology, name);
    return node === null ? [] : [{ name, keeping: planKeeping(topology, node) }];
  });
  const steps = looks
    .filter(
      ({ keeping: { make, advance, drop, record } }) =>
        make.length > 0 || advance.length > 0 || drop.length > 0 || record !== null,
    )
    .map(({ name: node }) => planned(topology, { verb: "keep-slots", node }, { required: false }));
  return {
    stages: stage("hold on the standbys what their siblings will need", steps),
    findings: looks.flatMap(({ keeping }) => keeping.findings),
  };
}

/** Slots that are still to be made at the end. */
export function tellOfUnkept(topology: Topology, names: readonly string[]): readonly Finding[] {
  return ourNames(topology, names).flatMap((name): readonly Finding[] => {
    const node = reachedNode(topology, name);
    if (node === null) return [];
    const { make } = planKeeping(topology, node);
    return wantedSlots(topology, node)
      .filter(({ slot }) => make.includes(slot))
      .map(({ slot, sibling }) => ({
        code: "slot-not-kept",
        severity: "warning",
        node: name,
        message: `${name} has no slot ${slot}, which ${sibling} would use once ${name} leads`,
        hint: `\`remaster keep-slots ${name}\``,
      }));
  });
}

/** Slots of ours that nobody needs any more. */
export function pruneStages(topology: Topology, names: readonly string[]): readonly Stage[] {
  const steps = ourNames(topology, names).flatMap((name) => {
    const node = reachedNode(topology, name);
    if (node === null) return [];
    return findPrunable(topology, node).map((slot) =>
      planned(topology, { verb: "drop-slot", node: name, slot }, { required: false }),
    );
  });
  return stage("let go of WAL that nobody needs any more", steps);
}

export function planKeepSlots(topology: Topology, name: string): Decision {
  const node = observationOf(topology, name);
  const reach = refuseOn(checkReachable(node));
  if (reach !== null || !node.reachable) return reach ?? { kind: "already", findings: [] };
  const refusal = refuseOn([
    ...checkBelongs(topology, node),
    ...checkOnLine(topology, node),
    ...checkRights(node, "slots"),
  ]);
  if (refusal !== null) return refusal;
  const { stages, findings } = keepingOf(topology, [name]);
  if (stages.length === 0) return { kind: "already", findings };
  return decidePlan("keep-slots", topology, { stages, findings });
}
