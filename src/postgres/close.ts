// Has a standby take no writes once it leads, until it has got its logical slots: read-only by default, under the mark of a fence
// that names them. ALTER SYSTEM works in recovery, and changes nothing there until the promotion (13 to 18). What the fence
// of the old primary took away in the catalogues, which both share, stands in this mark too: it comes back when the node opens.

import { type AwaitedSlot, formatFenceMark, parseFenceMark } from "../topology/fence-mark.ts";
import { parseLsn } from "../wal/lsn.ts";
import { isLeftUnloaded, readFenceMark, readOnlyDefault } from "./fence.ts";
import { textOf } from "./observed-row.ts";
import { type Acted, acted } from "./outcome.ts";
import type { Patience } from "./poll.ts";
import { readWritePosition } from "./promote.ts";
import type { Session } from "./session.ts";
import { alterMark, alterSystem, notTaken, reloadAll } from "./settings.ts";

const awaitedSql = (version: number): string => /* sql */ `
SELECT slot_name, plugin, database, confirmed_flush_lsn::text AS confirmed,
       ${version >= 140_000 ? "two_phase" : "false"}::text AS two_phase
FROM pg_replication_slots
WHERE slot_type = 'logical' AND slot_name = ANY (string_to_array($1, ','))`;

/** These slots as they are on a primary that takes no writes; one that is gone, or that nobody has read from, is missing. */
export async function readAwaited(
  primary: Session,
  names: readonly string[],
): Promise<readonly AwaitedSlot[]> {
  const rows = await primary.query(awaitedSql(primary.version), [names.join(",")]);
  const written = await readWritePosition(primary);
  if (written === null) throw new Error("the node is no primary");
  return rows.flatMap((row) => {
    const at = parseLsn(textOf(row, "confirmed") ?? "");
    if (at === null) return [];
    return [
      {
        slotName: textOf(row, "slot_name") ?? "",
        plugin: textOf(row, "plugin") ?? "",
        database: textOf(row, "database") ?? "",
        twoPhase: textOf(row, "two_phase") === "true",
        confirmed: { timeline: written.timeline, lsn: at },
      },
    ];
  });
}

export interface Closing extends Patience {
  readonly awaits: readonly AwaitedSlot[];
  /** The fenced primary. */
  readonly primary: Session;
}

export async function closeStandby(session: Session, closing: Closing): Promise<Acted> {
  if ((await isLeftUnloaded(session)) && !(await reloadAll(session, closing))) return notTaken;
  const known = await readFenceMark(session);
  const { overrides = [], subscriptions = [] } = (await readFenceMark(closing.primary)) ?? {};
  const mark = {
    readOnly: known?.readOnly ?? (await readOnlyDefault(session)),
    synchronous: known?.synchronous ?? (await synchronousNames(session)),
    ...{ overrides, subscriptions, awaits: closing.awaits },
  };
  const marked = await alterMark(session, "remaster.fenced", formatFenceMark(mark));
  if (!marked.done) return marked;
  const readOnly = await alterSystem(session, "default_transaction_read_only", "on");
  if (!readOnly.done) return readOnly;
  return (await reloadAll(session, closing)) ? acted : notTaken;
}

/** Stays in force: the mark tells it to whoever fences the node once it leads. */
async function synchronousNames(session: Session): Promise<string> {
  const [row = {}] = await session.query("SHOW synchronous_standby_names");
  return textOf(row, "synchronous_standby_names") ?? "";
}

const closedSql = /* sql */ `
SELECT current_setting('remaster.fenced', true) AS fenced,
       (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only') AS "readOnly"`;

/** Whether it would lead closed, for these slots. */
export async function isClosedFor(session: Session, names: readonly string[]): Promise<boolean> {
  const [row = {}] = await session.query(closedSql);
  const awaits = parseFenceMark(textOf(row, "fenced"))?.awaits ?? [];
  const known = awaits.map(({ slotName }) => slotName);
  return textOf(row, "readOnly") === "on" && names.every((name) => known.includes(name));
}
