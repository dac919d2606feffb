// Puts what the statements and the replication connection said of a node together into its observation.
// pg_last_wal_receive_lsn() may be null or lie below what was replayed, so what a node has is the greater of the two.

import type { Address } from "../conninfo/conninfo.ts";
import { hostsOf } from "../conninfo/hosts.ts";
import { readMarks, readRestoreMark } from "../conninfo/override.ts";
import { parseConninfo } from "../conninfo/parse.ts";
import type {
  BlockingSession,
  Marks,
  NodeConfig,
  ReachedNode,
  WalReceiver,
} from "../topology/node.ts";
import { parseCopyMarks } from "../topology/copy-mark.ts";
import { parseFenceMark } from "../topology/fence-mark.ts";
import { type Lsn, maxLsn } from "../wal/lsn.ts";
import type { Position } from "../wal/position.ts";
import type { TimelineHistory, TimelineId } from "../wal/timeline.ts";
import {
  flagOf,
  lsnOf,
  numberOf,
  readConsumers,
  readOtherConfirmers,
  readReceiver,
  readReplay,
  readSenders,
  readSettings,
  readSlots,
  listOf,
  textOf,
} from "./observed-row.ts";
import { timelineOfFile } from "../wal/segment.ts";
import type { Row } from "./session.ts";
import { type FileSettings, readFileSettings } from "./settings.ts";

export interface NodeRows {
  /** server_version_num. */
  readonly version: number;
  readonly row: Row;
  /** Of the statement that looks into the data directory; null where the role may not look at all. */
  readonly files: Row | null;
  /** Sessions that replay waits for. */
  readonly blockers: readonly BlockingSession[];
}

/** What a replication connection said. */
export interface WalIdentity {
  /** On a standby the timeline that it replays. */
  readonly timeline: TimelineId | null;
  readonly history: TimelineHistory | null;
  /** What kept it from saying anything: the REPLICATION attribute, or a free WAL sender; null when nothing known did. */
  readonly missing: string | null;
}

export interface NodeFacts extends NodeRows {
  readonly identity: WalIdentity;
  /** Milliseconds since 1970. */
  readonly observedAt: number;
}

export function reachedNode(config: NodeConfig, facts: NodeFacts): ReachedNode {
  const { row, files, identity } = facts;
  const settings = readSettings(row);
  const receiver = readReceiver(row);
  const startupWait = textOf(row, "startupWait");
  const pauseState = textOf(row, "pauseState");
  const conninfo = settings.primary_conninfo?.value ?? null;
  return {
    name: config.name,
    promotable: config.promotable,
    priority: config.priority,
    addresses: addressesOf(config, row),
    hasControl: config.control !== null,
    canBeDemoted: canBeDemoted(config, flagOf(row, "mayWriteFiles") === true),
    observedAt: facts.observedAt,
    reachable: true,
    answer: "ok",
    systemIdentifier: textOf(row, "systemIdentifier") ?? "",
    version: facts.version,
    versionText: (textOf(row, "versionText") ?? "").replace(/ .*$/, ""),
    role: flagOf(row, "inRecovery") === true ? "standby" : "primary",
    startedAt: numberOf(row, "startedAt"),
    ...walOf({ row, receiver, identity }),
    replayAgeMs: numberOf(row, "replayAgeMs"),
    replay: readReplay({ pauseState, startupWait }),
    pauseRequested: pauseState === "pause requested",
    blockers: facts.blockers,
    startupWait,
    receiver,
    senders: readSenders(row),
    otherConfirmers: readOtherConfirmers(row),
    consumers: readConsumers(row),
    slots: readSlots(row),
    keptSlots: (textOf(row, "keptSlots") ?? "").split(",").filter((name) => name !== ""),
    walFiles: walFilesOf(files),
    settings,
    marks: marksOf({
      copies: textOf(row, "copies"),
      inForce: {
        primaryConninfo: conninfo,
        restoreCommand: settings.restore_command?.value ?? null,
        fenced: textOf(row, "fenced"),
        demoted: textOf(row, "demoted"),
      },
      inFiles: files === null ? null : readFileSettings(textOf(files, "fileSettings")),
    }),
    standbySignal: files === null ? null : flagOf(files, "standbySignal"),
    recoverySignal: files === null ? null : flagOf(files, "recoverySignal"),
    promoteSignal: files === null ? null : flagOf(files, "promoteSignal"),
    configuredUpstream: upstreamOf(conninfo),
    managerSessions: listOf(row, "managerSessions").flatMap(
      (each) => textOf(each, "applicationName") ?? [],
    ),
    lackingRights: [
      ...listOf(row, "lacking").flatMap((each) => textOf(each, "right") ?? []),
      ...(identity.missing === "REPLICATION" ? [identity.missing] : []),
    ],
    missingRights: [
      ...(flagOf(row, "mayMonitor") === true ? [] : ["pg_monitor"]),
      ...(identity.missing === null ? [] : [identity.missing]),
    ],
  };
}

/** By commands a server is stopped and started; its files are its own to write then. */
function canBeDemoted({ control }: NodeConfig, mayWriteFiles: boolean): boolean {
  if (control === null) return false;
  const byCommands = control.start !== null && control.stop !== null;
  return control.pgCtl !== null || (byCommands && mayWriteFiles);
}

type WalFacts = Pick<
  ReachedNode,
  "timeline" | "history" | "receiveLsn" | "replayLsn" | "currentLsn" | "received" | "replayed"
>;

function walOf(look: {
  readonly row: Row;
  readonly receiver: WalReceiver | null;
  readonly identity: WalIdentity;
}): WalFacts {
  const { row, receiver, identity } = look;
  const currentLsn = lsnOf(row, "currentLsn");
  if (currentLsn !== null) {
    const file = textOf(row, "walFile");
    const timeline = file === null ? identity.timeline : timelineOfFile(file);
    const position = at(timeline, currentLsn);
    return {
      ...timelineFacts(timeline, identity),
      receiveLsn: lsnOf(row, "receiveLsn"),
      replayLsn: null,
      currentLsn,
      received: position,
      replayed: position,
    };
  }
  const receiveLsn = lsnOf(row, "receiveLsn");
  const replayLsn = lsnOf(row, "replayLsn");
  const replaying = identity.timeline ?? receiver?.receivedTimeline ?? null;
  // A receiver may be on the next timeline while replay still ends the last one.
  const isReceivedOnly = receiveLsn !== null && (replayLsn === null || receiveLsn > replayLsn);
  const receiving = isReceivedOnly ? (receiver?.receivedTimeline ?? replaying) : replaying;
  return {
    ...timelineFacts(receiver?.receivedTimeline ?? replaying, identity),
    receiveLsn,
    replayLsn,
    currentLsn: null,
    received: at(receiving, maxLsn(receiveLsn, replayLsn)),
    replayed: at(replaying, replayLsn),
  };
}

function timelineFacts(
  timeline: TimelineId | null,
  identity: WalIdentity,
): Pick<ReachedNode, "timeline" | "history"> {
  if (timeline === 1) return { timeline, history: { timeline: 1, ancestors: [] } };
  return { timeline, history: identity.history?.timeline === timeline ? identity.history : null };
}

function at(timeline: TimelineId | null, lsn: Lsn | null): Position | null {
  return timeline === null || lsn === null ? null : { timeline, lsn };
}

function walFilesOf(files: Row | null): ReachedNode["walFiles"] {
  if (files === null) return null;
  const oldest = textOf(files, "oldest");
  const newest = textOf(files, "newest");
  return oldest === null || newest === null ? null : { oldest, newest };
}

/** A mark in the files is one, in force or not: whoever wrote it may have been cut short before the reload, and any reload
 * brings it into force. One that is in force and no longer in the files is there until then. */
function marksOf(settings: {
  readonly copies: string | null;
  readonly inForce: FileSettings;
  readonly inFiles: FileSettings | null;
}): Marks {
  const { inForce, inFiles } = settings;
  const written = inFiles?.primaryConninfo ?? "";
  const isWritten = readMarks(written).base !== written;
  const conninfo = isWritten ? written : (inForce.primaryConninfo ?? "");
  const { quiesced, repointing, exchanging, slotsAt } = readMarks(conninfo);
  const either = (bears: (settings: FileSettings) => boolean): boolean =>
    bears(inForce) || (inFiles !== null && bears(inFiles));
  const fence = inForce.fenced ?? "";
  const { awaits } = parseFenceMark(fence === "" ? (inFiles?.fenced ?? "") : fence) ?? {};
  return {
    quiesced,
    restoreQuiesced: either(({ restoreCommand }) => readRestoreMark(restoreCommand ?? "").quiesced),
    repointing,
    exchanging,
    slotsAt,
    fenced: either(({ fenced }) => (fenced ?? "") !== ""),
    ...(awaits === undefined ? {} : { awaits }),
    demoted: either(({ demoted }) => (demoted ?? "") !== ""),
    copies: parseCopyMarks(settings.copies),
  };
}

/** The first of the hosts that primary_conninfo names, without our marks. */
function upstreamOf(conninfo: string | null): Address | null {
  const { base } = readMarks(conninfo ?? "");
  if (base === "") return null;
  const parsed = parseConninfo(base);
  return parsed.ok ? (hostsOf(parsed.conninfo)[0] ?? null) : null;
}

function addressesOf(config: NodeConfig, row: Row): readonly Address[] {
  const host = textOf(row, "serverAddress");
  const port = numberOf(row, "serverPort");
  const own = host === null || port === null ? [] : [{ host, hostaddr: host, port }];
  const known = [...hostsOf(config.conninfo), config.replication, ...own];
  const seen = new Map(
    known.map((address) => [`${address.host} ${address.hostaddr ?? ""} ${address.port}`, address]),
  );
  return [...seen.values()];
}
