// Ends the sessions that hold a standby's replay up. A lock's holders are known exactly; of a snapshot conflict the
// server does not say which snapshots are too old, so every session that holds one is ended.
// The startup process looks again after up to a second (13 to 18), so what stands in its way is listed afresh only then:
// a session that begins meanwhile is in nobody's way.

import type { BlockingSession } from "../topology/node.ts";
import { blockersSql, startupFrom } from "./observe-sql.ts";
import { isConflictWait, readBlockers, textOf } from "./observed-row.ts";
import { type Patience, pollFor } from "./poll.ts";
import type { QueryOptions, Session } from "./session.ts";

const blockedSql = /* sql */ `
SELECT startup.wait_event_type || '/' || startup.wait_event AS "startupWait", ${blockersSql} AS "blockers"
FROM ${startupFrom}`;

/** A running query is cancelled; a session that idles inside its transaction has nothing to cancel. */
const endSql = /* sql */ `
SELECT CASE WHEN state = 'active' THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END
FROM pg_stat_activity WHERE pid = ANY ($1::int[])`;

/** A little more than the startup process sleeps between two looks. */
const relistMs = 1200;

/** The sessions that replay waits for now, oldest transaction first; null when it waits for none. */
export async function findBlockers(
  session: Session,
  options: QueryOptions = {},
): Promise<readonly BlockingSession[] | null> {
  const [row] = await session.query(blockedSql, [], options);
  const wait = row === undefined ? null : textOf(row, "startupWait");
  if (row === undefined || wait === null || !isConflictWait(wait)) return null;
  return readBlockers(row, wait);
}

/** Ends blocking sessions until replay goes on or the time is up; gives those that it ended. */
export async function endBlockers(
  session: Session,
  patience: Patience,
): Promise<readonly BlockingSession[]> {
  const ended: BlockingSession[] = [];
  const goesOn = async (): Promise<true | null> =>
    (await findBlockers(session)) === null ? true : null;
  await pollFor(
    async () => {
      const blockers = await findBlockers(session);
      if (blockers === null) return true;
      ended.push(...blockers);
      await session.query(endSql, [`{${blockers.map(({ pid }) => pid).join(",")}}`]);
      return pollFor(goesOn, {
        ...patience,
        timeoutMs: Math.min(relistMs, patience.timeoutMs),
        everyMs: 5,
      });
    },
    { ...patience, everyMs: 5 },
  );
  return ended;
}
