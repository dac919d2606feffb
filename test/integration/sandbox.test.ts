import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processesIn } from "../../src/host/processes.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { leftoversOf, livingSharedMemory, sharedMemoryOf } from "../support/leftovers.ts";

async function query(server: TestServer, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(server.clientConfig());
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function streamingFrom(server: TestServer): Promise<unknown[]> {
  const rows = await query(
    server,
    "SELECT application_name AS n FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1",
  );
  return rows.map((row) => row["n"]);
}

describe.each(testMajors)("a cluster of real servers, PostgreSQL %i", (major) => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster({ major, cascade: { n4: "n2" } });
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test("streams to every standby, through a cascade too, each over its slot", async () => {
    expect(await streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
    expect(await streamingFrom(cluster.server("n2"))).toEqual(["n4"]);
    const slots = (server: TestServer) =>
      query(server, "SELECT slot_name AS name, active FROM pg_replication_slots ORDER BY 1");
    expect(await slots(cluster.server("n1"))).toEqual([
      { name: "n2", active: true },
      { name: "n3", active: true },
    ]);
    expect(await slots(cluster.server("n2"))).toEqual([{ name: "n4", active: true }]);
    expect(await slots(cluster.server("n3"))).toEqual([]);
  });

  test("keeps passwords out of settings, files, logs and command lines", async () => {
    const secrets = ["passfile", "servers/passfile"].flatMap((file) =>
      readFileSync(join(cluster.directory, file), "utf8")
        .trim()
        .split("\n")
        .map((line) => line.split(":")[4] ?? ""),
    );
    expect(secrets).toHaveLength(6);
    for (const file of ["passfile", "servers/passfile"]) {
      expect(lstatSync(join(cluster.directory, file)).mode & 0o777).toBe(0o600);
    }
    const texts = [
      readFileSync(cluster.configFile, "utf8"),
      readFileSync(join(cluster.directory, "sandbox.json"), "utf8"),
      ...cluster.servers.flatMap((server) =>
        ["postgresql.conf", "pg_hba.conf", "postmaster.opts"].map((file) =>
          readFileSync(join(server.dataDir, file), "utf8"),
        ),
      ),
      readFileSync(join(cluster.server("n2").dataDir, "postgresql.auto.conf"), "utf8"),
      ...(await Promise.all(cluster.servers.map((server) => server.log()))),
      ...(await processesIn(cluster.directory)).map((entry) => entry.title),
    ];
    for (const secret of secrets) {
      expect(secret).toMatch(/^[0-9a-f]{36}$/);
      expect(texts.filter((text) => text.includes(secret))).toEqual([]);
    }
  });

  test("cuts a node from every source of WAL, leaves its settings alone, and joins it again", async () => {
    const settings = () =>
      ["postgresql.conf", "postgresql.auto.conf"].map((file) =>
        readFileSync(join(cluster.server("n4").dataDir, file), "utf8"),
      );
    const before = settings();
    await cluster.cut("n4");
    expect(await streamingFrom(cluster.server("n2"))).toEqual([]);
    expect(await streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
    const [{ lsn } = { lsn: null }] = await query(
      cluster.server("n1"),
      "SELECT txid_current(), pg_switch_wal(), pg_current_wal_lsn() AS lsn",
    );
    await query(cluster.server("n4"), "SELECT pg_reload_conf()");
    await expect
      .poll(() => cluster.server("n2").log())
      .toMatch(/pg_hba.conf rejects replication connection.*repl_n4/);
    expect(
      await query(
        cluster.server("n4"),
        `SELECT pg_last_wal_replay_lsn() < '${String(lsn)}' AS behind`,
      ),
    ).toEqual([{ behind: true }]);
    expect(settings()).toEqual(before);
    await cluster.join("n4");
    await expect.poll(() => streamingFrom(cluster.server("n2"))).toEqual(["n4"]);
    expect(settings()).toEqual(before);
  });

  test("cuts on the files of a node that is down", async () => {
    await cluster.server("n2").stop();
    await cluster.cut("n4");
    await cluster.server("n2").start();
    await expect.poll(() => cluster.server("n2").log()).toMatch(/rejects replication connection/);
    await expect.poll(() => streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
    expect(await streamingFrom(cluster.server("n2"))).toEqual([]);
    await cluster.join("n4");
    await expect.poll(() => streamingFrom(cluster.server("n2"))).toEqual(["n4"]);
  });

  test("a frozen server lets nobody in and loses nothing", async () => {
    const server = cluster.server("n3");
    await server.freeze();
    const client = new pg.Client({ ...server.clientConfig(), connectionTimeoutMillis: 200 });
    await expect(client.connect()).rejects.toThrow(/timeout/);
    await server.thaw();
    expect(await query(server, "SELECT pg_is_in_recovery() AS standby")).toEqual([
      { standby: true },
    ]);
  });

  test("cuts a node from a server that is frozen, once that goes on", async () => {
    await cluster.server("n1").freeze();
    await cluster.cut("n3");
    await cluster.server("n1").thaw();
    await expect
      .poll(() => cluster.server("n1").log())
      .toMatch(/rejects replication connection.*repl_n3/);
    expect(await streamingFrom(cluster.server("n1"))).toEqual(["n2"]);
    await cluster.join("n3");
    await expect.poll(() => streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
  });

  test("a killed server has no process left, and starts again", async () => {
    const server = cluster.server("n3");
    await server.kill();
    expect(await processesIn(server.dataDir)).toEqual([]);
    await server.start();
    await expect.poll(() => streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
  });

  test("leaves nothing behind", async () => {
    const other = await startCluster({ major, standbys: 1 });
    const memory = sharedMemoryOf(other.servers.map((server) => server.dataDir));
    await other.server("n1").kill();
    await other.server("n2").freeze();
    await other[Symbol.asyncDispose]();
    expect(await leftoversOf(other.directory)).toEqual([]);
    expect(livingSharedMemory(memory)).toEqual([]);
  });
});
