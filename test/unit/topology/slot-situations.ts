// Situations of replication slots, with the findings that they give.

import { at, slot } from "./build.ts";
import { pair, type Situation } from "./situation.ts";

export const slots: readonly Situation[] = [
  {
    what: "a lost slot on the primary",
    nodes: pair({}, { slots: [slot("s2", { walStatus: "lost", active: false })] }),
    findings: [["slot-lost", "problem", "n1"]],
    hint: "pg_drop_replication_slot('s2')",
  },
  {
    what: "an invalidated slot on a standby",
    nodes: pair({ slots: [slot("s2", { invalidationReason: "rows_removed", active: false })] }),
    findings: [["slot-lost", "warning", "n2"]],
    says: "(rows_removed)",
  },
  {
    what: "a slot about to be lost",
    nodes: pair({}, { slots: [slot("s2", { walStatus: "unreserved" })] }),
    findings: [["slot-unreserved", "warning", "n1"]],
  },
  {
    what: "an unused slot that holds much",
    nodes: pair({}, { at: "1@0/50000000", slots: [slot("s9", { active: false })] }),
    findings: [["slot-inactive", "warning", "n1"]],
    says: "holds 1291845632 bytes of WAL",
  },
  {
    what: "an unused slot that holds some",
    nodes: pair({}, { at: "1@0/13000000", slots: [slot("s9", { active: false })] }),
    findings: [["slot-inactive", "note", "n1"]],
  },
  {
    what: "slots that stand ready, or move along by themselves",
    nodes: pair(
      {
        at: "1@0/50000000",
        slots: [
          slot("f1", { active: false, synced: true }),
          slot("s3", { active: false, restartLsn: null }),
        ],
      },
      {
        at: "1@0/50000000",
        slots: [slot("s2"), slot("s3", { active: false, restartLsn: at("0/4F000000") })],
      },
    ),
    findings: [],
  },
];
