import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ask,
  Authority,
  failureOf,
  giveToServer,
  letIn,
  open,
  untilGone,
} from "../support/access.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";

const encrypted =
  "SELECT ssl AS tls, version, client_dn AS name FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

describe.each(testMajors)("TLS, PostgreSQL %i", (major) => {
  let cluster: TestCluster;
  let server: TestServer;
  let directory = "";
  let ours: Authority;
  let theirs: Authority;
  let place = "";

  /** The server presents this certificate from now on. */
  async function present(name: string): Promise<void> {
    giveToServer(server, "server.key", readFileSync(ours.path(`${name}.key`), "utf8"));
    giveToServer(server, "server.crt", readFileSync(ours.path(`${name}.crt`), "utf8"));
    giveToServer(server, "root.crt", readFileSync(ours.path("ca.crt"), "utf8"));
    await using admin = await open(`${server.conninfo} sslmode=disable`);
    await admin.query("ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
    await admin.query("ALTER SYSTEM SET ssl = on");
    await admin.query("SELECT pg_reload_conf()");
    const serial = `${server.conninfo} sslmode=verify-ca sslrootcert=${ours.path("ca.crt")}`;
    await expect.poll(async () => (await ask(serial, encrypted))[0]?.["tls"]).toBe("t");
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "remaster-tls-"));
    chmodSync(directory, 0o755);
    mkdirSync(join(directory, "home/.postgresql"), { recursive: true });
    ours = new Authority(join(directory, "ours"));
    theirs = new Authority(join(directory, "theirs"));
    ours.sign("named", "ignored", { names: "DNS:localhost,DNS:*.wild.test,IP:127.0.0.1" });
    ours.sign("common", "127.0.0.1");
    ours.sign("client", "tlsuser");
    ours.openssl("rsa -aes256 -passout pass:geheim -in client.key -out locked.key");
    chmodSync(ours.path("locked.key"), 0o600);
    theirs.sign("client", "tlsuser");
    cluster = await startCluster({ major, standbys: 0 });
    server = cluster.server("n1");
    place = `host=127.0.0.1 port=${server.port} dbname=postgres`;
    await using admin = await open(`${server.conninfo} sslmode=disable`);
    await admin.query("CREATE ROLE tlsuser LOGIN");
    await admin.query("CREATE ROLE plainuser LOGIN");
    await admin.query("CREATE ROLE certuser LOGIN");
    await letIn(server, [
      "hostssl all tlsuser 127.0.0.1/32 trust",
      "hostnossl all plainuser 127.0.0.1/32 trust",
      "hostssl all certuser 127.0.0.1/32 trust clientcert=verify-ca",
    ]);
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const tls = async (text: string, home = join(directory, "nowhere")): Promise<string> => {
    const [row] = await ask(`${place} ${text}`, encrypted, { home });
    return row?.["tls"] ?? "unknown";
  };

  test("a server without TLS: modes that insist are turned away, the others go on", async () => {
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      const root = `sslrootcert=${ours.path("ca.crt")}`;
      const failed = await failureOf(`${server.conninfo} sslmode=${mode} ${root}`);
      expect(failed).toMatchObject({ answer: "tls", speaksPostgres: true });
      expect(failed.reason).toBe("the server does not speak TLS, and it was demanded");
    }
    for (const mode of ["disable", "allow", "prefer"]) {
      const [row] = await ask(`${server.conninfo} sslmode=${mode}`, encrypted);
      expect(row?.["tls"]).toBe("f");
    }
  });

  test("sslmode and its fallbacks", async () => {
    await present("named");
    const home = join(directory, "nowhere");
    expect(await tls("user=tlsuser sslmode=require")).toBe("t");
    expect(await tls("user=tlsuser sslmode=prefer")).toBe("t");
    expect(await tls("user=tlsuser sslmode=allow")).toBe("t");
    expect(await tls("user=tlsuser")).toBe("t");
    expect(await tls("user=plainuser sslmode=prefer")).toBe("f");
    expect(await tls("user=plainuser sslmode=allow")).toBe("f");
    expect(await tls("user=plainuser sslmode=disable")).toBe("f");
    for (const text of ["user=tlsuser sslmode=disable", "user=plainuser sslmode=require"]) {
      const failed = await failureOf(`${place} ${text}`, { home });
      expect(failed).toMatchObject({ answer: "error", speaksPostgres: true, sqlstate: "28000" });
    }
  });

  test("a statement out of time is given up by the server, asked over TLS", async () => {
    await present("named");
    await using admin = await open(`${server.conninfo} sslmode=disable`);
    await using session = await open(`${place} user=tlsuser sslmode=require`);
    const late = session.query("SELECT pg_sleep(30)", [], { timeoutMs: 50 });
    await expect(late).rejects.toThrow("no answer within 50 ms");
    await session.close();
    await untilGone(admin, session.backendPid);
  });

  test("the certificate's authority", async () => {
    await present("named");
    const mine = `sslrootcert=${ours.path("ca.crt")}`;
    const other = `sslrootcert=${theirs.path("ca.crt")}`;
    expect(await tls(`user=tlsuser sslmode=verify-ca ${mine}`)).toBe("t");
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      const failed = await failureOf(`${place} user=tlsuser sslmode=${mode} ${other}`);
      expect(failed).toMatchObject({ answer: "tls", speaksPostgres: true });
      expect(failed.reason).toContain("not signed by a trusted authority");
    }
    // With prefer a broken handshake falls back, as in libpq.
    expect(await tls(`user=plainuser sslmode=prefer ${other}`)).toBe("f");
    const system = await failureOf(`${place} user=tlsuser sslrootcert=system`);
    expect(system).toMatchObject({ answer: "tls" });
  });

  test("root.crt of the home directory", async () => {
    await present("named");
    const home = join(directory, "home");
    writeFileSync(join(home, ".postgresql/root.crt"), readFileSync(ours.path("ca.crt")));
    expect(await tls("user=tlsuser sslmode=verify-full", home)).toBe("t");
    writeFileSync(join(home, ".postgresql/root.crt"), readFileSync(theirs.path("ca.crt")));
    expect(await failureOf(`${place} user=tlsuser sslmode=require`, { home })).toMatchObject({
      answer: "tls",
    });
    rmSync(join(home, ".postgresql/root.crt"));
    await expect(open(`${place} user=tlsuser sslmode=verify-ca`, { home })).rejects.toMatchObject({
      outcome: "config",
      message: expect.stringContaining("needs a root certificate") as string,
    });
  });

  test("the certificate's names", async () => {
    const mine = `user=tlsuser sslmode=verify-full sslrootcert=${ours.path("ca.crt")}`;
    await present("named");
    expect(await tls(mine)).toBe("t");
    expect(await tls(`${mine} host=localhost`)).toBe("t");
    expect(await tls(`${mine} host=a.wild.test hostaddr=127.0.0.1`)).toBe("t");
    for (const host of ["other.test", "a.b.wild.test", "wild.test"]) {
      const failed = await failureOf(`${place} ${mine} host=${host} hostaddr=127.0.0.1`);
      expect(failed).toMatchObject({ answer: "tls", speaksPostgres: true });
      expect(failed.reason).toBe(`the server's certificate is not for the host name "${host}"`);
    }
    await expect(open(`${place} ${mine} host='' hostaddr=127.0.0.1`)).rejects.toMatchObject({
      outcome: "config",
      message: "sslmode=verify-full needs a host name",
    });
    await present("common");
    expect(await tls(mine)).toBe("t");
    const failed = await failureOf(`${place} ${mine} host=localhost`);
    expect(failed).toMatchObject({ answer: "tls" });
  });

  test("client certificates", async () => {
    await present("named");
    const user = `${place} user=certuser sslmode=require`;
    const cert = (key: string): string =>
      `sslcert=${ours.path("client.crt")} sslkey=${ours.path(key)}`;
    const missing = await failureOf(user, { home: join(directory, "nowhere") });
    expect(missing).toMatchObject({ answer: "error", sqlstate: "28000", speaksPostgres: true });
    const [row] = await ask(`${user} ${cert("client.key")}`, encrypted);
    expect(row).toMatchObject({ tls: "t", name: "/CN=tlsuser" });
    expect(await ask(`${user} ${cert("locked.key")} sslpassword=geheim`, encrypted)).toHaveLength(
      1,
    );
    const strange = await failureOf(
      `${user} sslcert=${theirs.path("client.crt")} sslkey=${theirs.path("client.key")}`,
    );
    expect(strange).toMatchObject({ answer: "tls", speaksPostgres: true });
    const unused = await failureOf(`${user} ${cert("client.key")} sslcertmode=disable`);
    expect(unused).toMatchObject({ sqlstate: "28000" });

    const home = join(directory, "home");
    for (const name of ["crt", "key"]) {
      const path = join(home, `.postgresql/postgresql.${name}`);
      writeFileSync(path, readFileSync(ours.path(`client.${name}`)));
      chmodSync(path, 0o600);
    }
    expect(await ask(user, encrypted, { home })).toHaveLength(1);
    chmodSync(join(home, ".postgresql/postgresql.key"), 0o644);
    const refused = async (text: string, words: string): Promise<void> => {
      const attempt = open(text, { home });
      await expect(attempt).rejects.toMatchObject({ outcome: "config" });
      await expect(attempt).rejects.toThrow(words);
    };
    await refused(user, "may be used by others");
    rmSync(join(home, ".postgresql/postgresql.key"));
    await refused(user, "but no key");
    rmSync(join(home, ".postgresql/postgresql.crt"));
    await refused(`${user} sslcert=/nowhere.crt`, "sslcert file /nowhere.crt does not exist");
    await refused(
      `${user} ${cert("locked.key")} sslpassword=wrong`,
      "the TLS files cannot be used",
    );
  });

  test("revoked certificates", async () => {
    await present("named");
    const mine = `${place} user=tlsuser sslmode=verify-ca sslrootcert=${ours.path("ca.crt")}`;
    ours.revoke();
    expect(await ask(`${mine} sslcrl=${ours.path("crl.pem")}`, encrypted)).toHaveLength(1);
    ours.revoke("named");
    const failed = await failureOf(`${mine} sslcrl=${ours.path("crl.pem")}`);
    expect(failed).toMatchObject({
      answer: "tls",
      reason: "TLS failed: the server's certificate was revoked",
    });
    mkdirSync(join(directory, `crls-${major}`));
    writeFileSync(join(directory, `crls-${major}/one`), readFileSync(ours.path("crl.pem")));
    expect(await failureOf(`${mine} sslcrldir=${join(directory, `crls-${major}`)}`)).toMatchObject({
      answer: "tls",
    });
  });

  test("protocol versions, and channel binding", async () => {
    await present("named");
    const base = `${server.conninfo} sslmode=require`;
    const version = async (text: string): Promise<string | null | undefined> =>
      (await ask(`${base} ${text}`, encrypted))[0]?.["version"];
    expect(await version("")).toBe("TLSv1.3");
    expect(await version("ssl_max_protocol_version=TLSv1.2")).toBe("TLSv1.2");
    expect(await version("ssl_min_protocol_version=tlsv1.3")).toBe("TLSv1.3");
    expect(await version("channel_binding=require")).toBe("TLSv1.3");
    expect(await version("channel_binding=disable sslsni=0")).toBe("TLSv1.3");
    const trusted = await failureOf(
      `${place} user=tlsuser sslmode=require channel_binding=require`,
    );
    expect(trusted.reason).toContain("channel binding is required");
  });

  test("direct TLS, where the server knows it (17+)", async () => {
    await present("named");
    const direct = `${place} user=tlsuser sslmode=require sslnegotiation=direct`;
    if (major >= 17) {
      expect(await ask(direct, encrypted)).toHaveLength(1);
    } else {
      expect(await failureOf(direct)).toMatchObject({ answer: "tls" });
    }
    await expect(open(`${place} sslnegotiation=direct`)).rejects.toThrow(
      "sslmode=prefer is too weak",
    );
  });
});
