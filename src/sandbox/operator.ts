// Sessions of the sandbox to its own servers, as its superuser or as the role of the rehearsal's client.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { connect } from "../postgres/connect.ts";
import type { Session } from "../postgres/session.ts";
import type { clientRole } from "./layout.ts";
import { layoutOf, operatorRole } from "./layout.ts";
import type { SandboxNode, SandboxState } from "./state.ts";

export type SandboxRole = typeof operatorRole | typeof clientRole;

export function conninfoOf(
  state: SandboxState,
  node: SandboxNode,
  role: SandboxRole = operatorRole,
): Conninfo {
  return {
    user: role,
    dbname: "postgres",
    passfile: layoutOf(state.directory).passfile,
    connect_timeout: "2",
    host: "127.0.0.1",
    port: String(node.port),
    sslmode: "disable",
  };
}

/** Opens a session to a node that is up. Throws where it does not let us in. On a busy machine a login may take longer than
 * an operator would wait for it. */
export function openSession(
  state: SandboxState,
  node: SandboxNode,
  options: {
    readonly role?: SandboxRole;
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Session> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const patient = { connect_timeout: String(Math.ceil(timeoutMs / 1000)) };
  return connect(
    { ...conninfoOf(state, node, options.role), ...patient },
    {
      applicationName: "remaster-sandbox",
      timeoutMs,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
}
