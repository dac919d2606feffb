// A promotion that may have been asked for and not be finished: it may come true any time later, so nobody else may be
// promoted meanwhile. Two things tell of it: standbys that were told of a node before it leads, and the request itself,
// a file that stays until the startup process takes it up (13 to 18), which a hanging restore_command can put off.

import { findDemoted } from "../topology/demoted.ts";
import type { Finding } from "../topology/finding.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import { reachedNode, reachedNodes, standbysOf } from "../topology/structure.ts";
import { findNodeAt, type Topology } from "../topology/topology.ts";
import { waitsForWal } from "./checks.ts";
import { problem } from "./request.ts";

/** Whom a standby was told to follow; an exchange points it elsewhere for a while and promises nothing. */
export function toldOf(topology: Topology, node: ReachedNode): string | null {
  const { repointing, exchanging } = node.marks;
  return repointing === null || exchanging === true ? null : findNodeAt(topology, repointing);
}

/** Nodes whose promotion may be pending, in the order of the topology file. */
export function pendingPromotions(topology: Topology): readonly string[] {
  const standbys = standbysOf(topology);
  const handedTo = findDemoted(topology).map(({ to }) => to);
  const told = new Set([...standbys.map((node) => toldOf(topology, node)), ...handedTo]);
  return [...topology.nodes.values()]
    .filter((node) =>
      node.reachable
        ? node.role === "standby" &&
          (node.promoteSignal === true || isAwaited(topology, told, node))
        : isAwaited(topology, told, node) && !isOwnUpstream(topology, node),
    )
    .map((node) => node.name);
}

/** A node that others were told of, and that was itself told of nobody: below one that was, a cascade stays as it is. */
function isAwaited(
  topology: Topology,
  told: ReadonlySet<string | null>,
  node: Observation,
): boolean {
  const above = node.reachable ? toldOf(topology, node) : null;
  return told.has(node.name) && node.promotable && above === null;
}

/** Somebody's upstream from before any mark: a primary that was lost, not one that was to come. */
function isOwnUpstream(topology: Topology, { name }: Observation): boolean {
  return standbysOf(topology).some(
    ({ configuredUpstream }) =>
      configuredUpstream !== null && findNodeAt(topology, configuredUpstream) === name,
  );
}

/** Refuses to promote `wanted` beside any other whose promotion may be pending. */
export function checkNothingPending(topology: Topology, wanted: string | null): Finding[] {
  return pendingPromotions(topology)
    .filter((name) => name !== wanted)
    .map((name) => tellOfPending(topology, name));
}

/** Asked for and not taken up yet: a file on the node itself says so. */
export function checkNotAsked(topology: Topology): Finding[] {
  return standbysOf(topology)
    .filter((node) => node.promoteSignal === true)
    .map((node) => tellOfPending(topology, node.name));
}

/** What speaks against doing anything that rests on this node not coming to lead. */
export function tellOfPending(topology: Topology, name: string): Finding {
  return problem("promotion-may-be-pending", name, {
    message: `${reasonFor(topology, name)}: its promotion may be pending, and come true any time later`,
    hint: hintFor(topology, name),
  });
}

/** Asked the server itself. */
export function tellOfRival(name: string): Finding {
  return problem("promotion-may-be-pending", name, {
    message: `${name} is being promoted: it leads any moment`,
    hint: "look again with `remaster status`: the same verb as before goes on with it",
  });
}

function reasonFor(topology: Topology, name: string): string {
  const told = standbysOf(topology).filter((node) => toldOf(topology, node) === name);
  const asked = reachedNode(topology, name)?.promoteSignal === true;
  if (asked) return `${name} was asked to promote itself`;
  if (told.length === 0) return `${name} may have been asked to promote itself`;
  return `${told.map((node) => node.name).join(", ")} ${told.length === 1 ? "was" : "were"} told to follow ${name}`;
}

function hintFor(topology: Topology, name: string): string {
  const [leader] = topology.primaries;
  const node = reachedNode(topology, name);
  if (leader !== undefined && node !== null && isNotPromoting(node))
    return "`remaster undo` takes the word back, or the verb that gave it goes on when it is run again";
  if (leader !== undefined)
    return `stop ${name} before it leads beside ${leader}, then \`remaster unquiesce\``;
  if (findDemoted(topology).some(({ to }) => to === name)) return handedOverHint(name, node);
  return reachedNode(topology, name) === null
    ? `make sure that ${name} is stopped, then \`remaster unquiesce\` takes the word back`
    : `finish it: \`remaster failover --to ${name}\`; or stop ${name}, then \`remaster unquiesce\` takes the word back`;
}

/** Between the shutdown of a primary and the promotion of the next one. */
function handedOverHint(name: string, node: ReachedNode | null): string {
  if (node === null)
    return `make sure that ${name} is stopped, then \`remaster undo\` takes it back`;
  const finish = `finish it: \`remaster switchover --to ${name}\``;
  return node.promoteSignal === true ? finish : `${finish}; or \`remaster undo\` takes it back`;
}

/** A promotion was not asked for: the request would still be there, or the startup process would no longer wait for WAL.
 * Proven only by two looks one after the other, since each reads the two things at slightly different moments. */
function isNotPromoting(node: ReachedNode): boolean {
  const takesWal = waitsForWal(node) || node.receiver?.status === "streaming";
  return node.promoteSignal === false && takesWal;
}

/** The candidate got its restore_command back before it was asked, and hangs in it since: with no siblings to tell, that
 * is all that shows. Where a primary was closed for it, it was never stilled. */
function mayHangInPromotion(topology: Topology, node: ReachedNode): boolean {
  if (node.startupWait !== "IPC/RestoreCommand") return false;
  const closed = reachedNodes(topology).some(
    ({ role, marks }) => role === "primary" && marks.fenced,
  );
  const given = node.marks.quiesced && !node.marks.restoreQuiesced;
  return given || closed || findDemoted(topology).length > 0;
}

/** Nobody may be told otherwise while a promotion may come true. */
export function checkNotPending(topology: Topology): Finding[] {
  const pending = pendingPromotions(topology).filter((name) => {
    const node = reachedNode(topology, name);
    return node === null || !isNotPromoting(node);
  });
  const hanging = standbysOf(topology)
    .filter((node) => mayHangInPromotion(topology, node))
    .map(({ name }) => name);
  return [...new Set([...pending, ...hanging])].map((name) => tellOfPending(topology, name));
}
