// Reads and changes settings with ALTER SYSTEM, and finds out beforehand why it would not work.
// Never puts a value into an error: primary_conninfo may hold a password. Changes only settings that take effect on
// reload. A value given on the server's command line beats ALTER SYSTEM; allow_alter_system=off (17+) forbids it;
// before 15 it takes a superuser, from 15 on GRANT ALTER SYSTEM ON PARAMETER will do.

import { type Acted, acted, type Refusal, type Refused, refuse } from "./outcome.ts";
import { type Patience, pollFor } from "./poll.ts";
import { QueryError, type Session } from "./session.ts";

/** The settings that remaster changes. None of them is of the kind whose list elements ALTER SYSTEM quotes anew. */
export type ChangeableSetting =
  | "primary_conninfo"
  | "primary_slot_name"
  | "restore_command"
  | "default_transaction_read_only"
  | "synchronous_standby_names"
  | "hot_standby_feedback"
  | "sync_replication_slots"
  | "synchronized_standby_slots"
  | MarkName;

/** Marks of our own, which no server knows by itself. */
export type MarkName =
  | "remaster.fenced"
  | "remaster.demoted"
  | "remaster.slots"
  | "remaster.kept_slots";

const obstaclesSince15 = /* sql */ `
SELECT s.name, s.source,
       current_setting('is_superuser') = 'on'
         OR has_parameter_privilege(s.name, 'ALTER SYSTEM') AS "mayAlter",
       has_function_privilege('pg_reload_conf()', 'EXECUTE') AS "mayReload",
       COALESCE(current_setting('allow_alter_system', true), 'on') AS allowed,
       CURRENT_USER AS role
FROM pg_settings s WHERE s.name = ANY ('{NAMES}'::text[])`;

// has_parameter_privilege exists since 15; before, ALTER SYSTEM asks for a superuser.
const obstaclesBefore15 = /* sql */ `
SELECT s.name, s.source,
       current_setting('is_superuser') = 'on' AS "mayAlter",
       has_function_privilege('pg_reload_conf()', 'EXECUTE') AS "mayReload",
       'on' AS allowed,
       CURRENT_USER AS role
FROM pg_settings s WHERE s.name = ANY ('{NAMES}'::text[])`;

/** What stands against changing these settings on this server with this role; empty when nothing does. */
export async function settingObstacles(
  session: Session,
  names: readonly ChangeableSetting[],
): Promise<readonly Refusal[]> {
  const sql = session.version >= 150_000 ? obstaclesSince15 : obstaclesBefore15;
  const rows = await session.query(sql.replace("NAMES", names.join(",")));
  const found: Refusal[] = [];
  for (const name of names) {
    const row = rows.find((candidate) => candidate["name"] === name);
    if (row === undefined) {
      found.push({
        code: "missing-right",
        message: `this role may not see ${name}`,
        hint: "GRANT pg_monitor TO the role of remaster",
      });
      continue;
    }
    if (row["source"] === "command line") {
      found.push({
        code: "setting-out-of-reach",
        message: `${name} is set on the server's command line, where ALTER SYSTEM cannot reach it`,
        hint: "change it where the server is started",
      });
    }
    if (row["allowed"] === "off") {
      found.push({
        code: "setting-out-of-reach",
        message: "ALTER SYSTEM is not allowed (allow_alter_system = off)",
        hint: "change it where the server is configured",
      });
    }
    if (row["mayAlter"] !== "t") {
      found.push({
        code: "missing-right",
        message: `role ${row["role"] ?? "?"} may not change ${name}`,
        hint:
          session.version >= 150_000
            ? `GRANT SET, ALTER SYSTEM ON PARAMETER ${name} TO ${row["role"] ?? "?"}`
            : "before PostgreSQL 15 ALTER SYSTEM takes a superuser",
      });
    }
    if (row["mayReload"] !== "t") {
      found.push({
        code: "missing-right",
        message: `role ${row["role"] ?? "?"} may not execute pg_reload_conf()`,
        hint: `GRANT EXECUTE ON FUNCTION pg_reload_conf() TO ${row["role"] ?? "?"}`,
      });
    }
  }
  return uniqueRefusals(found);
}

function uniqueRefusals(refusals: readonly Refusal[]): readonly Refusal[] {
  const seen = new Map(refusals.map((refusal) => [refusal.message, refusal]));
  return [...seen.values()];
}

/** A string literal that means the same with standard_conforming_strings on and off. */
export function quoteLiteral(value: string): string {
  const quoted = value.replaceAll("'", "''");
  return quoted.includes("\\") ? `E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}

/** Writes the value to postgresql.auto.conf, where it stands for the next reload. Refuses what the server refuses. */
export async function alterSystem(
  session: Session,
  name: ChangeableSetting,
  value: string,
): Promise<Acted> {
  return alter(session, name, `ALTER SYSTEM SET ${name} = ${quoteLiteral(value)}`);
}

/** The same for a mark of our own: before 17 a custom setting can be altered only once the session knows it. */
export async function alterMark(session: Session, name: MarkName, value: string): Promise<Acted> {
  await session.query(`SELECT set_config('${name}', '', true)`);
  return alterSystem(session, name, value);
}

/** A mark of our own that is in force; empty where there is none. */
export async function readMark(session: Session, name: MarkName): Promise<string> {
  const [row] = await session.query("SELECT current_setting($1, true) AS value", [name]);
  return row?.["value"] ?? "";
}

/** Takes a mark of our own away, where there is one: the session has to know it for that as well. */
export async function resetMark(session: Session, name: MarkName): Promise<Acted> {
  if ((await readMark(session, name)) === "") return acted;
  return resetSystem(session, name);
}

/** Takes the setting out of postgresql.auto.conf. */
export async function resetSystem(session: Session, name: ChangeableSetting): Promise<Acted> {
  return alter(session, name, `ALTER SYSTEM RESET ${name}`);
}

async function alter(session: Session, name: ChangeableSetting, sql: string): Promise<Acted> {
  try {
    await session.query(sql);
    return acted;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    // The server's own message may quote the value, so only its SQLSTATE goes on.
    if (error.sqlstate === "42501") {
      const right =
        session.version >= 150_000 ? `SET, ALTER SYSTEM ON PARAMETER ${name}` : "SUPERUSER";
      return refuse("missing-right", `this role may not change ${name}: it lacks ${right}`);
    }
    const code = "setting-out-of-reach";
    return refuse(code, `the server refused to change ${name} (SQLSTATE ${error.sqlstate})`);
  }
}

/** What cannot be read must not be written over: the old value would be gone. */
export const conninfoHidden = refuse(
  "missing-right",
  "this role may not see primary_conninfo",
  "GRANT pg_monitor TO the role of remaster, which must inherit its rights",
);

/** A reload that was not seen through. */
export const notTaken = refuse(
  "setting-out-of-reach",
  "the server was not seen to take its configuration files: time was up, or one of them holds an error",
  "see pg_file_settings",
);

export interface Change {
  readonly name: ChangeableSetting;
  /** The running value, without which the change could not be taken back. */
  readonly from: string;
  readonly to: string;
}

/** Makes changes and has every process told. Where one is refused, or the configuration files do not load, all of them
 * are taken back: what stays in postgresql.auto.conf would come to life with anybody's later reload. */
export async function changeSettings(
  session: Session,
  changes: readonly Change[],
  patience: Patience,
): Promise<Acted> {
  const written = await writeSettings(session, changes);
  if (!written.done || (await reloadAll(session, patience))) return written;
  const taken = await takeBackSettings(session, changes, notTaken);
  // The reload that was asked for may come late, and would leave in force what was taken back.
  await reload(session);
  return taken;
}

/** Writes all of the changes or none, for the next reload or restart. */
export async function writeSettings(session: Session, changes: readonly Change[]): Promise<Acted> {
  const made: Change[] = [];
  for (const change of changes) {
    const result = await alterSystem(session, change.name, change.to);
    if (!result.done) return takeBackSettings(session, made, result);
    made.push(change);
  }
  return acted;
}

/** Brings back what the changes were made from, for the next reload or restart; gives the reason on. */
export async function takeBackSettings(
  session: Session,
  made: readonly Change[],
  reason: Refused,
): Promise<Refused> {
  for (const { name, from } of made) {
    const result = await restoreSystem(session, name, from);
    if (!result.done) throw new Error(`${reason.refusal.message}; ${result.refusal.message}`);
  }
  return reason;
}

/** Brings a setting back to a value: RESET where the server's other files say the same already, else SET. */
export async function restoreSystem(
  session: Session,
  name: ChangeableSetting,
  value: string,
): Promise<Acted> {
  const elsewhere = await valueElsewhere(session, name);
  if (elsewhere === value) return resetSystem(session, name);
  return alterSystem(session, name, value);
}

// pg_file_settings is for superusers unless granted; what is applied last wins.
const elsewhereSql = /* sql */ `
SELECT (SELECT f.setting FROM pg_file_settings f
        WHERE f.name = $1 AND f.error IS NULL
          AND f.sourcefile <> current_setting('data_directory') || '/postgresql.auto.conf'
        ORDER BY f.seqno DESC LIMIT 1) AS value,
       (SELECT s.boot_val FROM pg_settings s WHERE s.name = $1) AS "default"`;

/** What the setting would be without postgresql.auto.conf; null where this role cannot know. */
async function valueElsewhere(session: Session, name: ChangeableSetting): Promise<string | null> {
  try {
    const rows = await session.query(elsewhereSql, [name]);
    return rows[0]?.["value"] ?? rows[0]?.["default"] ?? "";
  } catch (error) {
    if (error instanceof QueryError && error.sqlstate === "42501") return null;
    throw error;
  }
}

/** What the configuration files say of the settings that bear our marks, as the last word on each: JSON of texts by name. */
export const fileSettingsSql = /* sql */ `
(SELECT json_object_agg(name, setting)::text FROM (
   SELECT DISTINCT ON (name) name, setting FROM pg_file_settings
   WHERE name IN ('primary_conninfo', 'restore_command', 'remaster.fenced', 'remaster.demoted')
     AND error IS NULL
   ORDER BY name, seqno DESC) AS last)`;

export interface FileSettings {
  readonly primaryConninfo: string | null;
  readonly restoreCommand: string | null;
  readonly fenced: string | null;
  readonly demoted: string | null;
}

export function readFileSettings(json: string | null): FileSettings | null {
  if (json === null) return null;
  const found = JSON.parse(json) as Readonly<Record<string, string | null>>;
  return {
    primaryConninfo: found["primary_conninfo"] ?? null,
    restoreCommand: found["restore_command"] ?? null,
    fenced: found["remaster.fenced"] ?? null,
    demoted: found["remaster.demoted"] ?? null,
  };
}

/** Null where this role may not know, or nothing is said. */
export async function askFileSettings(session: Session): Promise<FileSettings | null> {
  try {
    const [row] = await session.query(`SELECT ${fileSettingsSql} AS found`);
    return readFileSettings(row?.["found"] ?? null);
  } catch (error) {
    if (error instanceof QueryError && error.sqlstate === "42501") return null;
    throw error;
  }
}

/** Asks the server to read its configuration again. Also wakes a startup process that sleeps between two attempts. */
export async function reload(session: Session): Promise<void> {
  await session.query("SELECT pg_reload_conf()");
}

/**
 * Reloads, and returns true once every process of the server has been told: the postmaster signals them one after the
 * other, so only its taking of a second reload proves that it is through with the first. False when the time is up:
 * then the configuration files hold an error, and the server keeps what it has.
 */
export async function reloadAll(session: Session, patience: Patience): Promise<boolean> {
  const asked = await session.query("SELECT pg_conf_load_time() AS loaded, pg_reload_conf()");
  const before = asked[0]?.["loaded"] ?? "";
  // The second reload is asked for by the very statement that sees the first.
  const first = await newLoadTime(session, { ...patience, before, then: "pg_reload_conf()" });
  if (first === null) return false;
  return (await newLoadTime(session, { ...patience, before: first, then: "true" })) !== null;
}

/** When this session's own backend took the configuration files after `before`; null when it was not seen to. */
async function newLoadTime(
  session: Session,
  wanted: Patience & { readonly before: string; readonly then: "pg_reload_conf()" | "true" },
): Promise<string | null> {
  const sql = `SELECT loaded, CASE WHEN loaded <> ${quoteLiteral(wanted.before)} THEN ${wanted.then} END AS changed
    FROM (SELECT pg_conf_load_time() AS loaded) AS time`;
  const look = async (): Promise<string | null> => {
    const [row] = await session.query(sql);
    return row?.["changed"] === "t" ? (row["loaded"] ?? null) : null;
  };
  return pollFor(look, { ...wanted, everyMs: 1 });
}
