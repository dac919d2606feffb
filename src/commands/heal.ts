// `remaster heal`: clear a torn tail that keeps a standby from following the new primary.

import { planHeal } from "../plan/control.ts";
import type { Report } from "../plan/report.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const heal: VerbDefinition = {
  name: "heal",
  summary: "clear a torn end of WAL so that a standby can follow",
  description: [
    "A primary that was killed under bulk writes may leave its standbys with an end of WAL that lies in the middle of a record and reaches into a later segment than the last whole record. Led to the new primary as it is, such a standby ends in a PANIC. A failover foresees that, leaves the standby still, and heals it once the new primary leads.",
    "Stops the standby through its control, cuts its WAL off where the upstream's line left it (the files as they were are kept in a directory of pg_wal), starts it, points it at the upstream and sees it follow. A standby that is down is started, without the torn end if its WAL has one. One whose end is not torn is only pointed at the upstream, without a restart.",
    "Needs `control.pg_ctl`, on the machine of the standby: where there is none, the commands to type there are told, and the exit status is 8.",
  ],
  arguments: [
    { name: "node", summary: "the standby", kind: "node", required: true, variadic: false },
  ],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "UPSTREAM",
      kind: "node",
      required: true,
      summary: "the node that it is to follow",
    },
  ],
  examples: [{ command: "remaster heal n3 --to n2", explanation: "asks first" }],
  changes: true,
  run: async (input: Input, context: Context): Promise<Report> => {
    const [node = ""] = argumentValues(input, "node");
    const to = optionText(input, "to") ?? "";
    await checkNodeNames(context, [node, to]);
    const change = {
      verb: "heal",
      decide: (topology: Parameters<typeof planHeal>[0]) => planHeal(topology, { node, to }),
      holds: () => `${node} follows ${to}`,
      question: () => `stop ${node}, cut off the torn end of its WAL and start it again?`,
    };
    return runChange(change, context);
  },
};
