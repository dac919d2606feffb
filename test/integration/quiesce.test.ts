// Quiescing real standbys: WAL intake at rest for as long as the mark stands, whatever the primary does, and everything
// back to the very value afterwards.

import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readMarks } from "../../src/conninfo/override.ts";
import { observePosition } from "../../src/postgres/position.ts";
import { quiesce, quiesceHolds, unquiesce, unquiesceHolds } from "../../src/postgres/quiesce.ts";
import type { Session } from "../../src/postgres/session.ts";
import { open } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { level, reach, run, valueOf } from "../support/observing.ts";
import { autoConf, has, linesOf, patience, still, untilStill } from "../support/quieting.ts";

const keep = { ...patience, blockers: "keep" } as const;

describe.each(testMajors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let n2: Session;

  beforeAll(async () => {
    cluster = await startCluster({
      major,
      standbys: 2,
      // A receiver that could come back would do so often.
      settings: {
        wal_retrieve_retry_interval: "50ms",
        max_standby_streaming_delay: "-1",
        autovacuum: "off",
      },
    });
    await run(
      cluster,
      "n1",
      "CREATE TABLE public.t AS SELECT g AS i FROM generate_series(1, 1000) g",
    );
    await level(cluster, "n1", "n2", "n3");
    n2 = await open(cluster.server("n2").conninfo);
  });
  afterAll(async () => {
    await n2.close();
    await cluster[Symbol.asyncDispose]();
  });

  async function streams(name: string): Promise<void> {
    await expect
      .poll(async () => (await reach(cluster, name)).receiver?.status, {
        timeout: 20_000,
        interval: 5,
      })
      .toBe("streaming");
  }

  test("rests while the primary goes on, and comes back byte for byte", async () => {
    const server = cluster.server("n2");
    const [before, shown] = [
      autoConf(server),
      await valueOf(cluster, "n2", "SHOW primary_conninfo"),
    ];
    await still(n2);
    const resting = await has(n2);
    expect((await reach(cluster, "n2")).marks.quiesced).toBe(true);
    for (let round = 0; round < 30; round += 1) {
      await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 500)");
      expect(await has(n2)).toBe(resting);
    }
    // The startup process tries for a receiver again and again, in vain: between two attempts it rests.
    await untilStill(n2);
    // Named and proven again, not marked again.
    const marked = autoConf(server);
    await still(n2);
    expect(autoConf(server)).toBe(marked);

    expect(await unquiesce(n2, patience)).toEqual({ done: true });
    expect(await unquiesceHolds(n2)).toMatchObject({ holds: true });
    await level(cluster, "n1", "n2");
    expect(await valueOf(cluster, "n2", "SHOW primary_conninfo")).toBe(shown);
    expect(linesOf(autoConf(server))).toEqual(linesOf(before));
    // The second time the line is the last one already, and nothing moves.
    const settled = autoConf(server);
    await still(n2);
    await unquiesce(n2, patience);
    expect(autoConf(server)).toBe(settled);
    await streams("n2");
  });

  test("a value from another file leaves nothing in postgresql.auto.conf", async () => {
    const server = cluster.server("n3");
    await using n3 = await open(server.conninfo);
    const value = (await valueOf(cluster, "n3", "SHOW primary_conninfo")) ?? "";
    await run(cluster, "n3", "ALTER SYSTEM RESET primary_conninfo");
    await appendConf("n3", `primary_conninfo = '${value.replaceAll("'", "''")}'`);
    await run(cluster, "n3", "SELECT pg_reload_conf()");
    await streams("n3");
    const before = autoConf(server);
    await still(n3);
    expect(autoConf(server)).not.toBe(before);
    await unquiesce(n3, patience);
    expect(autoConf(server)).toBe(before);
    expect(await valueOf(cluster, "n3", "SHOW primary_conninfo")).toBe(value);
    await streams("n3");
  });

  test("a URI is quiesced too, and comes back", async () => {
    const value = (await valueOf(cluster, "n2", "SHOW primary_conninfo")) ?? "";
    const uri = `postgresql://repl_n2@127.0.0.1:${cluster.server("n1").port}/postgres?passfile=${encodeURIComponent(/passfile=(\S+)/.exec(value)?.[1] ?? "")}&application_name=n2`;
    await run(
      cluster,
      "n2",
      `ALTER SYSTEM SET primary_conninfo = '${uri}'`,
      "SELECT pg_reload_conf()",
    );
    await level(cluster, "n1", "n2");
    await streams("n2");
    await still(n2);
    const resting = await has(n2);
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 500)");
    expect(await has(n2)).toBe(resting);
    await unquiesce(n2, patience);
    expect(await valueOf(cluster, "n2", "SHOW primary_conninfo")).toBe(uri);
    await run(
      cluster,
      "n2",
      `ALTER SYSTEM SET primary_conninfo = '${value}'`,
      "SELECT pg_reload_conf()",
    );
    await level(cluster, "n1", "n2");
    await streams("n2");
  });

  test("refuses a node whose replay is paused while it receives, and touches nothing", async () => {
    const before = autoConf(cluster.server("n2"));
    await run(cluster, "n2", "SELECT pg_wal_replay_pause()");
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
    await expect.poll(async () => (await observePosition(n2)).replay).toBe("paused");
    expect(await quiesce(n2, keep)).toMatchObject({
      done: false,
      refusal: { code: "replay-held-up" },
    });
    expect(autoConf(cluster.server("n2"))).toBe(before);
    expect((await observePosition(n2)).replay).toBe("paused");
    await run(cluster, "n2", "SELECT pg_wal_replay_resume()");
  });

  test("sees through a mark that was set while replay was paused", async () => {
    const value = (await valueOf(cluster, "n2", "SHOW primary_conninfo")) ?? "";
    await streams("n2");
    await run(cluster, "n2", "SELECT pg_wal_replay_pause()");
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
    await expect.poll(async () => (await observePosition(n2)).replay).toBe("paused");
    await run(
      cluster,
      "n2",
      `ALTER SYSTEM SET primary_conninfo = '${value.replaceAll("'", "''")} hostaddr='''' host=/remaster/quiesced port=5432'`,
      "SELECT pg_reload_conf()",
    );
    await expect.poll(async () => (await reach(cluster, "n2")).marks.quiesced).toBe(true);
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 500)");
    // The setting says quiesced, and the receiver streams on.
    expect((await reach(cluster, "n2")).receiver?.status).toBe("streaming");
    expect(await quiesceHolds(n2)).toMatchObject({ holds: false, hopeless: true });
    expect(await quiesce(n2, keep)).toMatchObject({ done: false });
    await run(cluster, "n2", "SELECT pg_wal_replay_resume()");
    await untilStill(n2);
    expect(await unquiesce(n2, patience)).toEqual({ done: true });
    expect(await valueOf(cluster, "n2", "SHOW primary_conninfo")).toBe(value);
    await level(cluster, "n1", "n2");
    await streams("n2");
  });

  test("refuses a node that is blocked by a session, and ends that session when told to", async () => {
    await using reader = await open(cluster.server("n2").conninfo);
    await using bystander = await open(cluster.server("n2").conninfo);
    await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await reader.query("SELECT count(*) FROM public.t");
    await run(cluster, "n1", "DELETE FROM public.t WHERE i < 500", "VACUUM public.t");
    await expect.poll(async () => (await observePosition(n2)).replay).toBe("blocked");
    const before = autoConf(cluster.server("n2"));
    expect(await quiesce(n2, keep)).toMatchObject({
      done: false,
      refusal: { code: "replay-held-up" },
    });
    expect(autoConf(cluster.server("n2"))).toBe(before);
    expect(await quiesce(n2, { ...patience, blockers: "end" })).toEqual({ done: true });
    await untilStill(n2);
    await expect(reader.query("SELECT 1")).rejects.toThrow();
    expect(await bystander.query("SELECT 1 AS one")).toEqual([{ one: "1" }]);
    await unquiesce(n2, patience);
    await level(cluster, "n1", "n2");
    await streams("n2");
  });

  test("refuses a node that replays with a delay", async () => {
    await run(
      cluster,
      "n2",
      "ALTER SYSTEM SET recovery_min_apply_delay = '1h'",
      "SELECT pg_reload_conf()",
    );
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
    await expect.poll(async () => (await observePosition(n2)).replay).toBe("delayed");
    expect(await quiesce(n2, keep)).toMatchObject({
      done: false,
      refusal: { code: "replay-held-up" },
    });
    await run(
      cluster,
      "n2",
      "ALTER SYSTEM RESET recovery_min_apply_delay",
      "SELECT pg_reload_conf()",
    );
    await level(cluster, "n1", "n2");
  });

  test("takes back a mark that a dead operator wrote and never loaded", async () => {
    const value = (await valueOf(cluster, "n2", "SHOW primary_conninfo")) ?? "";
    await run(
      cluster,
      "n2",
      `ALTER SYSTEM SET primary_conninfo = '${value.replaceAll("'", "''")} hostaddr='''' host=/remaster/quiesced port=5432'`,
    );
    expect(await unquiesce(n2, patience)).toEqual({ done: true });
    await run(cluster, "n2", "SELECT pg_reload_conf()");
    expect(readMarks((await observePosition(n2)).primaryConninfo ?? "").quiesced).toBe(false);
    expect(await valueOf(cluster, "n2", "SHOW primary_conninfo")).toBe(value);
    await streams("n2");
  });

  test("refuses a primary", async () => {
    await using n1 = await open(cluster.server("n1").conninfo);
    expect(await quiesce(n1, keep)).toMatchObject({
      done: false,
      refusal: { code: "not-a-standby" },
    });
    expect(await quiesceHolds(n1)).toMatchObject({ holds: false, hopeless: true });
  });

  test("rests below a frozen primary, whose receivers seem to stream on", async () => {
    await streams("n2");
    await cluster.server("n1").freeze();
    try {
      expect((await observePosition(n2)).receiver?.status).toBe("streaming");
      await still(n2);
    } finally {
      await cluster.server("n1").thaw();
    }
    const resting = await has(n2);
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 500)");
    expect(await has(n2)).toBe(resting);
    await unquiesce(n2, patience);
    await level(cluster, "n1", "n2");
  });

  test("rests below a dead primary, and when that comes back", async () => {
    await using n3 = await open(cluster.server("n3").conninfo);
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 500)");
    await cluster.server("n1").kill();
    await Promise.all([still(n2), still(n3)]);
    const resting = [await has(n2), await has(n3)];
    await cluster.server("n1").start();
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 5000)");
    for (let round = 0; round < 20; round += 1) {
      await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
      expect([await has(n2), await has(n3)]).toEqual(resting);
    }
    await unquiesce(n2, patience);
    await unquiesce(n3, patience);
    await level(cluster, "n1", "n2", "n3");
  });

  test("paused below a dead primary it rests too, and stays paused", async () => {
    await run(cluster, "n2", "SELECT pg_wal_replay_pause()");
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
    await expect.poll(async () => (await observePosition(n2)).replay).toBe("paused");
    await cluster.server("n1").kill();
    await expect
      .poll(async () => (await observePosition(n2)).receiver, { timeout: 20_000 })
      .toBeNull();
    expect(await still(n2)).toMatch(/replay is paused/);
    const resting = await has(n2);
    await cluster.server("n1").start();
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 500)");
    await run(cluster, "n2", "SELECT pg_wal_replay_resume()");
    await expect.poll(async () => (await observePosition(n2)).replay).toBe("running");
    await untilStill(n2);
    expect(await has(n2)).toBe(resting);
    await unquiesce(n2, patience);
    await level(cluster, "n1", "n2");
  });

  async function appendConf(name: string, line: string): Promise<void> {
    await appendFile(join(cluster.server(name).dataDir, "postgresql.conf"), `${line}\n`);
  }
});
