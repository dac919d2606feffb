// What copies of logical slots need of the servers' settings, and what is not so: a standby's feedback and its physical slot hold the
// catalogue rows that a copy needs, at each step of the way up; slot synchronisation (17+) asks for a database in
// primary_conninfo; synchronized_standby_slots (17+) keeps consumers from what a standby has not received yet.

import { readMarks } from "../conninfo/override.ts";
import { parseConninfo } from "../conninfo/parse.ts";
import type { ReachedNode, Slot } from "./node.ts";
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

/** The names in synchronized_standby_slots of a node. */
export function synchronizedSlots(node: ReachedNode): readonly string[] {
  return slotNamesIn(settingText(node, "synchronized_standby_slots") ?? "");
}

/** synchronized_standby_slots as it is right: what it names and the node has, and those that are wanted; null where it is so. A
 * name without a slot holds up every consumer of a failover slot for good (17, 18); what a standby keeps for a sibling that
 * is none any more goes with the next pass. */
export function fitSynchronizedSlots(
  node: ReachedNode,
  wanted: readonly string[],
): readonly string[] | null {
  const named = synchronizedSlots(node);
  const passing = node.role === "standby" ? (node.keptSlots ?? []) : [];
  const stays = ({ slotName, slotType }: Slot): boolean =>
    slotType === "physical" && !passing.includes(slotName);
  const lasting = node.slots.filter(stays).map(({ slotName }) => slotName);
  const alive = named.filter((name) => wanted.includes(name) || lasting.includes(name));
  const fit = [...alive, ...wanted.filter((name) => !alive.includes(name))];
  return fit.join() === named.join() ? null : fit;
}

/** The physical slots of standbys, by the names that they ask for. */
export function slotNamesOf(standbys: readonly ReachedNode[]): readonly string[] {
  return standbys.map((standby) =>
    physicalSlotName(standby.name, settingText(standby, "primary_slot_name")),
  );
}
