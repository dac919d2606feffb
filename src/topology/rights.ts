// What remaster's role must be allowed on the servers, as one list: the SQL that makes the role is printed from it, and a
// look asks for what is needed of it. GRANT ... ON PARAMETER came with 15: before, only a superuser changes settings.
// Rights on functions and views belong to one database; remaster connects to `postgres`.

export interface Rights {
  /** Predefined roles. */
  readonly memberships: readonly string[];
  /** Functions that nobody but a superuser may execute unless it is granted. */
  readonly functions: readonly string[];
  /** Views of the same kind. */
  readonly views: readonly string[];
  /** Settings that ALTER SYSTEM may change; empty where that cannot be granted. */
  readonly parameters: readonly string[];
}

/** Settings that change on a standby: without one of them no verb that changes it works. */
export const standbyParameters: readonly string[] = [
  "primary_conninfo",
  "primary_slot_name",
  "restore_command",
];

/** Settings that change on a primary that hands over, fenced or shut down. */
export const primaryParameters: readonly string[] = [
  "default_transaction_read_only",
  "synchronous_standby_names",
  "remaster.fenced",
  "remaster.demoted",
];

/** Settings that slot-sync changes on a standby where it makes slots there (16+). */
const copyParameters: readonly string[] = ["remaster.slots"];
/** Settings that change on a standby that keeps slots for its siblings. */
export const keepingParameters: readonly string[] = ["remaster.kept_slots"];

/** Functions without which no verb that changes a standby works. */
export const changingFunctions: readonly string[] = [
  "pg_reload_conf()",
  "pg_promote(boolean, integer)",
  "pg_wal_replay_pause()",
  "pg_wal_replay_resume()",
];

/** Who may write a checkpoint (15 and later; before, superusers). Nothing is refused without, but writes wait longer. */
export const checkpointRole = "pg_checkpoint";

/** Functions by which pg_rewind reads the files of the server that it takes a node back to. */
export const rewindFunctions: readonly string[] = [
  "pg_ls_dir(text, boolean, boolean)",
  "pg_stat_file(text, boolean)",
  "pg_read_binary_file(text)",
  "pg_read_binary_file(text, bigint, bigint, boolean)",
];

/** Settings that `slot-sync` changes: on a standby what its copies need, on a primary whom consumers wait for. */
function slotParameters(major: number): readonly string[] {
  return [
    "hot_standby_feedback",
    ...(major >= 17 ? ["sync_replication_slots", "synchronized_standby_slots"] : []),
  ];
}

/** Whether a role that is no superuser can be given all that the verbs need. */
export function canGrantParameters(major: number): boolean {
  return major >= 15;
}

/** Everything that can be granted to the role on this major, short of superuser. */
export function rightsOn(major: number): Rights {
  const since15 = canGrantParameters(major);
  return {
    memberships: ["pg_monitor", "pg_signal_backend", ...(since15 ? [checkpointRole] : [])],
    functions: [
      ...changingFunctions,
      // Where the signal files are, and what the configuration files say: a superuser's alone otherwise.
      ...rewindFunctions,
      "pg_show_all_file_settings()",
      ...(major >= 16 ? ["pg_log_standby_snapshot()"] : []),
      ...(major >= 17 ? ["pg_sync_replication_slots()"] : []),
    ],
    views: ["pg_file_settings"],
    parameters: since15
      ? [
          ...standbyParameters,
          ...primaryParameters,
          ...slotParameters(major),
          ...keepingParameters,
          ...(major >= 16 ? copyParameters : []),
        ]
      : [],
  };
}
