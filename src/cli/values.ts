// Checks a value's text against its kind at the edge of the program: a wrong one is a usage error with the form it
// should have. Whether a node exists is not known here: that takes the topology file.

import type { ValueKind } from "../commands/define.ts";
import { count, durationMs, major, majors } from "../commands/values.ts";
import { UsageError } from "../errors.ts";
import { parseAcceptedTimeline } from "../topology/accepted.ts";
import { parsePosition } from "../wal/position.ts";

interface KindRule {
  readonly holds: (text: string) => boolean;
  /** Completes "... is not ...". */
  readonly noun: string;
  readonly hint: string;
}

const anyName: KindRule["holds"] = (text) => text.length > 0;

const rules: Readonly<Record<ValueKind, KindRule>> = {
  node: { holds: anyName, noun: "a node name", hint: "the topology file names the nodes" },
  pooler: { holds: anyName, noun: "a pooler name", hint: "the topology file names the poolers" },
  file: { holds: anyName, noun: "a file name", hint: "give a path" },
  directory: { holds: anyName, noun: "a directory", hint: "give a path" },
  position: {
    holds: (text) => parsePosition(text) !== null,
    noun: "a position",
    hint: "a position is a timeline and an LSN, such as 3@16/B374D848",
  },
  timeline: {
    holds: (text) => parseAcceptedTimeline(text) !== null,
    noun: "a timeline",
    hint: "a timeline is a number, such as 2, or 2@16/B374D848 for the one that began there",
  },
  duration: {
    holds: (text) => durationMs(text) !== null,
    noun: "a duration",
    hint: "write 500ms, 10s, 2m, or seconds as a bare number",
  },
  count: {
    holds: (text) => count(text) !== null,
    noun: "a count",
    hint: "write a whole number, 0 or more",
  },
  major: {
    holds: (text) => major(text) !== null,
    noun: "a supported PostgreSQL major version",
    hint: `one of ${majors.join(", ")}`,
  },
  text: { holds: () => true, noun: "text", hint: "" },
  "sql-role": {
    holds: (text) => text.length > 0 && new TextEncoder().encode(text).length <= 63,
    noun: "a role name",
    hint: "1 to 63 bytes",
  },
};

/** Throws UsageError when `text` is not of `kind`; `where` names the option or argument. */
export function checkValue(kind: ValueKind, text: string, where: string): void {
  const rule = rules[kind];
  if (rule.holds(text)) return;
  throw new UsageError(`${where}: '${text}' is not ${rule.noun}`, rule.hint);
}
