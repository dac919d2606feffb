// A small look at a node, one cheap statement, for polling every 1 to 10 ms: what it has, whether it receives, what its
// startup process waits for. Needs pg_monitor: without it the receiver and the waits of other processes are hidden.

import { parseConninfo } from "../conninfo/parse.ts";
import type { ReplayState, WalReceiver } from "../topology/node.ts";
import { type Lsn, maxLsn } from "../wal/lsn.ts";
import { pauseStateSql, receiverSql, startupFrom } from "./observe-sql.ts";
import { flagOf, lsnOf, readReceiver, readReplay, textOf } from "./observed-row.ts";
import type { Session } from "./session.ts";

export interface PositionLook {
  readonly role: "primary" | "standby";
  readonly receiveLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  /** What a primary has flushed, that is, what it can send; null on a standby. */
  readonly flushedLsn: Lsn | null;
  /** What the node has: the greater of receive and replay, or what a primary has flushed. */
  readonly has: Lsn | null;
  readonly receiver: WalReceiver | null;
  /** As `type/event`; null when the startup process works, cannot be seen or is gone. */
  readonly startupWait: string | null;
  readonly replay: ReplayState;
  readonly pauseRequested: boolean;
  /** When this session's backend last took the configuration files, as text to compare. */
  readonly loadedAt: string;
  /** Null where the role may not see it. */
  readonly primaryConninfo: string | null;
  readonly primarySlotName: string | null;
  readonly restoreCommand: string | null;
  /** By which a standby's sender is known on its upstream; null where that is not to be known. */
  readonly applicationName: string | null;
}

function positionSql(major: number): string {
  return /* sql */ `
SELECT pg_is_in_recovery()::text AS "inRecovery",
  startup.wait_event_type || '/' || startup.wait_event AS "startupWait",
  ${pauseStateSql(major)} AS "pauseState",
  ${receiverSql} AS "receiver",
  pg_last_wal_receive_lsn()::text AS "receiveLsn",
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END AS "replayLsn",
  CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn()::text END AS "flushedLsn",
  pg_conf_load_time()::text AS "loadedAt",
  CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
       THEN current_setting('primary_conninfo') END AS "primaryConninfo",
  current_setting('primary_slot_name') AS "primarySlotName",
  CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
       THEN current_setting('restore_command') END AS "restoreCommand",
  current_setting('cluster_name') AS "clusterName"
FROM ${startupFrom}`;
}

/** The waits are read before the receiver: a startup process that rests has already let go of its receiver. */
export async function observePosition(session: Session): Promise<PositionLook> {
  const [row] = await session.query(positionSql(Math.floor(session.version / 10_000)));
  if (row === undefined) throw new Error("the position statement gave no row");
  const receiveLsn = lsnOf(row, "receiveLsn");
  const replayLsn = lsnOf(row, "replayLsn");
  const flushedLsn = lsnOf(row, "flushedLsn");
  const startupWait = textOf(row, "startupWait");
  const pauseState = textOf(row, "pauseState");
  const primaryConninfo = textOf(row, "primaryConninfo");
  return {
    role: flagOf(row, "inRecovery") === true ? "standby" : "primary",
    receiveLsn,
    replayLsn,
    flushedLsn,
    has: flushedLsn ?? maxLsn(receiveLsn, replayLsn),
    receiver: readReceiver(row),
    startupWait,
    replay: readReplay({ pauseState, startupWait }),
    pauseRequested: pauseState === "pause requested",
    loadedAt: textOf(row, "loadedAt") ?? "",
    primaryConninfo,
    primarySlotName: textOf(row, "primarySlotName"),
    restoreCommand: textOf(row, "restoreCommand"),
    applicationName: receiverName(primaryConninfo ?? "", textOf(row, "clusterName") ?? ""),
  };
}

/** What a WAL receiver calls itself: as told, else the server's cluster_name, else `walreceiver` (13 to 18). A service
 * file on the standby may tell it something that cannot be seen from here. */
function receiverName(primaryConninfo: string, clusterName: string): string | null {
  const parsed = parseConninfo(primaryConninfo);
  if (!parsed.ok || (parsed.conninfo["service"] ?? "") !== "") return null;
  const told = parsed.conninfo["application_name"] ?? "";
  if (told !== "") return told;
  return clusterName === "" ? "walreceiver" : clusterName;
}
