// Synchronous standbys that vouch for the lost primary: once they are still, too few are left to confirm a commit to it, so it
// can acknowledge none that waits. Says nothing of sessions that do not wait, and holds for as long as the primary's
// settings do: nothing in the WAL tells of a change of synchronous_standby_names (13 to 18), and whoever sees writes hang
// may empty it. So the primary must have been seen minutes ago at most, and each name in its list must be one standby's.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { reachedNode } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkChangeable, possiblePrimaries, presumedPrimaries } from "./checks.ts";
import type { Guarantee } from "./guarantee.ts";
import { type Evidence, nowOf } from "./loss.ts";
import { toldOf } from "./pending.ts";
import type { Stage } from "./plan.ts";
import { planned, problem, stage } from "./request.ts";
import { findMovable } from "./siblings.ts";

export interface Word {
  /** The operator's word that the primary is dead. */
  readonly primaryIsDead: boolean;
}

/** What may be the primary and nothing vouches for: not the operator's word, no control that could stop it, and no
 * synchronous standbys that will confirm nothing to it any more. */
export function checkVouched(
  topology: Topology,
  request: Word,
  stilled: readonly string[],
): Finding[] {
  if (request.primaryIsDead || stilled.length > 0) return [];
  const possible = possiblePrimaries(topology);
  const unvouched = possible.filter((name) => topology.nodes.get(name)?.hasControl !== true);
  if (possible.length > 0 && unvouched.length === 0) return [];
  const [first, second] = unvouched;
  const who = second === undefined ? first : `the old primary, ${unvouched.join(" or ")},`;
  return [
    problem("not-vouched", first ?? null, {
      message: `nothing vouches that ${who ?? "the old primary"} stays dead`,
      hint: "make sure of it, then say so with --primary-is-dead; or give the node a `control.stop`",
    }),
  ];
}

export function stopStage(topology: Topology, request: Word): readonly Stage[] {
  if (request.primaryIsDead) return [];
  return stage(
    "make sure that the old primary stays away",
    possiblePrimaries(topology)
      .filter((name) => topology.nodes.get(name)?.hasControl === true)
      .map((node) => planned(topology, { verb: "stop", node }, { required: true })),
  );
}

/** How old the sight of the primary may be whose settings vouch for it, milliseconds. */
const freshMs = 5 * 60_000;

/** The standbys that have to be still for it; empty where they do not vouch. */
export function findStilled(
  { topology }: Evidence,
  guarantee: Guarantee,
  candidate: ReachedNode,
): readonly string[] {
  const { kind, observedAt, confirmers, primary } = guarantee;
  if (kind !== "proven" || observedAt === null || confirmers === null) return [];
  if (nowOf(topology) - observedAt > freshMs) return [];
  const presumed = presumedPrimaries(topology);
  if (presumed.length !== 1 || presumed[0] !== primary) return [];
  if (topology.nodes.get(primary)?.hasControl === true) return [];
  const { able } = findMovable(topology, candidate);
  const willBe = new Set([candidate, ...able].filter(canBeStilled).map(({ name }) => name));
  const all = confirmers.every((name) => willBe.has(name) || isStill(topology, name));
  return all ? confirmers : [];
}

function canBeStilled(node: ReachedNode): boolean {
  return checkChangeable(node, { cancelQueries: false }).length === 0;
}

/** Stilled by an earlier run, or told of another upstream by it. */
function isStill(topology: Topology, name: string): boolean {
  const node = reachedNode(topology, name);
  if (node === null || node.receiver !== null) return false;
  return node.marks.quiesced || toldOf(topology, node) !== null;
}

/** What the operator should know of it before saying yes. */
export function tellOfStilled(topology: Topology, stilled: readonly string[]): readonly Finding[] {
  const [primary] = presumedPrimaries(topology);
  if (stilled.length === 0 || primary === undefined) return [];
  return [
    {
      code: "primary-may-run",
      severity: "warning",
      node: primary,
      message: `nobody vouches that ${primary} is down; with ${stilled.join(", ")} still it can acknowledge no commit that waits for them`,
      hint: `stop ${primary}, and let nobody change its synchronous_standby_names until then`,
    },
  ];
}
