// The first words with a server that let us in, one round trip: whether it is the server itself, which version, and
// whether it suits target_session_attrs. A pooler hands out cancel keys of its own, so the process id in the key is
// not the backend's; PgBouncer's own console says so in its version.

import type { Client } from "pg";
import type { Attempt } from "./attempt.ts";
import type { LoggedIn } from "./client.ts";
import { ConnectFailure } from "./connect-failure.ts";
import type { Request } from "./connect-request.ts";
import { serverFields } from "./pg-session.ts";

export interface Greeted {
  readonly client: Client;
  readonly backendPid: number;
  readonly version: number;
}

const greeting = /* sql */ `
SELECT pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.pg_is_in_recovery() AS recovery,
       pg_catalog.current_setting('transaction_read_only') AS readonly`;

/** 14+: a lock holder's session idles for long, and must not be ended for it. */
const greetingSince14 = `${greeting},
       pg_catalog.set_config('idle_session_timeout', '0', false) AS idle`;

interface Facts {
  readonly pid: string;
  readonly recovery: string;
  readonly readonly: string;
}

export async function greet(
  loggedIn: LoggedIn,
  request: Request,
  attempt: Attempt,
): Promise<Greeted> {
  const { client, keyPid, parameters } = loggedIn;
  const reported = parameters.get("server_version") ?? "";
  const isConsole = /bouncer/i.test(reported);
  const version = versionNumber(reported);
  if (request.options.greeting === "console") {
    if (!isConsole) throw noConsole();
    return { client, backendPid: keyPid, version };
  }
  if (isConsole) throw pooler();
  // A physical replication connection knows no SQL.
  const { replication, greeting: wanted } = request.options;
  if (replication === "true" || wanted === "none") return { client, backendPid: keyPid, version };
  const own = version >= 140_000 ? greetingSince14 : greeting;
  const { firstQuestion } = request.options;
  const more = firstQuestion?.columns({ backendPid: keyPid, version });
  const sql = more === undefined ? own : `${own}, ${more}`;
  const facts = await attempt.step(client.query<Facts>(sql)).then(
    (result) => result.rows[0],
    (error: unknown) => {
      throw explain(error, attempt);
    },
  );
  if (Number(facts?.pid) !== keyPid) throw pooler();
  const attributes = request.conninfo["target_session_attrs"] ?? "any";
  if (facts !== undefined) {
    checkTarget(facts, attributes);
    firstQuestion?.answered({ ...facts });
  }
  return { client, backendPid: keyPid, version };
}

function pooler(): ConnectFailure {
  return new ConnectFailure({
    answer: "pooler",
    speaksPostgres: true,
    reason: "a connection pooler answers in the server's place",
    hint: "connect to the server itself",
  });
}

function noConsole(): ConnectFailure {
  return new ConnectFailure({
    answer: "error",
    speaksPostgres: true,
    reason: "what answers there is no admin console of pgbouncer",
    hint: "its dbname is pgbouncer",
  });
}

function explain(error: unknown, attempt: Attempt): unknown {
  if (error instanceof ConnectFailure || !(error instanceof Error)) return error;
  const { code, severity } = serverFields(error);
  if (severity === null || code === null) {
    return attempt.failure("silent", "the connection ended right after the login", error);
  }
  return new ConnectFailure({
    answer: "error",
    speaksPostgres: true,
    sqlstate: code,
    reason: `${error.message} (${code})`,
    cause: error,
  });
}

/** target_session_attrs, by what the session itself says. */
function checkTarget(facts: Facts, wanted: string): void {
  const standby = facts.recovery === "t";
  const readOnly = standby || facts.readonly === "on";
  const unfit: Readonly<Record<string, string | false>> = {
    "read-write": readOnly && "session is read-only",
    "read-only": !readOnly && "session is not read-only",
    primary: standby && "server is in hot standby mode",
    standby: !standby && "server is not in hot standby mode",
  };
  const reason = unfit[wanted] ?? false;
  if (reason === false) return;
  throw new ConnectFailure({
    answer: "error",
    speaksPostgres: true,
    reason: `${reason} (target_session_attrs=${wanted})`,
  });
}

/** server_version_num from what the server reports of itself: `15.18 (Debian ...)`, `18beta2`, `9.6.24`. */
export function versionNumber(text: string): number {
  const match = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  const [major, minor, patch] = [match?.[1], match?.[2], match?.[3]].map((part) =>
    Number(part ?? 0),
  );
  if (major === undefined || minor === undefined || patch === undefined) return 0;
  return major >= 10 ? major * 10_000 + minor : major * 10_000 + minor * 100 + patch;
}
