// What the startup message says: who we are, and the settings that a session of ours relies on. They go with it and
// cost no round trip; a role's or database's own settings do not outlive them. All of them exist in 13 to 18.

import { type Request, statementTimeoutMs } from "./connect-request.ts";

/** The parameters in the order in which they are sent. */
export function startupParameters(request: Request): Readonly<Record<string, string>> {
  const { conninfo, options } = request;
  const name = text(conninfo["application_name"]) ?? options.applicationName;
  const userOptions = text(conninfo["options"]);
  if (options.greeting === "console") {
    return { user: request.user, database: request.database, application_name: name };
  }
  return {
    user: request.user,
    database: request.database,
    ...(options.replication === undefined ? {} : { replication: options.replication }),
    ...(userOptions === null ? {} : { options: userOptions }),
    application_name: name,
    // Nothing but the system's own functions is meant where a name is not qualified.
    search_path: "pg_catalog",
    statement_timeout: String(statementTimeoutMs(options)),
    lock_timeout: "0",
    idle_in_transaction_session_timeout: "0",
    // Values are read as text, so their form must not depend on the role.
    DateStyle: "ISO, YMD",
    IntervalStyle: "postgres",
    TimeZone: "UTC",
    bytea_output: "hex",
    extra_float_digits: "1",
    ...options.settings,
  };
}

function text(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}
