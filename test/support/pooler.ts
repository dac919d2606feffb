// PgBouncer in front of a server, where it is installed: for tests of what a connection makes of a pooler.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync, chownSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "node:net";
import type { TestServer } from "./cluster.ts";
import { closedPort } from "./strangers.ts";

const program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].find((path) => existsSync(path));

export const hasPooler = program !== undefined;

export const poolerProgram = program ?? "pgbouncer";

export interface Pooler extends AsyncDisposable {
  readonly port: number;
}

/** Lets everybody in, as the server's operator. `settings` are lines of its configuration. */
export async function startPooler(
  server: TestServer,
  settings: readonly string[] = [],
): Promise<Pooler> {
  const directory = mkdtempSync(join(tmpdir(), "remaster-pooler-"));
  const port = await closedPort();
  const { user, password } = server.clientConfig();
  const file = join(directory, "pgbouncer.ini");
  const text = [
    "[databases]",
    `* = host=127.0.0.1 port=${server.port} dbname=postgres user=${user} password=${password}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    "admin_users = remaster",
    "server_connect_timeout = 1",
    "server_login_retry = 1",
    ...settings,
    "",
  ];
  writeFileSync(file, text.join("\n"));
  // It refuses to run as root, as the server does.
  const { uid, gid } = statSync(server.dataDir);
  for (const path of [directory, file]) chownSync(path, uid, gid);
  const child = spawn(poolerProgram, [file], {
    stdio: "ignore",
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  });
  while (!(await listens(port))) await delay(20);
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
