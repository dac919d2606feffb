// What was seen of a cluster, as the text of a file and back. A text that is none of ours, or of another format, is as
// good as no file: whoever needs the knowledge does without and says so.

import { formatLsn, type Lsn, parseLsn } from "../wal/lsn.ts";
import { formatPosition, parsePosition, type Position } from "../wal/position.ts";
import type { TimelineHistory } from "../wal/timeline.ts";
import type { SeenSender } from "./durability-proof.ts";
import type { Slot } from "./node.ts";
import type { LastSeen, SeenNode, SeenPrimary } from "./last-seen.ts";

type Json = Readonly<Record<string, unknown>>;

/** Thrown for a text that is none of ours, and caught where the reading began. */
class NotOurs extends Error {}

export function formatLastSeen(seen: LastSeen): string {
  const json = {
    format: 1,
    systemIdentifier: seen.systemIdentifier,
    primary: seen.primary === null ? null : primaryJson(seen.primary),
    nodes: Object.fromEntries([...seen.nodes].map(([name, node]) => [name, nodeJson(node)])),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

function primaryJson(primary: SeenPrimary): Json {
  const { history, since, slots, ...rest } = primary;
  return {
    ...rest,
    ...(slots === undefined ? {} : { slots: slots.map(slotJson) }),
    observedAt: timeText(primary.observedAt),
    position: formatPosition(primary.position),
    since: { observedAt: timeText(since.observedAt), position: formatPosition(since.position) },
    history:
      history === null
        ? null
        : history.ancestors.map(({ timeline, end }) => ({ timeline, end: formatLsn(end) })),
  };
}

function slotJson(slot: Slot): Json {
  const { restartLsn, confirmedFlushLsn } = slot;
  return {
    ...slot,
    restartLsn: restartLsn === null ? null : formatLsn(restartLsn),
    confirmedFlushLsn: confirmedFlushLsn === null ? null : formatLsn(confirmedFlushLsn),
  };
}

function nodeJson(node: SeenNode): Json {
  return {
    ...node,
    observedAt: timeText(node.observedAt),
    position: node.position === null ? null : formatPosition(node.position),
  };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

export function parseLastSeen(text: string): LastSeen | null {
  try {
    const json = object(JSON.parse(text));
    if (json["format"] !== 1) return null;
    return {
      systemIdentifier: string(json["systemIdentifier"]),
      primary: orNull(json["primary"], readPrimary),
      nodes: new Map(
        Object.entries(object(json["nodes"])).map(([name, node]) => [name, readNode(node)]),
      ),
    };
  } catch (error) {
    if (error instanceof NotOurs || error instanceof SyntaxError) return null;
    throw error;
  }
}

function readPrimary(value: unknown): SeenPrimary {
  const json = object(value);
  const since = object(json["since"]);
  const position = positionOf(json["position"]);
  return {
    node: string(json["node"]),
    observedAt: time(json["observedAt"]),
    position,
    history: orNull(json["history"], (ancestors) => readHistory(position, ancestors)),
    since: { observedAt: time(since["observedAt"]), position: positionOf(since["position"]) },
    synchronousStandbyNames: orNull(json["synchronousStandbyNames"], string),
    synchronousCommit: orNull(json["synchronousCommit"], string),
    senders: orNull(json["senders"], (senders) => list(senders).map(readSender)),
    otherConfirmers: list(json["otherConfirmers"]).map(string),
    absent: list(json["absent"]).map(string),
    ...(json["slots"] === undefined ? {} : { slots: list(json["slots"]).map(readSlot) }),
  };
}

function readHistory({ timeline }: Position, value: unknown): TimelineHistory {
  const ancestors = list(value).map((entry) => {
    const json = object(entry);
    return { timeline: number(json["timeline"]), end: lsn(json["end"]) };
  });
  return { timeline, ancestors };
}

function readSender(value: unknown): SeenSender {
  const json = object(value);
  return {
    applicationName: string(json["applicationName"]),
    syncState: string(json["syncState"]),
    node: orNull(json["node"], string),
  };
}

function readSlot(value: unknown): Slot {
  const json = object(value);
  return {
    slotName: string(json["slotName"]),
    slotType: json["slotType"] === "logical" ? "logical" : "physical",
    plugin: orNull(json["plugin"], string),
    database: orNull(json["database"], string),
    temporary: boolean(json["temporary"]),
    active: boolean(json["active"]),
    restartLsn: orNull(json["restartLsn"], lsn),
    confirmedFlushLsn: orNull(json["confirmedFlushLsn"], lsn),
    walStatus: orNull(json["walStatus"], string),
    failover: orNull(json["failover"], boolean),
    synced: orNull(json["synced"], boolean),
    invalidationReason: orNull(json["invalidationReason"], string),
    twoPhase: orNull(json["twoPhase"], boolean),
    conflicting: orNull(json["conflicting"], boolean),
    catalogXmin: orNull(json["catalogXmin"], number),
  };
}

function readNode(value: unknown): SeenNode {
  const json = object(value);
  return {
    observedAt: time(json["observedAt"]),
    position: orNull(json["position"], positionOf),
    applicationName: orNull(json["applicationName"], string),
    startedAt: orNull(json["startedAt"], number),
  };
}

function object(value: unknown): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new NotOurs();
  return value as Json;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new NotOurs();
  return value;
}

function string(value: unknown): string {
  if (typeof value !== "string") throw new NotOurs();
  return value;
}

function boolean(value: unknown): boolean {
  if (typeof value !== "boolean") throw new NotOurs();
  return value;
}

function lsn(value: unknown): Lsn {
  const parsed = parseLsn(string(value));
  if (parsed === null) throw new NotOurs();
  return parsed;
}

function number(value: unknown): number {
  if (typeof value !== "number") throw new NotOurs();
  return value;
}

function time(value: unknown): number {
  const ms = Date.parse(string(value));
  if (Number.isNaN(ms)) throw new NotOurs();
  return ms;
}

function positionOf(value: unknown): Position {
  const position = parsePosition(string(value));
  if (position === null) throw new NotOurs();
  return position;
}

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null ? null : read(value);
}
