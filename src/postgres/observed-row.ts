// Turns the rows of the observing statements into values. Everything arrives as text or null; a text that is not what
// PostgreSQL writes there is a bug of ours and throws.

import { type Lsn, parseLsn } from "../wal/lsn.ts";
import { parseTimelineId, type TimelineId } from "../wal/timeline.ts";
import type {
  BlockingSession,
  ReplayState,
  Setting,
  SettingName,
  Slot,
  WalReceiver,
  WalSender,
} from "../topology/node.ts";
import type { Row } from "./session.ts";

export function textOf(row: Row, column: string): string | null {
  return row[column] ?? null;
}

export function lsnOf(row: Row, column: string): Lsn | null {
  const text = textOf(row, column);
  if (text === null) return null;
  const value = parseLsn(text);
  if (value === null) throw new Error(`no LSN in column ${column}: ${text}`);
  return value;
}

export function numberOf(row: Row, column: string): number | null {
  const text = textOf(row, column);
  if (text === null) return null;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Error(`no number in column ${column}: ${text}`);
  return value;
}

/** `true`, `false` or null; pg's own `t` and `f` as well. */
export function flagOf(row: Row, column: string): boolean | null {
  const text = textOf(row, column);
  return text === null ? null : text === "true" || text === "t";
}

export function timelineOf(row: Row, column: string): TimelineId | null {
  const text = textOf(row, column);
  return text === null ? null : parseTimelineId(text);
}

/** A JSON array of flat objects; an aggregate over no rows is null. */
export function listOf(row: Row, column: string): readonly Row[] {
  const text = textOf(row, column);
  return text === null ? [] : (JSON.parse(text) as readonly Row[]);
}

export function readReceiver(row: Row): WalReceiver | null {
  const text = textOf(row, "receiver");
  if (text === null) return null;
  const receiver = JSON.parse(text) as Row;
  const age = numberOf(receiver, "lastMessageAgeMs");
  return {
    pid: numberOf(receiver, "pid") ?? 0,
    // Without pg_read_all_stats only the process id is shown.
    status: textOf(receiver, "status") ?? "unknown",
    receivedTimeline: timelineOf(receiver, "receivedTimeline"),
    senderHost: textOf(receiver, "senderHost"),
    senderPort: numberOf(receiver, "senderPort"),
    slotName: textOf(receiver, "slotName"),
    lastMessageAgeMs: age === null ? null : Math.max(0, age),
  };
}

function standbyRows(row: Row): readonly Row[] {
  return listOf(row, "senders").filter((sender) => flagOf(sender, "other") !== true);
}

/** Names of connections that may confirm commits and are no standbys: logical consumers, base backups. */
export function readOtherConfirmers(row: Row): readonly string[] {
  return listOf(row, "senders")
    .filter((sender) => flagOf(sender, "other") === true && textOf(sender, "syncPriority") !== "0")
    .map((sender) => textOf(sender, "applicationName") ?? "");
}

export function readSenders(row: Row): readonly WalSender[] {
  return standbyRows(row).map(readSender);
}

export function readConsumers(row: Row): readonly WalSender[] {
  return listOf(row, "senders")
    .filter((sender) => flagOf(sender, "logical") === true)
    .map(readSender);
}

function readSender(sender: Row): WalSender {
  return {
    pid: numberOf(sender, "pid") ?? 0,
    applicationName: textOf(sender, "applicationName") ?? "",
    clientAddress: textOf(sender, "clientAddress"),
    clientPort: numberOf(sender, "clientPort"),
    state: textOf(sender, "state") ?? "unknown",
    sentLsn: lsnOf(sender, "sentLsn"),
    writeLsn: lsnOf(sender, "writeLsn"),
    flushLsn: lsnOf(sender, "flushLsn"),
    replayLsn: lsnOf(sender, "replayLsn"),
    replayLagMs: numberOf(sender, "replayLagMs"),
    replyAgeMs: numberOf(sender, "replyAgeMs"),
    syncState: textOf(sender, "syncState") ?? "unknown",
    slotName: textOf(sender, "slotName"),
  };
}

export function readSlots(row: Row): readonly Slot[] {
  return listOf(row, "slots").map((slot) => ({
    slotName: textOf(slot, "slotName") ?? "",
    slotType: textOf(slot, "slotType") === "logical" ? "logical" : "physical",
    plugin: textOf(slot, "plugin"),
    database: textOf(slot, "database"),
    temporary: flagOf(slot, "temporary") ?? false,
    active: flagOf(slot, "active") ?? false,
    heldBy: textOf(slot, "heldBy"),
    restartLsn: lsnOf(slot, "restartLsn"),
    confirmedFlushLsn: lsnOf(slot, "confirmedFlushLsn"),
    walStatus: textOf(slot, "walStatus"),
    failover: flagOf(slot, "failover"),
    synced: flagOf(slot, "synced"),
    invalidationReason: textOf(slot, "invalidationReason"),
    twoPhase: flagOf(slot, "twoPhase"),
    conflicting: flagOf(slot, "conflicting"),
    catalogXmin: numberOf(slot, "catalogXmin"),
  }));
}

export function readSettings(row: Row): Readonly<Partial<Record<SettingName, Setting>>> {
  const settings: Partial<Record<SettingName, Setting>> = {};
  for (const setting of listOf(row, "settings")) {
    settings[textOf(setting, "name") as SettingName] = {
      value: textOf(setting, "value"),
      source: textOf(setting, "source") ?? "unknown",
      sourceFile: textOf(setting, "sourceFile"),
    };
  }
  return settings;
}

/** What the wait event of the startup process says of replay. */
export function readReplay(look: {
  readonly pauseState: string | null;
  readonly startupWait: string | null;
}): ReplayState {
  if (look.pauseState === "paused") return "paused";
  const wait = look.startupWait ?? "";
  if (wait === "Timeout/RecoveryApplyDelay") return "delayed";
  return isConflictWait(wait) ? "blocked" : "running";
}

/** Waits in which replay yields to sessions: a snapshot, a tablespace, a lock, a pinned buffer. */
export function isConflictWait(wait: string): boolean {
  return wait.startsWith("IPC/RecoveryConflict") || /^(?:Lock|BufferPin|Buffer)\//.test(wait);
}

/** Of the sessions that may stand in replay's way, those that this wait can mean. */
export function readBlockers(row: Row, startupWait: string | null): readonly BlockingSession[] {
  if (startupWait === null || !isConflictWait(startupWait)) return [];
  const sessions = listOf(row, "blockers").filter((session) => blocks(session, startupWait));
  return sessions.map((session) => ({
    pid: numberOf(session, "pid") ?? 0,
    user: textOf(session, "user"),
    database: textOf(session, "database"),
    applicationName: textOf(session, "applicationName") ?? "",
    transactionAgeMs: numberOf(session, "transactionAgeMs"),
  }));
}

function blocks(session: Row, startupWait: string): boolean {
  if (startupWait.startsWith("Lock/")) return flagOf(session, "holdsLock") === true;
  if (startupWait.startsWith("IPC/RecoveryConflictSnapshot"))
    return textOf(session, "snapshotAge") !== null;
  // Who pins a buffer or uses a tablespace is not to be seen: any session inside a transaction may.
  return true;
}
