import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCluster } from "../../src/config/load.ts";
import { connect } from "../../src/postgres/connect.ts";
import { ask, connectOptions, failureOf, letIn, open } from "../support/access.ts";
import { answering } from "../support/strangers.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";

const odd = String.raw`it's a\b:c "é"`;

describe.each(testMajors)("logging in, PostgreSQL %i", (major) => {
  let cluster: TestCluster;
  let server: TestServer;
  let home = "";
  let place = "";

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "remaster-login-"));
    chmodSync(home, 0o755);
    mkdirSync(join(home, "sockets"));
    chmodSync(join(home, "sockets"), 0o777);
    cluster = await startCluster({
      major,
      standbys: 1,
      settings: { unix_socket_directories: join(home, "sockets") },
    });
    server = cluster.server("n1");
    place = `host=127.0.0.1 port=${server.port} dbname=postgres`;
    await using admin = await open(server.conninfo);
    const password = odd.replaceAll("'", "''");
    await admin.query(`CREATE ROLE scram LOGIN PASSWORD '${password}'`);
    await admin.query(`CREATE ROLE "od d\\:" LOGIN PASSWORD '${password}'`);
    await admin.query("SET password_encryption = 'md5'");
    await admin.query(`CREATE ROLE hashed LOGIN PASSWORD '${password}'`);
    await admin.query("CREATE ROLE nobody LOGIN");
    await admin.query("ALTER ROLE nobody SET statement_timeout = '1ms'");
    await admin.query("ALTER ROLE nobody SET search_path = 'public'");
    await admin.query("ALTER ROLE nobody SET \"DateStyle\" = 'German'");
    await letIn(server, [
      "local all all trust",
      "host all nobody 127.0.0.1/32 trust",
      "host all hashed 127.0.0.1/32 md5",
      "host all clear 127.0.0.1/32 password",
      "host all all 127.0.0.1/32 scram-sha-256",
    ]);
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  const who = "SELECT current_user AS name";

  function passfile(lines: string, mode = 0o600): string {
    const path = join(home, "passfile");
    writeFileSync(path, lines);
    chmodSync(path, mode);
    return path;
  }

  test.each(["scram", "hashed"])("with a password, %s", async (user) => {
    const quoted = odd.replace(/[\\']/g, "\\$&");
    expect(await ask(`${place} user=${user} password='${quoted}'`, who)).toEqual([{ name: user }]);
  });

  test("with the password file", async () => {
    const escaped = odd.replace(/[\\:]/g, "\\$&");
    const path = passfile(
      [
        "# comment",
        "127.0.0.1:1:*:scram:wrong",
        `*:${server.port}:other:*:wrong`,
        String.raw`127.0.0.1:*:postgres:od d\\\::${escaped}`,
        `127.0.0.1:${server.port}:postgres:scram:${escaped}\r`,
        "*:*:*:scram:later lines do not count",
      ].join("\n"),
    );
    expect(await ask(`${place} user=scram passfile=${path}`, who)).toEqual([{ name: "scram" }]);
    expect(await ask(`${place} user='od d\\\\:' passfile=${path}`, who)).toEqual([
      { name: "od d\\:" },
    ]);
    rmSync(join(home, ".pgpass"), { force: true });
    writeFileSync(join(home, ".pgpass"), `*:*:*:*:${escaped}`, { mode: 0o600 });
    expect(await ask(`${place} user=scram`, who, { home })).toEqual([{ name: "scram" }]);
    rmSync(join(home, ".pgpass"));
  });

  test("without a password there is a way to give one", async () => {
    const none = await failureOf(`${place} user=scram`, { home });
    expect(none).toMatchObject({ answer: "error", speaksPostgres: true });
    expect(none.reason).toBe('the server wants a password for user "scram", and there is none');
    expect(none.hint).toContain("PGPASSWORD");
    const open = await failureOf(`${place} user=scram passfile=${passfile("*:*:*:*:x", 0o640)}`);
    expect(open.hint).toMatch(/has group or world access, so it was not used: chmod 600$/);
    const directory = await failureOf(`${place} user=scram passfile=${home}`);
    expect(directory.hint).toContain("is not a plain file");
  });

  test("a wrong password is not shown", async () => {
    const wrong = await failureOf(`${place} user=scram password=geheim`);
    expect(wrong).toMatchObject({ answer: "error", speaksPostgres: true, sqlstate: "28P01" });
    expect(wrong.reason + (wrong.hint ?? "")).not.toContain("geheim");
  });

  test("require_auth holds the server to it", async () => {
    const quoted = odd.replace(/[\\']/g, "\\$&");
    const scram = `${place} user=scram password='${quoted}'`;
    expect(await ask(`${scram} require_auth=scram-sha-256,none`, who)).toEqual([{ name: "scram" }]);
    expect(await ask(`${scram} require_auth=!md5,!password`, who)).toEqual([{ name: "scram" }]);
    expect((await failureOf(`${scram} require_auth=md5`)).reason).toContain(
      "require_auth does not allow scram-sha-256",
    );
    expect((await failureOf(`${place} user=nobody require_auth=!none`)).reason).toContain(
      "require_auth does not allow none",
    );
    expect((await failureOf(`${scram} channel_binding=require`)).reason).toContain("wants TLS");
  });

  test("over a Unix socket", async () => {
    const sockets = join(home, "sockets");
    const found = await ask(
      `host=${sockets} port=${server.port} user=nobody dbname=postgres sslmode=verify-full`,
      "SELECT inet_client_addr() IS NULL AS unix",
    );
    expect(found).toEqual([{ unix: "t" }]);
  });

  test("by a name that has several addresses, and by hostaddr", async () => {
    const rest = `port=${server.port} user=nobody dbname=postgres`;
    expect(await ask(`host=localhost ${rest}`, who)).toEqual([{ name: "nobody" }]);
    expect(await ask(`host=no-such-host.invalid hostaddr=127.0.0.1 ${rest}`, who)).toEqual([
      { name: "nobody" },
    ]);
  });

  test("through a service, a topology file and the environment", async () => {
    writeFileSync(
      join(home, ".pg_service.conf"),
      `[svc]\nhost=127.0.0.1\nport=${server.port}\ndbname=postgres\n`,
    );
    const cluster = await loadCluster({
      dsn: "service=svc",
      env: { PGUSER: "scram", PGPASSWORD: odd, PGAPPNAME: "from env" },
      cwd: home,
      home,
    });
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error("no node");
    await using session = await connect(node.conninfo, connectOptions);
    expect(
      await session.query(
        "SELECT current_user AS name, current_setting('application_name') AS app",
      ),
    ).toEqual([{ name: "scram", app: "from env" }]);
  });

  test("a role's own settings do not reach our sessions", async () => {
    await using session = await open(`${place} user=nobody`, { statementTimeoutMs: 5_000 });
    const [row] = await session.query(
      "SELECT current_setting('statement_timeout') AS limit, current_setting('search_path') AS path, date '2026-02-01' AS day, pg_sleep(0.02) AS slept",
    );
    expect(row).toEqual({ limit: "5s", path: "pg_catalog", day: "2026-02-01", slept: "" });
    const replication = await open(server.conninfo, { replication: "true" });
    await replication.close();
  });

  test("options are passed on", async () => {
    expect(
      await ask(
        `${place} user=nobody options='-c work_mem=123kB -c geqo=off'`,
        "SELECT current_setting('work_mem') AS mem, current_setting('geqo') AS geqo",
      ),
    ).toEqual([{ mem: "123kB", geqo: "off" }]);
  });

  describe("several hosts", () => {
    const ports = (): { n1: number; n2: number } => ({
      n1: cluster.server("n1").port,
      n2: cluster.server("n2").port,
    });
    const recovery = "SELECT pg_is_in_recovery() AS standby";
    const login = (): string => server.conninfo.replace(/host=\S+ port=\S+ /, "");

    test("the first that lets us in, by target_session_attrs", async () => {
      const { n1, n2 } = ports();
      const both = `host=127.0.0.1,127.0.0.1 ${login()}`;
      const inOrder = async (order: string, wanted: string): Promise<unknown> =>
        (await ask(`${both} port=${order} target_session_attrs=${wanted}`, recovery))[0]?.[
          "standby"
        ];
      expect(await inOrder(`1,${n2}`, "any")).toBe("t");
      expect(await inOrder(`${n2},${n1}`, "any")).toBe("t");
      expect(await inOrder(`${n2},${n1}`, "read-write")).toBe("f");
      expect(await inOrder(`${n2},${n1}`, "primary")).toBe("f");
      expect(await inOrder(`${n1},${n2}`, "standby")).toBe("t");
      expect(await inOrder(`${n1},${n2}`, "read-only")).toBe("t");
      expect(await inOrder(`${n1},${n2}`, "prefer-standby")).toBe("t");
      expect(await inOrder(`1,${n1}`, "prefer-standby")).toBe("f");
      expect(["t", "f"]).toContain(await inOrder(`${n1},${n2} load_balance_hosts=random`, "any"));
    });

    test("a host that does not answer leaves the next one its time", async () => {
      await using silent = await answering();
      const hosts = `host=127.0.0.1,127.0.0.1 port=${silent.port},${ports().n1} ${login()}`;
      const limits = { timeoutMs: 2_000 };
      expect(await ask(hosts, recovery, limits)).toEqual([{ standby: "f" }]);
      expect(await ask(`${hosts} connect_timeout=1`, recovery)).toEqual([{ standby: "f" }]);
    });

    test("a server's error ends the search, as in libpq", async () => {
      const { n1, n2 } = ports();
      const failed = await failureOf(
        `host=127.0.0.1,127.0.0.1 port=${n1},${n2} ${login()} dbname=nowhere`,
      );
      expect(failed.reason).toBe('database "nowhere" does not exist (3D000)');
    });

    test("none fits", async () => {
      const failed = await failureOf(
        `host=127.0.0.1 port=${ports().n1} ${login()} target_session_attrs=standby`,
      );
      expect(failed.reason).toBe(
        "server is not in hot standby mode (target_session_attrs=standby)",
      );
    });
  });
});

test.each([
  ["gssencmode=require", "gssencmode=require is not supported"],
  ["krbsrvname=x", "krbsrvname is not supported"],
  ["requirepeer=postgres", "requirepeer is not supported"],
  ["sslcompression=1", "sslcompression=1 is not supported"],
  ["keepalives_interval=5", "keepalives_interval=5 is not supported"],
  ["tcp_user_timeout=5", "tcp_user_timeout=5 is not supported"],
  ["min_protocol_version=3.2", "min_protocol_version=3.2 is not supported"],
  ["oauth_client_secret=geheim", "oauth_client_secret is not supported"],
  ["replication=true", "replication is not supported"],
  ["client_encoding=latin1", "client_encoding is not supported"],
  ["channel_binding=maybe", "channel_binding is none of"],
  ["target_session_attrs=best", "target_session_attrs is none of"],
  ["sslmode=geheim", "sslmode is none of"],
  ["connect_timeout=soon", "connect_timeout is no whole number"],
  ["host=a,b port=1,2,3", "the number of ports (3) differs from that of hosts (2)"],
  ["service=s", "service was not looked up"],
])("%s is refused by name", async (text, message) => {
  await expect(open(`host=127.0.0.1 port=1 ${text}`)).rejects.toMatchObject({
    outcome: "config",
    message: expect.stringContaining(message) as string,
  });
});
