// Opens sessions as a user would and changes who is let in: pg_hba.conf rewritten and reloaded, certificates made.

import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Conninfo } from "../../src/conninfo/conninfo.ts";
import { parseConninfo } from "../../src/conninfo/parse.ts";
import { ConnectFailure } from "../../src/postgres/connect-failure.ts";
import { connect } from "../../src/postgres/connect.ts";
import type { ConnectOptions } from "../../src/postgres/connect-request.ts";
import type { Row, Session } from "../../src/postgres/session.ts";
import type { TestServer } from "./cluster.ts";

export const connectOptions: ConnectOptions = {
  applicationName: "remaster test",
  timeoutMs: 10_000,
};

export function conninfoOf(text: string): Conninfo {
  const parsed = parseConninfo(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.conninfo;
}

export function open(text: string, more: Partial<ConnectOptions> = {}): Promise<Session> {
  return connect(conninfoOf(text), { ...connectOptions, ...more });
}

/** One statement in a session of its own. */
export async function ask(
  text: string,
  sql: string,
  more: Partial<ConnectOptions> = {},
): Promise<readonly Row[]> {
  await using session = await open(text, more);
  return await session.query(sql);
}

/** Waits until the server has no backend of that process id. */
export async function untilGone(admin: Session, pid: number): Promise<void> {
  const sql = "SELECT 1 FROM pg_stat_activity WHERE pid = $1";
  await expect.poll(() => admin.query(sql, [pid]), { timeout: 20_000 }).toEqual([]);
}

export async function failureOf(
  text: string,
  more: Partial<ConnectOptions> = {},
): Promise<ConnectFailure> {
  try {
    await using session = await open(text, more);
    await session.query("SELECT 1");
  } catch (error) {
    if (error instanceof ConnectFailure) return error;
    throw error;
  }
  throw new Error("it let us in");
}

/** These lines of pg_hba.conf from now on, beside the operator's own. */
export async function letIn(server: TestServer, lines: readonly string[]): Promise<void> {
  const first = "host all remaster 127.0.0.1/32 scram-sha-256";
  const last = "host replication all 127.0.0.1/32 scram-sha-256";
  writeFileSync(join(server.dataDir, "pg_hba.conf"), `${[first, ...lines, last].join("\n")}\n`);
  await ask(server.conninfo, "SELECT pg_reload_conf()");
}

/** Gives a file to the server's account, readable to nobody else. */
export function giveToServer(server: TestServer, name: string, text: string): void {
  const path = join(server.dataDir, name);
  writeFileSync(path, text);
  const { uid, gid } = statSync(server.dataDir);
  chownSync(path, uid, gid);
  chmodSync(path, 0o600);
}

/** A certificate authority in a directory of its own. */
export class Authority {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    this.openssl(
      "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=authority",
    );
    writeFileSync(join(directory, "index.txt"), "");
    writeFileSync(join(directory, "crlnumber"), "01\n");
    writeFileSync(
      join(directory, "ca.cnf"),
      "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=30\n",
    );
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  openssl(command: string): void {
    execFileSync("openssl", command.split(" "), { cwd: this.directory, stdio: "pipe" });
  }

  /** `name.key` and `name.crt`, signed; alternative names as openssl writes them: `DNS:a,IP:127.0.0.1`. */
  sign(name: string, subject: string, options: { names?: string; days?: number } = {}): void {
    const { names, days = 30 } = options;
    writeFileSync(
      this.path(`${name}.ext`),
      names === undefined ? "basicConstraints=CA:FALSE\n" : `subjectAltName=${names}\n`,
    );
    this.openssl(
      `req -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${subject}`,
    );
    this.openssl(
      `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out ${name}.crt -days ${days} -extfile ${name}.ext`,
    );
    chmodSync(this.path(`${name}.key`), 0o600);
  }

  /** `crl.pem`, with the named certificates on it. */
  revoke(...names: readonly string[]): void {
    for (const name of names) {
      this.openssl(`ca -config ca.cnf -keyfile ca.key -cert ca.crt -revoke ${name}.crt`);
    }
    this.openssl("ca -config ca.cnf -keyfile ca.key -cert ca.crt -gencrl -out crl.pem");
  }
}
