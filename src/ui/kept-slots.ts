// Logical slots on the standbys for people: each with whether it is ready, and else why not.

import type { KeptSlot, SlotMethod } from "../topology/kept-slots.ts";
import { type Line, span } from "./line.ts";
import type { Look } from "./look.ts";
import { formatBytes } from "./quantity.ts";
import { renderTable } from "./table.ts";

const methods: Readonly<Record<SlotMethod, string>> = {
  "failover-slot": "failover slot",
  "standby-slot": "slot on standby",
  "slot-file": "slot file",
};

export function renderKeptSlots(kept: readonly KeptSlot[], look: Look): readonly Line[] {
  if (kept.length === 0) return [];
  const rows = kept.map((each) => ({
    cells: [
      span(each.slot.slotName, "strong"),
      span(each.node),
      span(methods[each.method]),
      each.against === null ? span("yes", "good") : span("no", "warning"),
    ],
    rest: span(remark(each), "faint"),
  }));
  return renderTable(rows, {
    columns: look.columns,
    header: ["SLOT", "STANDBY", "BY", "READY", "WHY"],
  });
}

function remark({ against, repeatBytes, aheadBytes }: KeptSlot): string {
  if (against !== null) return against.reason;
  return [
    ...(repeatBytes === null || repeatBytes === 0n
      ? ["level"]
      : [`${formatBytes(repeatBytes)} would come once more`]),
    ...(aheadBytes === null
      ? []
      : [`its consumer is ${formatBytes(aheadBytes)} ahead of the standby`]),
  ].join("; ");
}
