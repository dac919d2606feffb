// --accept-timeline: the operator's word for whose line is the cluster's, where timelines fork and nothing else decides.

import type { ValueOption } from "./define.ts";

export const acceptTimelineOption: ValueOption = {
  type: "value",
  flag: "accept-timeline",
  placeholder: "TIMELINE",
  kind: "timeline",
  detail:
    "Where nodes are on lines of ancestry that went different ways and nothing decides between them: the timeline that is the cluster's. Give a timeline that `status` reports, such as `2`; where two promotions took one number, `2@16/B374D848` is the one that began there. What diverged from the end of that timeline is left alone, and what only it has is given up. It takes no primary's lead away: nothing is promoted beside one, whichever line it is on.",
  summary: "the timeline that is the cluster's, where they fork",
};
