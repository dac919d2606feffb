// The one statement that looks at a node, put together for its major: every value as text, lists as JSON arrays of
// objects whose values are text or null. Needs no right but to connect; what a role may not see comes out null.
// A function that a role may not execute fails the statement even where CASE never reaches it (checked when the
// executor starts), so those stand in a second statement, made of what the first one found to be allowed.

import { managerSessions } from "../topology/managers.ts";
import type { SettingName } from "../topology/node.ts";
import {
  canGrantParameters,
  changingFunctions,
  checkpointRole,
  primaryParameters,
  standbyParameters,
} from "../topology/rights.ts";
import { fileSettingsSql } from "./settings.ts";

/** The application_name of remaster's own replication connections, which never stream. */
export const ownApplicationName = "remaster";

/** By major: a setting that the server lacks gives no row. */
const settingNames: readonly SettingName[] = [
  "primary_conninfo",
  "primary_slot_name",
  "restore_command",
  "recovery_min_apply_delay",
  "recovery_target_timeline",
  "hot_standby",
  "hot_standby_feedback",
  "max_standby_streaming_delay",
  "max_wal_senders",
  "max_replication_slots",
  "max_connections",
  "max_worker_processes",
  "max_prepared_transactions",
  "max_locks_per_transaction",
  "wal_level",
  "wal_log_hints",
  "wal_segment_size",
  "wal_keep_size",
  "wal_sender_timeout",
  "wal_retrieve_retry_interval",
  "synchronous_standby_names",
  "synchronous_commit",
  "default_transaction_read_only",
  "cluster_name",
  "archive_mode",
  "data_directory",
  "data_checksums",
  "allow_alter_system",
  "sync_replication_slots",
  "synchronized_standby_slots",
  "shared_preload_libraries",
  "log_statement",
];

const settingsSql = /* sql */ `
(SELECT json_agg(json_build_object('name', name, 'value', setting, 'source', source, 'sourceFile', sourcefile))
 FROM pg_settings
 WHERE name = ANY ('{${settingNames.join(",")}}'::text[]))`;

/** The functions behind the views are three times cheaper to plan, and hide the same from the same roles. */
export const receiverSql = /* sql */ `
(SELECT json_build_object(
   'pid', pid::text, 'status', status, 'receivedTimeline', received_tli::text, 'senderHost', sender_host,
   'senderPort', sender_port::text, 'slotName', slot_name,
   'lastMessageAgeMs', (extract(epoch FROM clock_timestamp() - last_msg_receipt_time) * 1000)::text)
 FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL)`;

/** Our own sessions are left out. Base backups and logical consumers are no standbys (`other`), but may confirm commits. */
const sendersSql = /* sql */ `
(SELECT json_agg(json_build_object(
   'pid', r.pid::text, 'applicationName', a.application_name,
   'clientAddress', host(a.client_addr), 'clientPort', a.client_port::text, 'state', r.state,
   'sentLsn', r.sent_lsn::text, 'writeLsn', r.write_lsn::text, 'flushLsn', r.flush_lsn::text,
   'replayLsn', r.replay_lsn::text,
   'replayLagMs', (extract(epoch FROM r.replay_lag) * 1000)::text,
   'replyAgeMs', (extract(epoch FROM clock_timestamp() - r.reply_time) * 1000)::text,
   'syncState', r.sync_state, 'syncPriority', r.sync_priority::text, 'slotName', s.slot_name,
   'logical', (s.slot_type IS NOT DISTINCT FROM 'logical')::text,
   'other', (r.state IS NOT DISTINCT FROM 'backup' OR s.slot_type IS NOT DISTINCT FROM 'logical')::text)
   ORDER BY r.pid)
 FROM pg_stat_get_wal_senders() r
 JOIN pg_stat_get_activity(NULL) a ON a.pid = r.pid
 LEFT JOIN pg_get_replication_slots() s ON s.active_pid = r.pid
 WHERE NOT (r.state IS NOT DISTINCT FROM 'startup' AND a.application_name = '${ownApplicationName}'))`;

/** Asked for no process at all, the function gives all of them. */
const holderSql = /* sql */ `
CASE WHEN active_pid IS NOT NULL THEN
  (SELECT concat_ws(', ', NULLIF(a.application_name, ''), 'pid ' || a.pid, host(a.client_addr))
   FROM pg_stat_get_activity(active_pid) a LIMIT 1) END`;

function slotsSql(major: number): string {
  const since17 =
    major >= 17
      ? "'failover', failover::text, 'synced', synced::text, 'invalidationReason', invalidation_reason"
      : "'failover', NULL, 'synced', NULL, 'invalidationReason', NULL";
  const twoPhase = major >= 14 ? "two_phase::text" : "NULL";
  const conflicting = major >= 16 ? "conflicting::text" : "NULL";
  return /* sql */ `
(SELECT json_agg(json_build_object(
   'slotName', slot_name, 'slotType', slot_type, 'plugin', plugin,
   'database', (SELECT datname FROM pg_database WHERE oid = datoid),
   'temporary', temporary::text, 'active', active::text, 'heldBy', ${holderSql}, 'restartLsn', restart_lsn::text,
   'confirmedFlushLsn', confirmed_flush_lsn::text, 'walStatus', wal_status, ${since17},
   'twoPhase', ${twoPhase}, 'conflicting', ${conflicting}, 'catalogXmin', catalog_xmin::text)
   ORDER BY slot_name)
 FROM pg_get_replication_slots())`;
}

/** Sessions that may stand in replay's way. pg_blocking_pids() is empty for the startup process (13 to 18), so the lock
 * table is asked who holds what it waits for: it asks for AccessExclusiveLock, which any lock on the same thing hinders. */
export const blockersSql = /* sql */ `
(SELECT json_agg(json_build_object(
   'pid', a.pid::text, 'user', a.usename, 'database', a.datname, 'applicationName', a.application_name,
   'transactionAgeMs', (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::text,
   'holdsLock', EXISTS (
     SELECT FROM pg_locks wanted JOIN pg_locks held
       ON (held.locktype, held.database, held.relation, held.classid, held.objid)
          IS NOT DISTINCT FROM (wanted.locktype, wanted.database, wanted.relation, wanted.classid, wanted.objid)
     WHERE wanted.pid = startup.pid AND NOT wanted.granted AND held.granted AND held.pid = a.pid)::text,
   'snapshotAge', age(a.backend_xmin)::text) ORDER BY a.xact_start, a.pid)
 FROM pg_stat_activity a
 WHERE startup.wait_event_type IN ('IPC', 'Lock', 'BufferPin', 'Buffer') AND a.backend_type = 'client backend'
   AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL)`;

/** Before 14 the server knows only that a pause was asked for; where the startup process waits shows whether it came to
 * it, which takes a record to replay. Asked of a primary, both functions are errors: CASE keeps them from being evaluated. */
export function pauseStateSql(major: number): string {
  const state =
    major >= 14
      ? "pg_get_wal_replay_pause_state()"
      : `CASE WHEN NOT pg_is_wal_replay_paused() THEN 'not paused'
              WHEN startup.wait_event = 'RecoveryPause' THEN 'paused'
              ELSE 'pause requested' END`;
  return `CASE WHEN pg_is_in_recovery() THEN ${state} END`;
}

/** A server whose startup process has ended (a primary) gives one row of nulls. */
export const startupFrom = /* sql */ `
(SELECT 1) AS one LEFT JOIN pg_stat_get_activity(NULL) startup ON startup.backend_type = 'startup'`;

/** Of all that pg_stat_activity tells, the names of sessions are for anybody to see. */
const managerSessionsSql = /* sql */ `
(SELECT json_agg(json_build_object('applicationName', m.application_name))
 FROM (SELECT DISTINCT application_name FROM pg_stat_get_activity(NULL)
       WHERE application_name ~ '${managerSessions}') m)`;

/** The statement for a major; its columns are those that `ObservedRow` names. */
export function observeSql(major: number): string {
  return /* sql */ `
SELECT pg_is_in_recovery()::text AS "inRecovery",
  (SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier",
  current_setting('server_version') AS "versionText",
  (extract(epoch FROM pg_postmaster_start_time()) * 1000)::text AS "startedAt",
  CASE WHEN NOT pg_is_in_recovery()
       THEN pg_walfile_name(pg_current_wal_lsn()) END AS "walFile",
  CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn()::text END AS "currentLsn",
  pg_last_wal_receive_lsn()::text AS "receiveLsn",
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END AS "replayLsn",
  (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::text AS "replayAgeMs",
  ${pauseStateSql(major)} AS "pauseState",
  host(inet_server_addr()) AS "serverAddress", inet_server_port()::text AS "serverPort",
  startup.wait_event_type || '/' || startup.wait_event AS "startupWait",
  ${managerSessionsSql} AS "managerSessions",
  ${receiverSql} AS "receiver",
  ${sendersSql} AS "senders",
  ${slotsSql(major)} AS "slots",
  ${settingsSql} AS "settings",
  current_setting('remaster.fenced', true) AS "fenced",
  current_setting('remaster.demoted', true) AS "demoted",
  current_setting('remaster.slots', true) AS "copies",
  current_setting('remaster.kept_slots', true) AS "keptSlots",
  (pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
    AND pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'))::text AS "mayMonitor",
  (pg_has_role(current_user, 'pg_write_server_files', 'USAGE')
    AND pg_has_role(current_user, 'pg_execute_server_program', 'USAGE'))::text AS "mayWriteFiles",
  has_function_privilege('pg_ls_waldir()', 'EXECUTE')::text AS "mayListWal",
  has_function_privilege('pg_stat_file(text,boolean)', 'EXECUTE')::text AS "mayStat",
  (has_table_privilege('pg_file_settings', 'SELECT')
    AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE'))::text AS "mayReadFiles",
  ${lackingSql(major)} AS "lacking"
FROM ${startupFrom}`;
}

/** The rights to change a node that the role lacks, as GRANT names them. Before 15 only a superuser alters settings. What a
 * role attribute gives (REPLICATION) shows on the replication connection. */
function lackingSql(major: number): string {
  const superuser = "current_setting('is_superuser') = 'on'";
  const settings = !canGrantParameters(major)
    ? [`('SUPERUSER', ${superuser})`]
    : [
        ...[...standbyParameters, ...primaryParameters].map(
          (name) =>
            `('ALTER SYSTEM ON PARAMETER ${name}', has_parameter_privilege('${name}', 'ALTER SYSTEM'))`,
        ),
        `('${checkpointRole}', pg_has_role(current_user, '${checkpointRole}', 'USAGE'))`,
      ];
  const functions = changingFunctions.map(
    (name) => `('EXECUTE ON FUNCTION ${name}', has_function_privilege('${name}', 'EXECUTE'))`,
  );
  return `
(SELECT json_agg(json_build_object('right', wanted.name))
 FROM (VALUES ${[...settings, ...functions].join(", ")}) AS wanted(name, held)
 WHERE NOT wanted.held)`;
}

/** What lies in the data directory, as far as the role may look; null when it may not at all. */
export function filesSql(may: {
  readonly listWal: boolean;
  readonly stat: boolean;
  readonly settings: boolean;
}): string | null {
  const columns = [
    ...(may.listWal ? [`min(name) AS "oldest"`, `max(name) AS "newest"`] : []),
    ...(may.stat
      ? [
          `((pg_stat_file('standby.signal', true)).size IS NOT NULL)::text AS "standbySignal"`,
          `((pg_stat_file('recovery.signal', true)).size IS NOT NULL)::text AS "recoverySignal"`,
          `((pg_stat_file('promote', true)).size IS NOT NULL)::text AS "promoteSignal"`,
        ]
      : []),
    ...(may.settings ? [`${fileSettingsSql} AS "fileSettings"`] : []),
  ];
  if (columns.length === 0) return null;
  const from = may.listWal ? "FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'" : "";
  return `SELECT ${columns.join(", ")} ${from}`;
}
