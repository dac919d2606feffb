// A standby that is late on purpose (recovery_min_apply_delay): a copy of a slot comes to be there no sooner than it has replayed
// what its consumer has confirmed.

import type { ReachedNode } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";

export function delayMs(standby: ReachedNode): number {
  return Number(settingText(standby, "recovery_min_apply_delay") ?? "0");
}

/** Why no copy can come to be in that time; null where it may. */
export function whyLate(standby: ReachedNode, remainingMs: number): string | null {
  const delay = delayMs(standby);
  return delay > 0 && delay >= remainingMs
    ? `${standby.name} replays what is older than ${delay} ms alone (recovery_min_apply_delay), and a copy takes longer than that: give it more time with --timeout`
    : null;
}
