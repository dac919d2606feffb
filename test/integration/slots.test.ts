// Physical slots on primaries and standbys: made once, made to let go, dropped when nobody uses them.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { observePosition } from "../../src/postgres/position.ts";
import type { Session } from "../../src/postgres/session.ts";
import { advanceSlot, dropSlot, ensureSlot, hasSlot } from "../../src/postgres/slots.ts";
import { walCovers } from "../../src/postgres/wal-files.ts";
import { letIn, open } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { level, reach, run } from "../support/observing.ts";

describe.each(testMajors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let n1: Session;
  let n2: Session;

  beforeAll(async () => {
    cluster = await startCluster({
      major,
      standbys: 1,
      settings: { max_replication_slots: "3" },
    });
    await run(
      cluster,
      "n1",
      "CREATE TABLE public.t (i int)",
      "CREATE ROLE watcher LOGIN PASSWORD 'w' IN ROLE pg_monitor",
    );
    await level(cluster, "n1", "n2");
    n1 = await open(cluster.server("n1").conninfo);
    n2 = await open(cluster.server("n2").conninfo);
  });
  afterAll(async () => {
    await n1.close();
    await n2.close();
    await cluster[Symbol.asyncDispose]();
  });

  test("a standby's slot holds WAL, lets go of it, and is dropped", async () => {
    expect(await hasSlot(n2, "remaster_n3")).toBe(false);
    expect(await ensureSlot(n2, "remaster_n3")).toEqual({ done: true, made: true });
    expect(await hasSlot(n2, "remaster_n3")).toBe(true);
    const [before] = (await reach(cluster, "n2")).slots;
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 1000)");
    await level(cluster, "n1", "n2");
    const has = (await observePosition(n2)).has;
    if (has === null || before?.restartLsn === undefined) throw new Error("no position");
    expect(before.restartLsn).not.toBeNull();
    const need = { timeline: 1, lsn: before.restartLsn ?? has };
    expect(await walCovers(n2, need)).toMatchObject({ covered: true, held: true });
    await advanceSlot(n2, "remaster_n3", has);
    expect((await reach(cluster, "n2")).slots[0]?.restartLsn).toBe(has);
    expect(await walCovers(n2, need)).toMatchObject({ held: false });
    // Never back, and no error for a slot that is not there.
    await advanceSlot(n2, "remaster_n3", need.lsn);
    expect((await reach(cluster, "n2")).slots[0]?.restartLsn).toBe(has);
    await advanceSlot(n2, "nowhere", has);
    await dropSlot(n2, "remaster_n3");
    expect(await hasSlot(n2, "remaster_n3")).toBe(false);
  });

  test("a slot in use is neither advanced nor dropped", async () => {
    const [used] = (await reach(cluster, "n1")).slots;
    expect(used).toMatchObject({ slotName: "n2", active: true });
    await dropSlot(n1, "n2");
    expect(await hasSlot(n1, "n2")).toBe(true);
  });

  test("refuses a logical slot of that name", async () => {
    await n1.query("SELECT pg_create_logical_replication_slot('remaster_n9', 'pgoutput')");
    expect(await ensureSlot(n1, "remaster_n9")).toMatchObject({
      done: false,
      refusal: { message: "slot remaster_n9 on the upstream is a logical one" },
    });
    await dropSlot(n1, "remaster_n9");
    expect(await hasSlot(n1, "remaster_n9")).toBe(true);
    await n1.query("SELECT pg_drop_replication_slot('remaster_n9')");
  });

  test("says when no slot is free, and when the role may not make one", async () => {
    expect(await ensureSlot(n1, "a")).toEqual({ done: true, made: true });
    expect(await ensureSlot(n1, "b")).toEqual({ done: true, made: true });
    expect(await ensureSlot(n1, "c")).toMatchObject({
      done: false,
      refusal: { message: expect.stringContaining("in use") as unknown },
    });
    await dropSlot(n1, "a");
    await letIn(cluster.server("n1"), ["host all all 127.0.0.1/32 scram-sha-256"]);
    await using watcher = await open(
      `host=127.0.0.1 port=${cluster.server("n1").port} user=watcher password=w dbname=postgres`,
    );
    expect(await ensureSlot(watcher, "d")).toMatchObject({
      done: false,
      refusal: { code: "missing-right" },
    });
    expect(await hasSlot(watcher, "d")).toBe(false);
  });
});
