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

/** Opens a session to a node. Throws where it does not let us in. */
export function openSession(
  state: SandboxState,
  node: SandboxNode,
  options: {
    readonly role?: SandboxRole;
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Session> {
  return connect(conninfoOf(state, node, options.role), {
    applicationName: "remaster-sandbox",
    timeoutMs: options.timeoutMs ?? 5_000,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}
