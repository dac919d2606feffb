// What copies of logical slots need of the servers' settings, and what is not so: a standby's feedback and its physical slot hold the
// catalogue rows that a copy needs, at each step of the way up; slot synchronisation (17+) asks for a database in
// primary_conninfo; synchronized_standby_slots (17+) keeps consumers from what a standby has not received yet.

import { readMarks } from "../conninfo/override.ts";
import { parseConninfo } from "../conninfo/parse.ts";
import type { ReachedNode } from "./node.ts";
import { settingText } from "./settings.ts";
import { physicalSlotName } from "./slot-name.ts";
import { reachedNode } from "./structure.ts";
import { type Topology, upstreamChain } from "./topology.ts";

/** What is lacking on one standby. */
export interface LackingSettings {
  readonly node: string;
  /** hot_standby_feedback is off. */
  readonly feedback: boolean;
  /** The physical slot that it should stream through, where it has none, or its upstream lacks it. */
  readonly slot: string | null;
  /** primary_conninfo names no database, and has to. */
  readonly dbname: boolean;
  /** The same in words. */
  readonly clauses: readonly string[];
}

export interface SettingNeeds {
  /** The server keeps the copies itself, over a connection to a database. */
  readonly database: boolean;
}

export function lackingSettings(
  topology: Topology,
  standby: ReachedNode,
  needs: SettingNeeds,
): LackingSettings {
  const { name } = standby;
  const feedback = settingText(standby, "hot_standby_feedback") !== "on";
  const named = settingText(standby, "primary_slot_name") ?? "";
  const [upstream] = upstreamChain(topology, name);
  const above = upstream === undefined ? null : reachedNode(topology, upstream);
  const isThere = above?.slots.some(({ slotName }) => slotName === named) !== false;
  const dbname = needs.database && namesNoDatabase(standby);
  return {
    node: name,
    feedback,
    slot: named === "" || !isThere ? physicalSlotName(name, named) : null,
    dbname,
    clauses: [
      ...(feedback ? [`hot_standby_feedback is off on ${name}`] : []),
      ...(named === "" ? [`${name} streams without a physical slot (primary_slot_name)`] : []),
      ...(named !== "" && !isThere ? [`${upstream ?? "its upstream"} has no slot ${named}`] : []),
      ...(dbname ? [`primary_conninfo of ${name} names no dbname`] : []),
    ],
  };
}

/** Where the setting may not be seen, it may well name one. */
function namesNoDatabase(standby: ReachedNode): boolean {
  const conninfo = readMarks(settingText(standby, "primary_conninfo") ?? "").base;
  const parsed = parseConninfo(conninfo);
  return conninfo !== "" && parsed.ok && (parsed.conninfo["dbname"] ?? "") === "";
}

/** The standby and those above it, up to the primary: a cascade holds its rows at each step. */
export function standbysUpwards(topology: Topology, standby: ReachedNode): readonly ReachedNode[] {
  const above = upstreamChain(topology, standby.name).map((name) => reachedNode(topology, name));
  return [standby, ...above.filter((node) => node?.role === "standby")].filter(
    (node) => node !== null,
  );
}

/** The names in a list such as synchronized_standby_slots: slot names need no quotes. */
export function slotNamesIn(value: string): readonly string[] {
  return value
    .split(",")
    .map((name) => name.trim().replaceAll('"', ""))
    .filter((name) => name !== "");
}

/** The standbys' physical slots that synchronized_standby_slots of the primary does not name. */
export function unsynchronizedSlots(
  primary: ReachedNode,
  standbys: readonly ReachedNode[],
): readonly string[] {
  const named = slotNamesIn(settingText(primary, "synchronized_standby_slots") ?? "");
  const wanted = standbys.map((standby) =>
    physicalSlotName(standby.name, settingText(standby, "primary_slot_name")),
  );
  return wanted.filter((slot) => !named.includes(slot));
}
