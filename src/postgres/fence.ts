// Holds writes off a primary by layers, and gives them back. Read-only by default, for roles and databases that say otherwise
// too; subscriptions disabled, because their workers write; every foreign session ended; no commit at the default level
// acknowledged any more. A session that waits for its synchronous standby is let come to its end: cancelled, it would be
// told that its commit is done. Never cancels anything.
// What was before stands in the mark, remaster.fenced (fence-mark.ts), which is written first and goes last.

import {
  type FenceMark,
  formatFenceMark,
  type Override,
  parseFenceMark,
  type Subscription,
} from "../topology/fence-mark.ts";
import { quoteIdentifier } from "../topology/identifier.ts";
import type { Position } from "../wal/position.ts";
import { parseLsn } from "../wal/lsn.ts";
import { textOf } from "./observed-row.ts";
import { type Acted, acted, type Held, holds, never, notYet, refuse } from "./outcome.ts";
import { type Patience, pollFor } from "./poll.ts";
import { QueryError, type Row, type Session } from "./session.ts";
import {
  alterMark,
  alterSystem,
  askFileSettings,
  notTaken,
  quoteLiteral,
  reload,
  reloadAll,
  resetSystem,
  restoreSystem,
} from "./settings.ts";
import {
  foreignSessions,
  overridesSql,
  readOverrides,
  readSubscriptions,
  subscriptionsSql,
} from "./writers.ts";

/** A standby of that name is nobody: whoever waits for it waits on. */
export const nobody = "remaster_fenced";

export interface FenceOptions extends Patience {
  /** Application names whose sessions stay. */
  readonly spare: readonly string[];
  /** A session to another database of the same server; closed by whoever opened it here. */
  openIn(database: string): Promise<Session>;
}

const lookSql = /* sql */ `
SELECT pg_is_in_recovery()::text AS recovery, current_setting('remaster.fenced', true) AS fenced,
       current_setting('synchronous_standby_names') AS synchronous`;

interface Look {
  readonly isPrimary: boolean;
  /** The mark's text; empty where there is none. */
  readonly fenced: string;
  readonly synchronous: string;
}

async function look(session: Session): Promise<Look> {
  const [row = {}] = await session.query(lookSql);
  return readLook(row);
}

function readLook(row: Row): Look {
  return {
    isPrimary: textOf(row, "recovery") === "false",
    fenced: textOf(row, "fenced") ?? "",
    synchronous: textOf(row, "synchronous") ?? "",
  };
}

// What a session has may be its role's or its database's own: the files say what holds for everybody else.
const readOnlySql = {
  files: `SELECT setting FROM pg_file_settings
    WHERE name = 'default_transaction_read_only' AND error IS NULL ORDER BY seqno DESC LIMIT 1`,
  session: `SELECT reset_val AS setting FROM pg_settings WHERE name = 'default_transaction_read_only'`,
} as const;

export async function readOnlyDefault(session: Session): Promise<string> {
  try {
    const [row] = await session.query(readOnlySql.files);
    return row?.["setting"] ?? "off";
  } catch (error) {
    if (!(error instanceof QueryError) || error.sqlstate !== "42501") throw error;
    const [row] = await session.query(readOnlySql.session);
    return row?.["setting"] ?? "off";
  }
}

/** A run that was cut short wrote the mark, and perhaps the settings behind it, and loaded nothing: without the mark they would be
 * taken for what was before. */
export async function isLeftUnloaded(session: Session): Promise<boolean> {
  return ((await askFileSettings(session))?.fenced ?? "") !== "";
}

/** Our own session goes on writing, and waits for nobody. */
async function stayOpen(session: Session): Promise<void> {
  await session.query("SET default_transaction_read_only = off; SET synchronous_commit = local");
}

/** What taking a fence back may take that could not be closed, milliseconds. */
const openingMs = 5_000;

/** `left`: it could not be closed, nor taken back again altogether. */
export type Fenced = Acted & { readonly left?: true };

/** Puts every layer up, and returns once no foreign session is left that began before. */
export async function fence(session: Session, options: FenceOptions): Promise<Fenced> {
  const before = await look(session);
  if (!before.isPrimary) return refuse("not-a-primary", "the node is a standby");
  await stayOpen(session);
  if (before.fenced === "" && (await isLeftUnloaded(session))) {
    return (await reloadAll(session, options)) ? fence(session, options) : notTaken;
  }
  const known = parseFenceMark(before.fenced);
  const mark = await markOf(session, before, known);
  const marked = await alterMark(session, "remaster.fenced", formatFenceMark(mark));
  if (!marked.done) return marked;
  const closed = await closeLayers(session, mark, options);
  if (closed.done) return acted;
  // The operator's interrupt ends the fence, and not the taking back of it.
  const opened = await unfence(session, {
    openIn: (database) => options.openIn(database),
    timeoutMs: openingMs,
  });
  return opened.done ? closed : { ...closed, left: true };
}

/** What an earlier fence has taken away already is what was before. */
async function markOf(session: Session, before: Look, known: FenceMark | null): Promise<FenceMark> {
  const overrides = await readOverrides(session);
  const subscriptions = await readSubscriptions(session);
  return {
    readOnly: known?.readOnly ?? (await readOnlyDefault(session)),
    synchronous: known?.synchronous ?? before.synchronous,
    overrides: [...(known?.overrides ?? []), ...overrides],
    subscriptions: [...(known?.subscriptions ?? []), ...subscriptions],
  };
}

async function closeLayers(
  session: Session,
  mark: FenceMark,
  options: FenceOptions,
): Promise<Acted> {
  const away = await takeOverridesAway(session, mark.overrides);
  if (!away.done) return away;
  const disabled = await setSubscriptions(mark.subscriptions, "DISABLE", options);
  if (!disabled.done) return disabled;
  const readOnly = await alterSystem(session, "default_transaction_read_only", "on");
  if (!readOnly.done) return readOnly;
  // Nobody waits for a standby where there is no synchronous one: both layers at once.
  const isAsynchronous = mark.synchronous === "";
  const hidden = isAsynchronous ? await hideStandbys(session) : acted;
  if (!hidden.done) return hidden;
  if (!(await reloadAll(session, options))) return notTaken;
  const ended = await endSessions(session, options);
  if (!ended.done || isAsynchronous) return ended;
  const late = await hideStandbys(session);
  if (!late.done) return late;
  return (await reloadAll(session, options)) ? acted : notTaken;
}

function hideStandbys(session: Session): Promise<Acted> {
  return alterSystem(session, "synchronous_standby_names", nobody);
}

/** Roles and databases that say otherwise: the default holds for them as well. */
async function takeOverridesAway(session: Session, overrides: readonly Override[]): Promise<Acted> {
  for (const override of overrides) {
    const done = await alterOverride(session, override, "RESET default_transaction_read_only");
    if (!done.done) return done;
  }
  return acted;
}

async function alterOverride(
  session: Session,
  { role, database }: Override,
  change: string,
): Promise<Acted> {
  const where = database === null ? "" : ` IN DATABASE ${quoteIdentifier(database)}`;
  const whose =
    role === null
      ? `DATABASE ${quoteIdentifier(database ?? "")}`
      : `ROLE ${quoteIdentifier(role)}${where}`;
  return perform(session, `ALTER ${whose} ${change}`, `the settings of ${whose}`);
}

async function setSubscriptions(
  subscriptions: readonly Subscription[],
  change: "ENABLE" | "DISABLE",
  options: FenceOptions,
): Promise<Acted> {
  for (const { database, name } of subscriptions) {
    await using session = await options.openIn(database);
    await stayOpen(session);
    const statement = `ALTER SUBSCRIPTION ${quoteIdentifier(name)} ${change}`;
    const done = await perform(session, statement, `subscription ${name} in ${database}`);
    if (!done.done) return done;
  }
  return acted;
}

/** A change in the catalogue that the server may refuse; something that is gone meanwhile needs none. */
async function perform(session: Session, statement: string, what: string): Promise<Acted> {
  try {
    await session.query(statement);
    return acted;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    if (error.sqlstate === "42704") return acted;
    const code = error.sqlstate === "42501" ? "missing-right" : "setting-out-of-reach";
    return refuse(code, `the server refused to change ${what} (SQLSTATE ${error.sqlstate})`);
  }
}

/** Foreign sessions that began before the default was read-only, which it is since the last reload, and those that have
 * written since. */
const remainingSql = (spare: readonly string[]): string => /* sql */ `
SELECT a.pid, a.usename AS "user", a.wait_event AS wait
FROM ${foreignSessions(spare)}
  AND (a.backend_start <= pg_conf_load_time() OR a.backend_xid IS NOT NULL)
UNION ALL
SELECT pid, NULL, wait_event FROM pg_stat_activity
WHERE backend_type ~ '^logical replication (apply |parallel |tablesync )?worker$'`;

/** Workers of subscriptions end by themselves once those are disabled; who waits for a standby is let come to his end. */
const endRemainingSql = (spare: readonly string[]): string => /* sql */ `
SELECT pid::text AS pid, "user",
       CASE WHEN "user" IS NOT NULL AND wait IS DISTINCT FROM 'SyncRep' THEN pg_terminate_backend(pid) END AS ended
FROM (${remainingSql(spare)}) AS remaining`;

async function endSessions(session: Session, options: FenceOptions): Promise<Acted> {
  const sql = endRemainingSql(options.spare);
  let left: readonly string[] = [];
  const none = await pollFor(
    async () => {
      const rows = await session.query(sql);
      left = rows.map(
        (row) => `pid ${row["pid"] ?? "?"} (${row["user"] ?? "a subscription's worker"})`,
      );
      return rows.length === 0 ? true : null;
    },
    { ...options, everyMs: 1 },
  );
  if (none !== null) return acted;
  return refuse("sessions-remain", `sessions that write could not be ended: ${left.join(", ")}`);
}

// Nobody takes writes meanwhile: in one round trip. A standby that would have to confirm it may be there no more.
const positionSql = /* sql */ `
BEGIN READ WRITE; SET LOCAL synchronous_commit = local;
SELECT pg_logical_emit_message(true, 'remaster', 'fenced'); COMMIT;
SELECT pg_walfile_name(lsn) AS file, lsn::text AS lsn FROM pg_current_wal_flush_lsn() AS lsn`;

/** The end of what was written before: everything up to there is flushed, what is acknowledged without being flushed too. */
export async function fencedPosition(session: Session): Promise<Position> {
  const [row = {}] = await session.query(positionSql);
  const at = parseLsn(textOf(row, "lsn") ?? "");
  const timeline = Number.parseInt((textOf(row, "file") ?? "").slice(0, 8), 16);
  if (at === null || !Number.isInteger(timeline)) throw new Error("the server gave no position");
  return { timeline, lsn: at };
}

const heldSql = (spare: readonly string[]): string => /* sql */ `
SELECT look.*, (SELECT count(*)::text FROM (${overridesSql}) AS o) AS overrides,
  (SELECT count(*)::text FROM (${subscriptionsSql}) AS s) AS subscriptions,
  (SELECT string_agg(pid::text, ', ') FROM (${remainingSql(spare)}) AS r) AS remaining
FROM (${lookSql}) AS look`;

/** Whether every layer is in force and no foreign session is left that could write. synchronous_standby_names is the last that is
 * set, and no session has one of its own: with it the others are in force. */
export async function fenceHolds(session: Session, spare: readonly string[]): Promise<Held> {
  const [row = {}] = await session.query(heldSql(spare));
  const seen = readLook(row);
  if (!seen.isPrimary) return never("the node is a standby");
  if (parseFenceMark(seen.fenced) === null) return notYet("it bears no fence mark");
  if (seen.synchronous !== nobody) return notYet("commits are still acknowledged");
  if (row["overrides"] !== "0") return notYet("a role or a database is not read-only by default");
  if (row["subscriptions"] !== "0") return notYet("a subscription is enabled");
  const pids = row["remaining"] ?? null;
  return pids === null ? holds() : notYet(`foreign sessions are left: pid ${pids}`);
}

/** Gives a node that leads now what the fence of another one has taken away in the catalogues, which they share. */
export async function reopen(
  session: Session,
  mark: FenceMark,
  options: Pick<FenceOptions, keyof Patience | "openIn">,
): Promise<Acted> {
  await stayOpen(session);
  for (const override of mark.overrides) {
    const value = quoteLiteral(override.value);
    const set = await alterOverride(
      session,
      override,
      `SET default_transaction_read_only = ${value}`,
    );
    if (!set.done) return set;
  }
  return setSubscriptions(mark.subscriptions, "ENABLE", { ...options, spare: [] });
}

/** What the catalogues of a node still lack of that; empty where nothing. */
export async function reopenLacks(session: Session, mark: FenceMark): Promise<readonly string[]> {
  const [overrides, subscriptions] = [
    await readOverrides(session),
    await readSubscriptions(session),
  ];
  const isThere = (wanted: Override): boolean =>
    overrides.some(({ role, database }) => role === wanted.role && database === wanted.database);
  const isEnabled = (wanted: Subscription): boolean =>
    subscriptions.some(
      ({ database, name }) => database === wanted.database && name === wanted.name,
    );
  return [
    ...mark.overrides
      .filter((each) => !isThere(each))
      .map(({ role, database }) => role ?? database ?? ""),
    ...mark.subscriptions.filter((each) => !isEnabled(each)).map(({ name }) => name),
  ];
}

/** The mark that a node bears; null where there is none that can be read. */
export async function readFenceMark(session: Session): Promise<FenceMark | null> {
  return parseFenceMark((await look(session)).fenced);
}

/** Takes the fence back, whoever put it up: what was before is in the mark. Without a readable one the settings of
 * postgresql.auto.conf go. */
export async function unfence(
  session: Session,
  options: Pick<FenceOptions, keyof Patience | "openIn">,
): Promise<Acted> {
  if (!(await reloadAll(session, options))) return notTaken;
  await stayOpen(session);
  const { fenced, isPrimary } = await look(session);
  if (fenced === "") return acted;
  const mark = parseFenceMark(fenced);
  const given = await giveBackSettings(session, mark);
  if (!given.done) return given;
  // A standby has the catalogues of the primary.
  const opened = mark === null || !isPrimary ? acted : await reopen(session, mark, options);
  if (!opened.done) return opened;
  const cleared = await resetSystem(session, "remaster.fenced");
  if (!cleared.done) return cleared;
  if (!(await reloadAll(session, options))) return notTaken;
  await session.query("RESET default_transaction_read_only; RESET synchronous_commit");
  return acted;
}

export async function giveBackSettings(session: Session, mark: FenceMark | null): Promise<Acted> {
  const readOnly = ["default_transaction_read_only", mark?.readOnly] as const;
  const synchronous = ["synchronous_standby_names", mark?.synchronous] as const;
  // One that is closed for slots alone has its own list in force.
  const wanted = mark?.awaits === undefined ? [readOnly, synchronous] : [readOnly];
  for (const [name, value] of wanted) {
    const done =
      value === undefined
        ? await resetSystem(session, name)
        : await restoreSystem(session, name, value);
    if (!done.done) return done;
  }
  await reload(session);
  return acted;
}
