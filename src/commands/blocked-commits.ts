// --accept-blocked-commits: the operator's word that commits may wait until a synchronous standby confirms them.

import type { FlagOption } from "./define.ts";

export const acceptBlockedCommits: FlagOption = {
  type: "flag",
  flag: "accept-blocked-commits",
  summary: "go on although commits will wait for a synchronous standby",
  detail:
    "Goes on although fewer standbys than synchronous_standby_names demands would be left to confirm commits: every commit waits then, until one is back or the setting is changed.",
};
