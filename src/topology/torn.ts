// Torn tails: standbys that cannot be led to a new timeline as they are, and ends that others would catch. Led there all the
// same, such a node PANICs (13 to 18). Where the new timeline begins, or will begin, is what all of it turns on.

import { type Lsn, maxLsn } from "../wal/lsn.ts";
import { isStranded } from "../wal/torn-tail.ts";
import type { ReachedNode } from "./node.ts";
import { segmentSizeOf } from "./settings.ts";

type Standing = Pick<ReachedNode, "received" | "replayed" | "settings">;

/** Whether what the node has reaches into a later segment than the one where its line is left. */
function reachesBeyond(node: Standing, switchpoint: Lsn): boolean {
  if (node.received === null) return false;
  const segmentSize = segmentSizeOf(node);
  return isStranded({ received: node.received.lsn, switchpoint, segmentSize });
}

/** Where the upstream's line left the timeline that the node is on; null where it did not, or that is not known. */
export function switchpointFor(
  node: Pick<ReachedNode, "received" | "replayed">,
  upstream: Pick<ReachedNode, "history">,
): Lsn | null {
  const timeline = (node.replayed ?? node.received)?.timeline;
  const left = upstream.history?.ancestors.find((entry) => entry.timeline === timeline);
  return left?.end ?? null;
}

/** Whether the node would PANIC if it were led to this upstream as it is. One that has replayed past the switchpoint
 * diverged: that is another matter. */
export function isTornFor(node: Standing, upstream: Pick<ReachedNode, "history">): boolean {
  const switchpoint = switchpointFor(node, upstream);
  if (switchpoint === null || (node.replayed !== null && node.replayed.lsn > switchpoint))
    return false;
  return reachesBeyond(node, switchpoint);
}

/** The wait of a startup process that has replayed all that is local and gets nothing (13 to 18). */
const restingWait = "Timeout/RecoveryRetrieveRetryInterval";

/** Whether a standby that gets nothing has more than it could replay, up into a later segment: for certain, because it is
 * seen at rest. */
export function endsTorn(node: ReachedNode): boolean {
  if (node.role !== "standby" || node.receiver !== null) return false;
  if (node.startupWait !== restingWait || node.replayLsn === null) return false;
  return reachesBeyond(node, node.replayLsn);
}

export interface Foresight {
  /** Once it has all there is, the candidate's own WAL ends torn. */
  readonly candidateTorn: boolean;
  /** Names of those that cannot be led to the new timeline as they are, or of whom that is not certain yet. */
  readonly torn: ReadonlySet<string>;
}

/**
 * What a promotion will find. The candidate leaves the line where its last whole record ends, and no node can have
 * replayed further than that, so the farthest replayed is where the new timeline begins: for certain once the node that is
 * ahead has replayed what it has. Until then a node may be named that turns out whole, but none is missed.
 */
export function foreseeTorn(candidate: ReachedNode, siblings: readonly ReachedNode[]): Foresight {
  const nodes = [candidate, ...siblings];
  const switchpoint = nodes.reduce<Lsn | null>((most, node) => maxLsn(most, node.replayLsn), null);
  if (switchpoint === null) return { candidateTorn: false, torn: new Set() };
  const beyond = nodes.filter((node) => reachesBeyond(node, switchpoint));
  return {
    candidateTorn: beyond.length > 0,
    torn: new Set(beyond.filter((node) => node !== candidate).map((node) => node.name)),
  };
}
