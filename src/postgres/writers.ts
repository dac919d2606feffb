// Who may write to a primary: foreign sessions, roles and databases with settings of their own that go past a read-only
// default, subscriptions whose workers write, prepared transactions. Shared catalogues alone: one look from any database.
// A session of remaster's own is told by our role and name; replication sends what is written, and writes nothing.

import type { Override, Subscription } from "../topology/fence-mark.ts";
import type { ForeignSession, PreparedTransaction, WriterSurvey } from "../topology/writers.ts";
import { numberOf, textOf } from "./observed-row.ts";
import type { Row, Session } from "./session.ts";
import { ownApplicationName } from "./observe-sql.ts";
import { quoteLiteral } from "./settings.ts";

/** Sessions that a fence ends; `spare` are application names. */
export function foreignSessions(spare: readonly string[]): string {
  const names = spare.map(quoteLiteral).join(", ");
  return `pg_stat_activity AS a
WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND NOT (a.usename = CURRENT_USER AND a.application_name ~ '^${ownApplicationName}( |$)')
  ${names === "" ? "" : `AND a.application_name NOT IN (${names})`}`;
}

// A session of a superuser is ended by superusers alone, those of others by their own role and by pg_signal_backend.
const sessionsSql = (spare: readonly string[]): string => /* sql */ `
SELECT a.pid::text AS pid, a.usename AS "user", a.datname AS database, a.application_name AS "applicationName",
       host(a.client_addr) AS "clientAddress",
       (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::text AS "transactionAgeMs",
       (current_setting('is_superuser') = 'on'
        OR (NOT COALESCE(r.rolsuper, true)
            AND (pg_has_role(CURRENT_USER, 'pg_signal_backend', 'USAGE')
                 OR pg_has_role(CURRENT_USER, a.usesysid, 'USAGE'))))::text AS "mayEnd"
FROM ${foreignSessions(spare).replace(/\nWHERE/, " LEFT JOIN pg_roles r ON r.oid = a.usesysid WHERE")}
ORDER BY a.pid`;

export const overridesSql = /* sql */ `
SELECT r.rolname AS role, d.datname AS database, split_part(c.setting, '=', 2) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c(setting)
LEFT JOIN pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE split_part(c.setting, '=', 1) IN ('default_transaction_read_only', 'transaction_read_only')
ORDER BY 1, 2`;

export const subscriptionsSql = /* sql */ `
SELECT d.datname AS database, s.subname AS name
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE s.subenabled ORDER BY 1, 2`;

const preparedSql = /* sql */ `
SELECT gid, database, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::text AS "ageMs"
FROM pg_prepared_xacts ORDER BY prepared`;

export async function surveyWriters(
  node: string,
  session: Session,
  spare: readonly string[],
): Promise<WriterSurvey> {
  const [sessions, overrides, subscriptions, prepared, self] = [
    await session.query(sessionsSql(spare)),
    await readOverrides(session),
    await readSubscriptions(session),
    await session.query(preparedSql),
    await session.query("SELECT current_setting('is_superuser') AS super"),
  ];
  return {
    node,
    sessions: sessions.map(readSession),
    overrides,
    subscriptions,
    preparedTransactions: prepared.map(readPrepared),
    isSuperuser: self[0]?.["super"] === "on",
  };
}

export async function readOverrides(session: Session): Promise<readonly Override[]> {
  const rows = await session.query(overridesSql);
  return rows.map((row) => ({
    role: textOf(row, "role"),
    database: textOf(row, "database"),
    value: textOf(row, "value") ?? "off",
  }));
}

export async function readSubscriptions(session: Session): Promise<readonly Subscription[]> {
  const rows = await session.query(subscriptionsSql);
  return rows.map((row) => ({
    database: textOf(row, "database") ?? "",
    name: textOf(row, "name") ?? "",
  }));
}

function readSession(row: Row): ForeignSession {
  return {
    pid: numberOf(row, "pid") ?? 0,
    user: textOf(row, "user"),
    database: textOf(row, "database"),
    applicationName: textOf(row, "applicationName") ?? "",
    clientAddress: textOf(row, "clientAddress"),
    transactionAgeMs: numberOf(row, "transactionAgeMs"),
    mayEnd: textOf(row, "mayEnd") === "true",
  };
}

function readPrepared(row: Row): PreparedTransaction {
  return {
    gid: textOf(row, "gid") ?? "",
    database: textOf(row, "database") ?? "",
    ageMs: numberOf(row, "ageMs") ?? 0,
  };
}
