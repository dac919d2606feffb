// The failover flag of a logical slot (17+). It is set by a command of the replication protocol, which waits for whoever holds the
// slot, for ever where a consumer streams (17, 18), and knows no statement_timeout: so who holds it is asked first, and the
// command is broken off and its backend ended when the time is up.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { quoteIdentifier } from "../topology/identifier.ts";
import { connect } from "./connect.ts";
import { ownApplicationName } from "./observe-sql.ts";
import { textOf } from "./observed-row.ts";
import { type Acted, acted, refuse } from "./outcome.ts";
import { ConnectionLost, QueryError, type Session } from "./session.ts";

export interface FlagState {
  readonly failover: boolean;
  readonly plugin: string | null;
  /** Who reads from it, as `name, pid 4711, 10.0.0.5`; null where nobody does. */
  readonly heldBy: string | null;
}

const stateSql = /* sql */ `
SELECT s.failover, s.plugin,
       CASE WHEN s.active THEN concat_ws(', ', NULLIF(a.application_name, ''), 'pid ' || s.active_pid, host(a.client_addr)) END AS "heldBy"
FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
WHERE s.slot_name = $1 AND s.slot_type = 'logical'`;

/** Null where there is no such logical slot. */
export async function readFlag(session: Session, slotName: string): Promise<FlagState | null> {
  const [row] = await session.query(stateSql, [slotName]);
  if (row === undefined) return null;
  const plugin = textOf(row, "plugin");
  return { failover: row["failover"] === "t", plugin, heldBy: textOf(row, "heldBy") };
}

/** Sets it on a slot that nobody held a moment ago. `session` ends a command that is left waiting. */
export async function setFailoverFlag(
  session: Session,
  slotName: string,
  options: { readonly conninfo: Conninfo; readonly timeoutMs: number },
): Promise<Acted> {
  const { timeoutMs } = options;
  const replication = await connect(
    { ...options.conninfo, application_name: ownApplicationName },
    { applicationName: ownApplicationName, timeoutMs, replication: "database", greeting: "none" },
  );
  try {
    const command = `ALTER_REPLICATION_SLOT ${quoteIdentifier(slotName)} (FAILOVER true)`;
    await replication.query(command, [], { timeoutMs });
    return acted;
  } catch (error) {
    if (error instanceof QueryError) return refuse("step-failed", error.message);
    if (!(error instanceof ConnectionLost)) throw error;
    await session.query("SELECT pg_terminate_backend($1)", [replication.backendPid]);
    return refuse("step-failed", `it was held by somebody for ${String(timeoutMs)} ms`);
  } finally {
    await replication.close();
  }
}
