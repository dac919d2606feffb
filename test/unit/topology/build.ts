// A state builder for tests of decisions: observations with sane defaults, so that a test names only what it is about.
// Node names double as host names: n1 listens on n1:5432.

import type { Address } from "../../../src/conninfo/conninfo.ts";
import type {
  Marks,
  Observation,
  ReachedNode,
  Setting,
  SettingName,
  Slot,
  UnreachedNode,
  WalReceiver,
  WalSender,
} from "../../../src/topology/node.ts";
import { type Lsn, parseLsn } from "../../../src/wal/lsn.ts";
import { type Position, parsePosition } from "../../../src/wal/position.ts";
import { parseTimelineHistory, type TimelineHistory } from "../../../src/wal/timeline.ts";

export const systemIdentifier = "7500000000000000001";
/** Every observation's time, milliseconds since 1970. */
export const observedAt = 1_700_000_000_000;

/** An Lsn from text; throws where the text is none. */
export function at(text: string): Lsn {
  const value = parseLsn(text);
  if (value === null) throw new Error(`no LSN in a test: ${text}`);
  return value;
}

/** A Position from `3@0/5000000`; throws where the text is none. */
export function position(text: string): Position {
  const value = parsePosition(text);
  if (value === null) throw new Error(`no position in a test: ${text}`);
  return value;
}

/** A history from `"1 0/3000000, 2 0/5000000"`: ancestors with their switchpoints. */
export function history(timeline: number, ancestors = ""): TimelineHistory {
  const lines = ancestors.split(",").map((line) => line.trim().replace(" ", "\t"));
  const value = parseTimelineHistory(timeline, lines.join("\n"));
  if (value === null) throw new Error(`no history in a test: ${ancestors}`);
  return value;
}

export function address(host: string, port = 5432): Address {
  return { host, hostaddr: null, port };
}

export function receiver(from: string | null, changes: Partial<WalReceiver> = {}): WalReceiver {
  return {
    pid: 101,
    status: "streaming",
    receivedTimeline: null,
    senderHost: from,
    senderPort: from === null ? null : 5432,
    slotName: null,
    lastMessageAgeMs: 10,
    ...changes,
  };
}

export function sender(to: string, changes: Partial<WalSender> = {}): WalSender {
  return {
    pid: 4000,
    applicationName: to,
    clientAddress: null,
    clientPort: 40_000,
    state: "streaming",
    sentLsn: null,
    writeLsn: null,
    flushLsn: null,
    replayLsn: null,
    replayLagMs: null,
    syncState: "async",
    slotName: null,
    ...changes,
  };
}

export function slot(slotName: string, changes: Partial<Slot> = {}): Slot {
  return {
    slotName,
    slotType: "physical",
    plugin: null,
    database: null,
    temporary: false,
    active: true,
    restartLsn: at("0/3000000"),
    confirmedFlushLsn: null,
    walStatus: "reserved",
    failover: null,
    synced: null,
    invalidationReason: null,
    twoPhase: null,
    conflicting: null,
    catalogXmin: null,
    ...changes,
  };
}

export function setting(value: string | null, source = "configuration file"): Setting {
  return { value, source, sourceFile: null };
}

const defaultSettings: Readonly<Partial<Record<SettingName, Setting>>> = {
  primary_conninfo: setting("", "default"),
  primary_slot_name: setting("", "default"),
  restore_command: setting("", "default"),
  recovery_min_apply_delay: setting("0", "default"),
  recovery_target_timeline: setting("latest", "default"),
  hot_standby: setting("on", "default"),
  hot_standby_feedback: setting("off", "default"),
  max_standby_streaming_delay: setting("30000", "default"),
  max_wal_senders: setting("10", "default"),
  max_replication_slots: setting("10", "default"),
  max_connections: setting("100"),
  max_worker_processes: setting("8", "default"),
  max_prepared_transactions: setting("0", "default"),
  max_locks_per_transaction: setting("64", "default"),
  wal_level: setting("replica", "default"),
  wal_segment_size: setting("16777216", "default"),
  synchronous_standby_names: setting("", "default"),
  synchronous_commit: setting("on", "default"),
  default_transaction_read_only: setting("off", "default"),
  cluster_name: setting("", "default"),
  archive_mode: setting("off", "default"),
};

const noMarks: Marks = {
  quiesced: false,
  restoreQuiesced: false,
  repointing: null,
  fenced: false,
};

/** What a test may say of a reached node: any field, and some in short. */
export interface ReachedChanges
  extends Omit<Partial<ReachedNode>, "settings" | "marks" | "reachable" | "answer"> {
  readonly name: string;
  /** What it received, `3@0/5000000`; also what it replayed, unless `replayedTo` says otherwise. */
  readonly at?: string;
  readonly replayedTo?: string;
  /** The name of the upstream that its receiver streams from: makes it a standby. */
  readonly from?: string;
  /** The names of the standbys that it streams to. */
  readonly to?: readonly string[];
  readonly settings?: Readonly<Partial<Record<SettingName, Setting>>>;
  readonly marks?: Partial<Marks>;
}

const defaultPosition = "1@0/5000060";

/** A node that let us in: a healthy primary by default, a streaming standby with `from`. */
export function reached(changes: ReachedChanges): ReachedNode {
  const { at: received, replayedTo, from, to, settings, marks, ...fields } = changes;
  const role = fields.role ?? (from === undefined ? "primary" : "standby");
  const isStandby = role === "standby";
  const has = position(received ?? defaultPosition);
  const replayed = position(replayedTo ?? received ?? defaultPosition);
  return {
    promotable: true,
    priority: 0,
    addresses: [address(changes.name)],
    hasControl: false,
    observedAt,
    reachable: true,
    answer: "ok",
    systemIdentifier,
    version: 170_010,
    versionText: "17.10",
    role,
    startedAt: observedAt - 3_600_000,
    timeline: has.timeline,
    history: has.timeline === 1 ? history(1) : null,
    receiveLsn: isStandby ? has.lsn : null,
    replayLsn: isStandby ? replayed.lsn : null,
    currentLsn: isStandby ? null : has.lsn,
    received: has,
    replayed: isStandby ? replayed : has,
    replayAgeMs: null,
    replay: "running",
    pauseRequested: false,
    blockers: [],
    startupWait: null,
    receiver: from === undefined ? null : receiver(from, { receivedTimeline: has.timeline }),
    senders: (to ?? []).map((name) => sender(name)),
    slots: [],
    walFiles: {
      oldest: `${has.timeline.toString(16).padStart(8, "0")}0000000000000001`,
      newest: `${has.timeline.toString(16).padStart(8, "0")}0000000000000006`,
    },
    standbySignal: isStandby,
    recoverySignal: false,
    configuredUpstream: from === undefined ? null : address(from),
    missingRights: [],
    ...fields,
    settings: { ...defaultSettings, ...conninfoOf(changes), ...settings },
    marks: { ...noMarks, ...marks },
  };
}

function conninfoOf({ name, from }: ReachedChanges) {
  if (from === undefined) return {};
  return { primary_conninfo: setting(`host=${from} port=5432 application_name=${name}`) };
}

/** A node that did not let us in: nobody listens there, by default. */
export function unreached(
  changes: Partial<UnreachedNode> & { readonly name: string },
): UnreachedNode {
  return {
    promotable: true,
    priority: 0,
    addresses: [address(changes.name)],
    hasControl: false,
    observedAt,
    reachable: false,
    answer: "refused",
    speaksPostgres: false,
    sqlstate: null,
    reason: "connection refused",
    ...changes,
  };
}

/** A healthy, idle cluster: n1 leads, n2 and n3 stream from it, n4 cascades from n3. */
export function healthy(): readonly Observation[] {
  return [
    reached({ name: "n1", to: ["n2", "n3"] }),
    reached({ name: "n2", from: "n1" }),
    reached({ name: "n3", from: "n1", to: ["n4"] }),
    reached({ name: "n4", from: "n3" }),
  ];
}

/** n1 leads no more; standbys n2.. stand where `positions` says, their receivers gone. */
export function orphaned(positions: Readonly<Record<string, string>>): readonly Observation[] {
  const standbys = Object.entries(positions).map(([name, where]) =>
    reached({ name, role: "standby", at: where, configuredUpstream: address("n1") }),
  );
  return [unreached({ name: "n1" }), ...standbys];
}
