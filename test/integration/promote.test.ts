// Promotions of real standbys: done at once also right after a kill, unknown where the time is up, and never forgotten.

import { appendFileSync, chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readWritePosition, requestPromotion } from "../../src/postgres/promote.ts";
import { letIn, open } from "../support/access.ts";
import { alarmsIn, operatorOf } from "../support/cli.ts";
import { startCluster, testMajors } from "../support/cluster.ts";
import { level, reach, run, valueOf } from "../support/observing.ts";
import { promoteAsPlanned } from "../support/promoting.ts";
import { still } from "../support/quieting.ts";

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("takes writes on a new timeline, and is promoted once only", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    await run(cluster, "n1", "CREATE TABLE public.t (i int)");
    await level(cluster, "n1", "n2");
    await using n2 = await open(cluster.server("n2").conninfo);
    expect(await readWritePosition(n2)).toBeNull();
    await cluster.server("n1").kill();
    await still(n2);
    const operator = operatorOf(cluster);
    expect((await operator.change("promote", "n2")).status).toBe(0);
    expect(await readWritePosition(n2)).toMatchObject({ timeline: 2 });
    await n2.query("INSERT INTO public.t VALUES (1)");
    expect((await operator.change("promote", "n2")).status).toBe(0);
    expect((await reach(cluster, "n2")).timeline).toBe(2);
  });

  test("does not sleep out the retry interval when its receiver has just died", async () => {
    await using cluster = await startCluster({
      major,
      standbys: 4,
      // Whoever slept it out would be seen: no promotion would be done within the time limit.
      settings: { wal_retrieve_retry_interval: "1h" },
    });
    const standbys = ["n2", "n3", "n4", "n5"];
    const sessions = await Promise.all(standbys.map((name) => open(cluster.server(name).conninfo)));
    await cluster.server("n1").kill();
    // All four, each into another moment of the receiver's end; this test wants no single primary.
    const promotions = await Promise.all(
      sessions.map((session) => promoteAsPlanned(session, 30_000)),
    );
    expect(promotions.map(({ held }) => held)).toEqual(Array(4).fill(true));
    await Promise.all(sessions.map((session) => session.close()));
  });

  test("a promotion whose time is up is unknown, and happens later", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const gate = join(cluster.directory, "gate");
    const server = cluster.server("n2");
    writeFileSync(gate, "");
    chmodSync(cluster.directory, 0o755);
    await server.stop();
    const restore = `while [ -e ${gate} ]; do sleep 0.05; done; exit 1`;
    appendFileSync(
      join(server.dataDir, "postgresql.conf"),
      `restore_command = '${restore.replaceAll("'", "''")}'\n`,
    );
    rmSync(gate);
    await server.start();
    await using n2 = await open(server.conninfo);
    await expect
      .poll(async () => (await reach(cluster, "n2")).receiver?.status, { timeout: 20_000 })
      .toBe("streaming");
    writeFileSync(gate, "");
    await cluster.server("n1").kill();
    // The startup process turns to its restore_command, which hangs.
    const operator = operatorOf(cluster);
    const late = await operator.change("promote", "n2", "--timeout", "3s");
    expect([late.status, alarmsIn(late.report)]).toEqual([8, ["promotion-unknown n2"]]);
    expect(await readWritePosition(n2)).toBeNull();
    expect(existsSync(gate)).toBe(true);
    rmSync(gate);
    await expect
      .poll(() => readWritePosition(n2), { timeout: 20_000 })
      .toMatchObject({ timeline: 2 });
    expect((await operator.change("promote", "n2")).status).toBe(0);
  });

  test("names the right that is missing, and promotes nobody", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    await run(cluster, "n1", "CREATE ROLE watcher LOGIN PASSWORD 'w' IN ROLE pg_monitor");
    await level(cluster, "n1", "n2");
    await letIn(cluster.server("n2"), ["host all all 127.0.0.1/32 scram-sha-256"]);
    await using watcher = await open(
      `host=127.0.0.1 port=${cluster.server("n2").port} user=watcher password=w dbname=postgres`,
    );
    expect(await requestPromotion(watcher)).toMatchObject({ code: "missing-right" });
    expect(await valueOf(cluster, "n2", "SELECT pg_is_in_recovery()")).toBe("t");
  });
});
