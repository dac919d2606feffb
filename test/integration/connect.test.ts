import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConnectionLost, QueryError, type Session } from "../../src/postgres/session.ts";
import { ask, failureOf, letIn, open, untilGone } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";

describe.each(testMajors)("a session, PostgreSQL %i", (major) => {
  let cluster: TestCluster;
  let server: TestServer;

  beforeAll(async () => {
    cluster = await startCluster({
      major,
      standbys: 0,
      settings: { max_connections: "5", superuser_reserved_connections: "1", max_wal_senders: "2" },
    });
    server = cluster.server("n1");
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test("speaks SQL and the replication protocol, values as text", async () => {
    await using session = await open(server.conninfo);
    expect(Math.floor(session.version / 10_000)).toBe(major);
    const rows = await session.query(
      "SELECT pg_backend_pid() AS pid, 1::int8 AS one, true AS yes, null AS nothing, '{1,2}'::int[] AS list, current_setting('application_name') AS name",
    );
    expect(rows).toEqual([
      {
        pid: String(session.backendPid),
        one: "1",
        yes: "t",
        nothing: null,
        list: "{1,2}",
        name: "remaster test",
      },
    ]);
    expect(await session.query("SELECT $1::text AS a, $2::int + 1 AS b", ["x'y", 2])).toEqual([
      { a: "x'y", b: "3" },
    ]);
    expect(await session.query("SELECT 1 AS a; SELECT 2 AS a")).toEqual([{ a: "2" }]);
    await using both = await open(server.conninfo, { replication: "database" });
    expect((await both.query("IDENTIFY_SYSTEM"))[0]?.["timeline"]).toBe("1");
    expect(await both.query("SELECT 1 AS one")).toEqual([{ one: "1" }]);
    await using physical = await open(server.conninfo, { replication: "true" });
    expect((await physical.query("IDENTIFY_SYSTEM"))[0]?.["dbname"]).toBe(null);
  });

  test("statements asked for at once are done in turn", async () => {
    await using session = await open(server.conninfo);
    const answers = await Promise.all(
      [1, 2, 3].map((n) => session.query(`SELECT ${n} AS n, pg_sleep(0.0${3 - n})`)),
    );
    expect(answers.map((rows) => rows[0]?.["n"])).toEqual(["1", "2", "3"]);
  });

  test("the server's error leaves the session usable", async () => {
    await using session = await open(server.conninfo);
    const failed = session.query("SELECT 1/0");
    await expect(failed).rejects.toBeInstanceOf(QueryError);
    await expect(failed).rejects.toMatchObject({ sqlstate: "22012", message: "division by zero" });
    await expect(session.query("SELECT $1::int", ["x"])).rejects.toMatchObject({
      sqlstate: "22P02",
    });
    expect(session.alive).toBe(true);
    expect(await session.query("SELECT 1 AS one")).toEqual([{ one: "1" }]);
  });

  test("a statement out of time breaks the connection off, and the server gives it up", async () => {
    await using admin = await open(server.conninfo);
    await admin.query("CREATE TABLE public.late (n int)");
    await using session = await open(server.conninfo);
    const insert = "INSERT INTO public.late SELECT 1 FROM pg_sleep(5)";
    const late = session.query(insert, [], { timeoutMs: 50 });
    await expect(late).rejects.toBeInstanceOf(ConnectionLost);
    await expect(late).rejects.toThrow("no answer within 50 ms");
    expect(session.alive).toBe(false);
    await expect(session.query("SELECT 1")).rejects.toBeInstanceOf(ConnectionLost);
    await session.close();
    await untilGone(admin, session.backendPid);
    expect(await admin.query("TABLE public.late")).toEqual([]);
  });

  test("the server's own limit on statements is an error like others", async () => {
    await using session = await open(server.conninfo, { statementTimeoutMs: 50 });
    await expect(
      session.query("SELECT pg_sleep(30)", [], { timeoutMs: 10_000 }),
    ).rejects.toMatchObject({ sqlstate: "57014" });
    expect(session.alive).toBe(true);
  });

  test("ended by the server, busy or idle: lost, and nothing else is troubled", async () => {
    await using admin = await open(server.conninfo);
    await using busy = await open(server.conninfo);
    await using idle = await open(server.conninfo);
    const cut = expect(busy.query("SELECT pg_sleep(30)")).rejects.toThrow(
      /the server ended the connection: .*\(57P01\)/,
    );
    const end = async (pid: number): Promise<void> => {
      await admin.query("SELECT pg_terminate_backend($1)", [pid]);
    };
    await end(busy.backendPid);
    await cut;
    await end(idle.backendPid);
    await expect.poll(() => idle.alive).toBe(false);
    await expect(idle.query("SELECT 1")).rejects.toBeInstanceOf(ConnectionLost);
    expect(admin.alive).toBe(true);
  });

  test("close never hangs and may be called again", async () => {
    const session = await open(server.conninfo);
    const cut = expect(session.query("SELECT pg_sleep(30)")).rejects.toBeInstanceOf(ConnectionLost);
    await session.close();
    await session.close();
    await cut;
    expect(session.alive).toBe(false);
    await expect(session.query("SELECT 1")).rejects.toThrow(
      "the connection is gone: it was closed",
    );
  });

  test.each([
    ["user=remaster password=geheim passfile=/nowhere", "28P01", "password authentication failed"],
    ["dbname=nowhere", "3D000", 'database "nowhere" does not exist'],
    ["user=stranger sslmode=disable", "28000", "pg_hba.conf"],
    ["user=stranger", "28000", "pg_hba.conf"],
    ["options='-c nonsense=1'", "42704", "nonsense"],
  ])("turned away: %s", async (more, sqlstate, words) => {
    await letIn(server, []);
    const failed = await failureOf(`${server.conninfo} ${more}`);
    expect(failed).toMatchObject({ answer: "error", speaksPostgres: true, sqlstate });
    expect(failed.reason).toContain(words);
    expect(failed.reason).not.toContain("geheim");
  });

  test("too many connections", async () => {
    await ask(server.conninfo, "CREATE ROLE plain LOGIN");
    await letIn(server, ["host all plain 127.0.0.1/32 trust"]);
    const plain = `host=127.0.0.1 port=${server.port} user=plain dbname=postgres`;
    const sessions: Session[] = [];
    const fill = async (): Promise<never> => {
      for (;;) sessions.push(await open(plain));
    };
    try {
      await expect(fill()).rejects.toMatchObject({
        answer: "error",
        speaksPostgres: true,
        sqlstate: "53300",
      });
      expect(sessions.length).toBeLessThanOrEqual(4);
    } finally {
      for (const session of sessions) await session.close();
    }
  });

  test("a frozen server: no login, and no statement without end", async () => {
    await using session = await open(server.conninfo);
    await server.freeze();
    try {
      const failed = await failureOf(`${server.conninfo} connect_timeout=1`);
      expect(failed).toMatchObject({ answer: "silent", speaksPostgres: false });
      await expect(session.query("SELECT 1", [], { timeoutMs: 100 })).rejects.toBeInstanceOf(
        ConnectionLost,
      );
    } finally {
      await server.thaw();
    }
  });

  test("killed: the session is lost, and the next attempt refused", async () => {
    await using session = await open(server.conninfo);
    const cut = expect(session.query("SELECT pg_sleep(30)")).rejects.toBeInstanceOf(ConnectionLost);
    await server.kill();
    await cut;
    expect(await failureOf(server.conninfo)).toMatchObject({
      answer: "refused",
      speaksPostgres: false,
    });
    await server.start();
  });
});

describe.each(testMajors)("a server that is not ready, PostgreSQL %i", (major) => {
  test("says so in PostgreSQL's protocol", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const standby = cluster.server("n2");
    await standby.stop();
    appendFileSync(join(standby.dataDir, "postgresql.auto.conf"), "\nhot_standby = off\n");
    await standby.start();
    await expect.poll(async () => (await failureOf(standby.conninfo)).sqlstate).toBe("57P03");
    const failed = await failureOf(standby.conninfo);
    expect(failed).toMatchObject({ answer: "error", speaksPostgres: true });
    // libpq goes on to the next host after this answer, and after no other error.
    const [n1, n2] = [cluster.server("n1"), standby];
    const login = n1.conninfo.replace(/host=\S+ port=\S+ /, "");
    const found = await ask(
      `host=127.0.0.1,127.0.0.1 port=${n2.port},${n1.port} ${login}`,
      "SELECT pg_is_in_recovery() AS standby",
    );
    expect(found).toEqual([{ standby: "f" }]);
  });
});
