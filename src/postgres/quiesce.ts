// Brings a standby's WAL intake to a proven stop by marks in its own settings, and back. Refuses what would not come to
// rest: replay that is held up while a receiver runs obeys no setting (15, 18), and a restore_command cannot be changed
// on 13. Never in point-in-time recovery: there a restore_command that fails ends recovery.
// The proof (13 to 18): the startup process is seen in a wait from which it takes the new settings before it can start a
// receiver or a restore_command, after the postmaster has signalled it, and there is no receiver.

import {
  markQuiesced,
  markRestoreQuiesced,
  readMarks,
  readRestoreMark,
} from "../conninfo/override.ts";
import { formatLsn } from "../wal/lsn.ts";
import { endBlockers } from "./blockers.ts";
import {
  type Acted,
  acted,
  type Held,
  holds,
  never,
  notYet,
  type Refused,
  refuse,
} from "./outcome.ts";
import type { Patience } from "./poll.ts";
import { observePosition, type PositionLook } from "./position.ts";
import type { Session } from "./session.ts";
import {
  type Change,
  type ChangeableSetting,
  changeSettings,
  conninfoHidden,
  notTaken,
  reload,
  reloadAll,
  restoreSystem,
  settingObstacles,
  takeBackSettings,
} from "./settings.ts";

export interface QuiesceOptions extends Patience {
  /** `end`: the sessions that hold replay up are cancelled. */
  readonly blockers: "keep" | "end";
  /** What was seen of the node a moment ago; looked at anew when absent. */
  readonly look?: PositionLook;
  /** `checked`: nothing stands against changing its settings. */
  readonly settings?: "checked";
}

/** The wait between two attempts to get WAL: everything local is replayed. Entered in standby mode only (13 to 18). */
export const restingWait = "Timeout/RecoveryRetrieveRetryInterval";

const standbyWaits: readonly string[] = [restingWait, "Activity/RecoveryWalStream"];

/** Sets the marks and has every process told. Returns before the receiver has ended: `judgeQuiesce` tells. */
export async function quiesce(session: Session, options: QuiesceOptions): Promise<Acted> {
  let look = options.look ?? (await observePosition(session));
  if (options.blockers === "end" && look.replay === "blocked") {
    await endBlockers(session, options);
    look = await observePosition(session);
  }
  const refused =
    (await whyNotQuiesce(session, look)) ??
    (options.settings === "checked" ? null : await whyNotChange(session, look));
  if (refused !== null) return refused;
  const wanted = markedChanges(look);
  if (!wanted.ok) return refuse("setting-out-of-reach", wanted.message);
  return changeSettings(session, wanted.changes, options);
}

async function whyNotQuiesce(session: Session, look: PositionLook): Promise<Refused | null> {
  if (look.role === "primary") return refuse("not-a-standby", "the node is a primary");
  if (look.primaryConninfo === null) return conninfoHidden;
  const hasRestore = readRestoreMark(look.restoreCommand ?? "").base !== "";
  if (hasRestore && session.version < 140_000) {
    return refuse(
      "restore-command-13",
      "PostgreSQL 13 cannot change restore_command without a restart",
      "remove restore_command from its configuration and restart it",
    );
  }
  if (look.receiver !== null && isHeldUp(look)) {
    return refuse(
      "replay-held-up",
      `${heldUpReason(look)}, and until that ends its receiver obeys no setting`,
    );
  }
  if (hasRestore && !(await isInStandbyMode(session, look))) {
    return refuse(
      "not-in-standby-mode",
      "the node has a restore_command and could not be proven to be in standby mode",
      "see whether standby.signal is in its data directory",
    );
  }
  return null;
}

async function whyNotChange(session: Session, look: PositionLook): Promise<Refused | null> {
  const names: ChangeableSetting[] = ["primary_conninfo"];
  if (readRestoreMark(look.restoreCommand ?? "").base !== "") names.push("restore_command");
  const [refusal] = await settingObstacles(session, names);
  return refusal === undefined ? null : { done: false, refusal };
}

/** Paused, about to be, blocked by sessions or delayed. */
export function isHeldUp(look: PositionLook): boolean {
  return look.replay !== "running" || look.pauseRequested;
}

export function heldUpReason(look: PositionLook): string {
  switch (look.replay) {
    case "paused":
      return "replay is paused";
    case "blocked":
      return `replay is blocked by sessions (${look.startupWait ?? "unknown wait"})`;
    case "delayed":
      return "replay is delayed by recovery_min_apply_delay";
    case "running":
      return look.pauseRequested ? "replay was asked to pause" : "replay is running";
  }
}

/** pg_is_in_recovery() cannot tell standby mode from point-in-time recovery; a receiver, or where the startup process
 * waits, can. What cannot be seen there is looked up in the data directory, where the role may. */
async function isInStandbyMode(session: Session, look: PositionLook): Promise<boolean> {
  if (look.receiver !== null || standbyWaits.includes(look.startupWait ?? "")) return true;
  const may = await session.query(
    "SELECT has_function_privilege('pg_stat_file(text,boolean)', 'EXECUTE')::text AS may",
  );
  if (may[0]?.["may"] !== "true") return false;
  const found = await session.query(
    "SELECT ((pg_stat_file('standby.signal', true)).size IS NOT NULL)::text AS found",
  );
  return found[0]?.["found"] === "true";
}

function markedChanges(
  look: PositionLook,
):
  | { readonly ok: true; readonly changes: readonly Change[] }
  | { readonly ok: false; readonly message: string } {
  const from = {
    primary_conninfo: look.primaryConninfo ?? "",
    restore_command: look.restoreCommand ?? "",
  };
  const conninfo = markQuiesced(from.primary_conninfo);
  if (!conninfo.ok) return conninfo;
  const restore = markRestoreQuiesced(from.restore_command);
  if (!restore.ok) return restore;
  const to = { primary_conninfo: conninfo.value, restore_command: restore.value };
  const names = ["primary_conninfo", "restore_command"] as const;
  const changes = names.map((name) => ({ name, from: from[name], to: to[name] }));
  return { ok: true, changes: changes.filter((change) => change.from !== change.to) };
}

/** Whether the WAL intake rests, by the marks' doing, and cannot begin again by itself. */
export async function quiesceHolds(session: Session): Promise<Held> {
  return judgeQuiesce(await observePosition(session));
}

export function judgeQuiesce(look: PositionLook): Held {
  if (look.role === "primary") return never("the node is a primary");
  if (!readMarks(look.primaryConninfo ?? "").quiesced)
    return notYet("primary_conninfo bears no quiesce mark");
  const restore = readRestoreMark(look.restoreCommand ?? "");
  if (restore.base !== "" && !restore.quiesced)
    return notYet("restore_command bears no quiesce mark");
  if (look.receiver !== null) {
    if (isHeldUp(look))
      return never(`${heldUpReason(look)}, so its receiver goes on (${look.receiver.status})`);
    return notYet(`its receiver has not ended (${look.receiver.status})`);
  }
  const wait = look.startupWait ?? "";
  if (wait === restingWait) return holds(positionText(look));
  // Held up without a receiver: it will have taken the new settings before it asks for WAL again. A pause that was only
  // asked for holds nothing up yet, a restore_command that runs least of all.
  if (look.replay !== "running") {
    return holds(`${positionText(look)}; ${heldUpReason(look)}`);
  }
  return notYet(`its startup process is at work (${wait === "" ? "no wait" : wait})`);
}

function positionText(look: PositionLook): string {
  const [received, replayed] = [look.has, look.replayLsn].map((lsn) =>
    lsn === null ? "nothing" : formatLsn(lsn),
  );
  return `received ${received ?? ""}, replayed ${replayed ?? ""}`;
}

/** Takes the quiesce marks away and has every process told. What a dead operator left unloaded is seen as well. */
export async function unquiesce(session: Session, patience: Patience): Promise<Acted> {
  if (!(await reloadAll(session, patience))) return notTaken;
  const look = await observePosition(session);
  const conninfo = readMarks(look.primaryConninfo ?? "");
  const restore = readRestoreMark(look.restoreCommand ?? "");
  if (!conninfo.quiesced && !restore.quiesced) return acted;
  const names: ChangeableSetting[] = [];
  if (restore.quiesced) names.push("restore_command");
  if (conninfo.quiesced) names.push("primary_conninfo");
  const [refusal] = await settingObstacles(session, names);
  if (refusal !== undefined) return { done: false, refusal };
  for (const name of names) {
    const value = name === "restore_command" ? restore.base : conninfo.base;
    const result = await restoreSystem(session, name, value);
    if (!result.done) return result;
  }
  await reloadAll(session, patience);
  return acted;
}

/** Whether neither setting bears a quiesce mark. */
export async function unquiesceHolds(session: Session): Promise<Held> {
  const look = await observePosition(session);
  if (readMarks(look.primaryConninfo ?? "").quiesced)
    return notYet("primary_conninfo still bears the quiesce mark");
  if (readRestoreMark(look.restoreCommand ?? "").quiesced)
    return notYet("restore_command still bears the quiesce mark");
  return holds();
}

/** Gives restore_command back alone: a candidate must see the archive's history files before it is promoted, or it takes
 * a timeline number a second time (15). */
export async function giveBackRestoreCommand(
  session: Session,
  patience: Pick<QuiesceOptions, keyof Patience | "look">,
): Promise<Acted> {
  const look = patience.look ?? (await observePosition(session));
  const restore = readRestoreMark(look.restoreCommand ?? "");
  if (!restore.quiesced) return acted;
  const result = await restoreSystem(session, "restore_command", restore.base);
  if (!result.done || (await reloadAll(session, patience))) return result;
  const change = {
    name: "restore_command",
    from: look.restoreCommand ?? "",
    to: restore.base,
  } as const;
  const taken = await takeBackSettings(session, [change], notTaken);
  await reload(session);
  return taken;
}
