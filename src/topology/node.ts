// What a node is: as the topology file says (NodeConfig), and as a look at it showed (Observation).
// An unreachable node is a value with its reason, not an exception. Nothing here reads clock or network.

import type { Address, Conninfo } from "../conninfo/conninfo.ts";
import type { SlotPlace } from "../conninfo/override.ts";
import type { Lsn } from "../wal/lsn.ts";
import type { Position } from "../wal/position.ts";
import type { TimelineHistory, TimelineId } from "../wal/timeline.ts";
import type { CopyMark } from "./copy-mark.ts";
import type { AwaitedSlot } from "./fence-mark.ts";
import type { PoolerConfig } from "./pooler.ts";
import type { Hooks } from "./hooks.ts";

/** How to start and stop a server on its machine: the user's commands, or pg_ctl run here. */
export interface Control {
  readonly start: string | null;
  readonly stop: string | null;
  readonly pgCtl: { readonly bindir: string; readonly data: string } | null;
}

/** A named server of the topology file. */
export interface NodeConfig {
  readonly name: string;
  /** The node's own parameters over those of [connect]; the PG* environment is under both. */
  readonly conninfo: Conninfo;
  /** false: never leads; still a source of WAL. */
  readonly promotable: boolean;
  /** Among promotable standbys the higher goes first. */
  readonly priority: number;
  /** How other nodes reach this one: what `primary_conninfo` will name. */
  readonly replication: Address;
  readonly control: Control | null;
}

/** The topology file as a value. */
export interface ClusterConfig {
  readonly name: string;
  /** Where it was read from; null for an ad-hoc cluster given by --dsn. */
  readonly file: string | null;
  readonly nodes: readonly NodeConfig[];
  /** Absent where there are none, as in every ad-hoc cluster. */
  readonly poolers?: readonly PoolerConfig[];
  /** Absent where none are given. */
  readonly hooks?: Hooks;
}

/** What came back when we knocked.
 * - `ok`: we were let in;
 * - `error`: PostgreSQL answered with an error (starting up, too many connections, wrong password, no such database);
 * - `refused`: nobody listens there now;
 * - `none`: no answer within the time limit, or no route;
 * - `silent`: the connection was accepted and then nothing came (a frozen server, a black hole behind a proxy);
 * - `not-postgres`: something answered that is no PostgreSQL;
 * - `unresolved`: the host name has no address;
 * - `tls`: TLS was demanded and refused, or its certificate did not hold;
 * - `pooler`: a connection pooler answered in the server's place.
 */
export type Answer =
  | "ok"
  | "error"
  | "refused"
  | "none"
  | "silent"
  | "not-postgres"
  | "unresolved"
  | "tls"
  | "pooler";

interface ObservedNode {
  readonly name: string;
  readonly promotable: boolean;
  readonly priority: number;
  /** Every address by which others may name this node: the dsn's, `replication`, and what the server says of itself. */
  readonly addresses: readonly Address[];
  readonly hasControl: boolean;
  /** Its server can be stopped and started, and standby.signal be put there and taken away. */
  readonly canBeDemoted?: boolean;
  /** Milliseconds since 1970, on the operator's clock. */
  readonly observedAt: number;
}

export interface UnreachedNode extends ObservedNode {
  readonly reachable: false;
  readonly answer: Exclude<Answer, "ok">;
  /** True when what answered speaks PostgreSQL's protocol, an error included: such a server is alive. */
  readonly speaksPostgres: boolean;
  /** SQLSTATE of the server's error, when it sent one. */
  readonly sqlstate: string | null;
  /** One line, without secrets. */
  readonly reason: string;
  /** Its server is about to let sessions in, or to be down: a look a little later finds it so. */
  readonly changing?: true;
  /** What its data directory says, where it can be looked into and no server works in it; absent elsewhere. */
  readonly stopped?: StoppedServer;
}

/** A server that does not run, as the files of its data directory show it. */
export interface StoppedServer {
  /** Its next start is that of a standby. */
  readonly standbySignal: boolean;
  /** It bears the mark of a demotion: the node that it is to follow, null where the mark does not say. */
  readonly demoted: { readonly to: Address | null } | null;
  /** Where its shutdown checkpoint begins; null where it was not shut down cleanly, or as a standby. */
  readonly shutDownAt: Position | null;
  /** The command that starts it on its machine. */
  readonly start?: string;
}

/** What holds replay up, if anything does. */
export type ReplayState = "running" | "paused" | "blocked" | "delayed";

/** A session that conflicts with replay. */
export interface BlockingSession {
  readonly pid: number;
  readonly user: string | null;
  readonly database: string | null;
  readonly applicationName: string;
  /** Age of its transaction, milliseconds. */
  readonly transactionAgeMs: number | null;
}

/** A row of pg_stat_wal_receiver. Its mere existence says that a receiver process runs, not that anything arrives. */
export interface WalReceiver {
  readonly pid: number;
  readonly status: string;
  readonly receivedTimeline: TimelineId | null;
  readonly senderHost: string | null;
  readonly senderPort: number | null;
  readonly slotName: string | null;
  /** Milliseconds since the last message from the upstream, on the standby's own clock; null before the first. */
  readonly lastMessageAgeMs: number | null;
}

/** A row of pg_stat_replication that belongs to a standby or receiver (our own sessions are left out). */
export interface WalSender {
  readonly pid: number;
  readonly applicationName: string;
  readonly clientAddress: string | null;
  readonly clientPort: number | null;
  readonly state: string;
  readonly sentLsn: Lsn | null;
  readonly writeLsn: Lsn | null;
  readonly flushLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  readonly replayLagMs: number | null;
  /** Milliseconds since its last word, by the clock of its own machine, whatever that says; null before the first. */
  readonly replyAgeMs?: number | null;
  readonly syncState: string;
  /** Name of the slot that this sender uses, when it uses one. */
  readonly slotName: string | null;
}

export interface Slot {
  readonly slotName: string;
  readonly slotType: "physical" | "logical";
  readonly plugin: string | null;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly active: boolean;
  /** Who reads from it, as `name, pid 4711, 10.0.0.5`; null where nobody does. */
  readonly heldBy?: string | null;
  readonly restartLsn: Lsn | null;
  readonly confirmedFlushLsn: Lsn | null;
  /** reserved, extended, unreserved or lost; null when the slot has reserved nothing yet. */
  readonly walStatus: string | null;
  /** 17+; null before. */
  readonly failover: boolean | null;
  /** 17+; null before. */
  readonly synced: boolean | null;
  /** 17+: why it was invalidated; null when it was not, or before 17. */
  readonly invalidationReason: string | null;
  /** 14+; null before. */
  readonly twoPhase: boolean | null;
  /** 16+, logical slots: true where replay took away what it needed; null elsewhere. */
  readonly conflicting: boolean | null;
  /** The oldest transaction whose catalogue rows it holds, as a transaction id of 32 bits; null where it holds none. */
  readonly catalogXmin: number | null;
}

/** A setting as pg_settings shows it; `value` is null where our role may not see it. */
export interface Setting {
  readonly value: string | null;
  /** pg_settings.source: `configuration file`, `command line`, `default`, ... */
  readonly source: string;
  readonly sourceFile: string | null;
}

/** The settings that an observation reads; one that the server's major lacks is absent. */
export type SettingName =
  | "primary_conninfo"
  | "primary_slot_name"
  | "restore_command"
  | "recovery_min_apply_delay"
  | "recovery_target_timeline"
  | "hot_standby"
  | "hot_standby_feedback"
  | "max_standby_streaming_delay"
  | "max_wal_senders"
  | "max_replication_slots"
  | "max_connections"
  | "max_worker_processes"
  | "max_prepared_transactions"
  | "max_locks_per_transaction"
  | "wal_level"
  | "wal_log_hints"
  | "wal_segment_size"
  | "wal_keep_size"
  | "wal_sender_timeout"
  | "wal_retrieve_retry_interval"
  | "synchronous_standby_names"
  | "synchronous_commit"
  | "default_transaction_read_only"
  | "cluster_name"
  | "archive_mode"
  | "data_directory"
  | "data_checksums"
  | "allow_alter_system"
  | "sync_replication_slots"
  | "synchronized_standby_slots"
  | "shared_preload_libraries"
  | "log_statement";

/** Marks of ours that stand in the node's own settings (POSTGRES: they keep the old value in place). */
export interface Marks {
  /** primary_conninfo bears the quiesce override. A mark is a claim; whether the node is still is read off its receiver. */
  readonly quiesced: boolean;
  /** restore_command bears the quiesce prefix. */
  readonly restoreQuiesced: boolean;
  /** primary_conninfo bears a repoint override that is not settled yet: where it points. */
  readonly repointing: Address | null;
  /** True: that override is an exchange's, taken away again once the node is level; nobody is about to lead for it. */
  readonly exchanging?: boolean;
  /** Where the slot that this node names was made for it, and may stand still. */
  readonly slotsAt?: readonly SlotPlace[];
  readonly fenced: boolean;
  /** The logical slots that it is to get before it takes writes: it is fenced for them. */
  readonly awaits?: readonly AwaitedSlot[];
  /** It is being made a standby of the node that primary_conninfo was pointed at, and is not one for good yet. */
  readonly demoted?: boolean;
  /** The copies of logical slots that slot-sync has to do with there. */
  readonly copies?: readonly CopyMark[];
}

export interface ReachedNode extends ObservedNode {
  readonly reachable: true;
  readonly answer: "ok";
  /** Decimal text: it does not fit a double. */
  readonly systemIdentifier: string;
  /** server_version_num, e.g. 150018. */
  readonly version: number;
  /** As the server writes it, e.g. `15.18`. */
  readonly versionText: string;
  readonly role: "primary" | "standby";
  /** Start of the postmaster, milliseconds since 1970 by the server's clock. */
  readonly startedAt: number | null;
  /** The timeline the node is on now, from IDENTIFY_SYSTEM, its receiver or its WAL; never from control data. */
  readonly timeline: TimelineId | null;
  /** History of that timeline; null when it could not be read. Timeline 1 has an empty one. */
  readonly history: TimelineHistory | null;
  /** pg_last_wal_receive_lsn: null without streaming since the start; may lie below replayLsn. */
  readonly receiveLsn: Lsn | null;
  /** pg_last_wal_replay_lsn on a standby; null on a primary. */
  readonly replayLsn: Lsn | null;
  /** pg_current_wal_lsn on a primary (written); null on a standby. */
  readonly currentLsn: Lsn | null;
  /** What the node has: the greater of receive and replay, or the primary's own. Decides who is ahead. */
  readonly received: Position | null;
  /** What the node has made its own. Decides who diverged. */
  readonly replayed: Position | null;
  /** Milliseconds since the commit time of the last replayed transaction; null where unknown. */
  readonly replayAgeMs: number | null;
  readonly replay: ReplayState;
  /** A pause was asked for and replay has not reached it yet (14+). */
  readonly pauseRequested: boolean;
  readonly blockers: readonly BlockingSession[];
  /** What the startup process waits for, as `type/event`; null when it works or cannot be seen. */
  readonly startupWait: string | null;
  readonly receiver: WalReceiver | null;
  readonly senders: readonly WalSender[];
  /** Names of the connections that synchronous_standby_names lets confirm and that are no standbys: logical consumers. */
  readonly otherConfirmers?: readonly string[];
  /** The connections of logical consumers. */
  readonly consumers?: readonly WalSender[];
  readonly slots: readonly Slot[];
  /** Names of the slots that slot-sync made here for siblings (the record remaster.kept_slots). */
  readonly keptSlots?: readonly string[];
  /** First and last WAL segment file names in pg_wal by name order; null without the right to look (pg_monitor has it). */
  readonly walFiles: { readonly oldest: string; readonly newest: string } | null;
  readonly settings: Readonly<Partial<Record<SettingName, Setting>>>;
  readonly marks: Marks;
  /** Whether standby.signal is in the data directory; null where it cannot be known. */
  readonly standbySignal: boolean | null;
  /** Whether recovery.signal is in the data directory (point-in-time recovery); null where it cannot be known. */
  readonly recoverySignal: boolean | null;
  /** Whether a promotion was asked for that the startup process has not taken up; null where it cannot be known. */
  readonly promoteSignal?: boolean | null;
  /** Where primary_conninfo leads, marks taken away; null when unset or unreadable. */
  readonly configuredUpstream: Address | null;
  /** application_name of sessions that belong to another program which manages clusters, each once. */
  readonly managerSessions?: readonly string[];
  /** Rights that changing the node would take and this role lacks, as GRANT names them. */
  readonly lackingRights?: readonly string[];
  /** Rights that this role lacks and the observation would have used, e.g. `pg_monitor`, `REPLICATION`. */
  readonly missingRights: readonly string[];
}

export type Observation = ReachedNode | UnreachedNode;
