import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";
import { hasPooler, startPooler } from "../support/pooler.ts";

/** What a session of ours says at startup beyond user, database and application_name. */
const said =
  "search_path,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,IntervalStyle,bytea_output,extra_float_digits";

describe.skipIf(!hasPooler).each(testMajors)("PgBouncer before PostgreSQL %i", (major) => {
  let cluster: TestCluster;
  let server: TestServer;
  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 0 });
    server = cluster.server("n1");
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const pooler = { answer: "pooler", speaksPostgres: true };
  const place = (port: number): string =>
    `host=127.0.0.1 port=${port} user=remaster dbname=postgres connect_timeout=3`;

  test("that knows few startup parameters", async () => {
    await using bouncer = await startPooler(server);
    const failed = await failureOf(place(bouncer.port));
    expect(failed).toMatchObject(pooler);
    expect(failed.hint).toContain("not through a connection pooler");
  });

  test.each(["session", "transaction"])(
    "that lets everything pass, pooling by %s",
    async (mode) => {
      await using bouncer = await startPooler(server, [
        `pool_mode = ${mode}`,
        `ignore_startup_parameters = ${said}`,
      ]);
      const failed = await failureOf(place(bouncer.port));
      expect(failed).toMatchObject(pooler);
      expect(failed.reason).toBe("a connection pooler answers in the server's place");
    },
  );

  test("its console", async () => {
    await using bouncer = await startPooler(server, [`ignore_startup_parameters = ${said}`]);
    expect(await failureOf(`${place(bouncer.port)} dbname=pgbouncer`)).toMatchObject(pooler);
  });

  test("asked for a replication connection", async () => {
    await using bouncer = await startPooler(server, [`ignore_startup_parameters = ${said}`]);
    const failed = await failureOf(place(bouncer.port), { replication: "database" });
    expect(failed).toMatchObject(pooler);
  });

  test("before a server that is down: silent, then an error of its own", async () => {
    const pass = `ignore_startup_parameters = ${said}`;
    await using silent = await startPooler(server, [pass]);
    await using short = await startPooler(server, [pass, "query_wait_timeout = 1"]);
    await server.stop();
    try {
      const none = await failureOf(`${place(silent.port)} connect_timeout=1`);
      expect(none).toMatchObject({ answer: "silent", speaksPostgres: true });
      expect(await failureOf(place(short.port))).toMatchObject(pooler);
    } finally {
      await server.start();
    }
  });
});
