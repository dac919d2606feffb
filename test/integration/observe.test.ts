// What a look at real servers of every major shows: positions and timelines, replay held up, slots and senders.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { observeCluster } from "../../src/postgres/observe.ts";
import { ensureSlot } from "../../src/postgres/slots.ts";
import { open } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { level, look, nodeOf, reach, run, valueOf } from "../support/observing.ts";
import { lead } from "../support/promoting.ts";

describe.each(testMajors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await startCluster({
      major,
      standbys: 2,
      settings: { max_standby_streaming_delay: "-1", autovacuum: "off" },
    });
    await run(
      cluster,
      "n1",
      "CREATE TABLE public.t AS SELECT g AS i FROM generate_series(1, 1000) g",
    );
    await level(cluster, "n1", "n2", "n3");
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test("shows a primary", async () => {
    const n1 = await reach(cluster, "n1");
    expect(n1).toMatchObject({
      role: "primary",
      timeline: 1,
      history: { timeline: 1, ancestors: [] },
      replayLsn: null,
      replay: "running",
      receiver: null,
      startupWait: null,
      standbySignal: false,
      recoverySignal: false,
      configuredUpstream: null,
      missingRights: [],
      marks: { quiesced: false, restoreQuiesced: false, repointing: null, fenced: false },
    });
    expect(Math.floor(n1.version / 10_000)).toBe(major);
    expect(n1.versionText.startsWith(`${major}.`)).toBe(true);
    expect(n1.received).toEqual({ timeline: 1, lsn: n1.currentLsn });
    expect(n1.systemIdentifier).toBe(
      await valueOf(cluster, "n1", "SELECT system_identifier FROM pg_control_system()"),
    );
    expect(n1.senders.map((sender) => [sender.applicationName, sender.state]).toSorted()).toEqual([
      ["n2", "streaming"],
      ["n3", "streaming"],
    ]);
    expect(n1.senders.every((sender) => sender.slotName === sender.applicationName)).toBe(true);
  });

  test("shows a standby", async () => {
    const [n1, n2] = [await reach(cluster, "n1"), await reach(cluster, "n2")];
    expect(n2).toMatchObject({
      role: "standby",
      timeline: 1,
      currentLsn: null,
      replay: "running",
      startupWait: "Activity/RecoveryWalStream",
      standbySignal: true,
      systemIdentifier: n1.systemIdentifier,
      receiver: {
        status: "streaming",
        receivedTimeline: 1,
        senderPort: cluster.server("n1").port,
        slotName: "n2",
      },
      configuredUpstream: { host: "127.0.0.1", port: cluster.server("n1").port },
    });
    expect(n2.receiver?.lastMessageAgeMs).toBeGreaterThanOrEqual(0);
    expect(n2.received?.lsn).toBe(n2.replayed?.lsn);
    expect(n2.walFiles?.oldest).toMatch(/^0000000100000000[0-9A-F]{8}$/);
    expect(n2.settings.primary_conninfo?.sourceFile).toMatch(/postgresql\.auto\.conf$/);
  });

  test("looks at all nodes at once and keeps the sessions", async () => {
    const looks = await observeCluster(cluster.config, { timeoutMs: 5000, now: () => 7 });
    expect(looks.map(({ observation }) => observation.name)).toEqual(["n1", "n2", "n3"]);
    for (const { observation, session } of looks) {
      expect(observation.observedAt).toBe(7);
      expect(await session?.query("SELECT 1 AS one")).toEqual([{ one: "1" }]);
      await session?.close();
    }
  });

  test("looks through a session that is open already", async () => {
    const session = await open(cluster.server("n2").conninfo);
    const [first] = await observeCluster(
      { ...cluster.config, nodes: [nodeOf(cluster, "n2")] },
      { timeoutMs: 5000, now: () => 0, session },
    );
    expect(first?.session).toBe(session);
    expect(first?.observation.reachable).toBe(true);
    await session.close();
  });

  test("takes a physical slot on a standby for what it is", async () => {
    await using session = await open(cluster.server("n2").conninfo);
    expect(await ensureSlot(session, "remaster_n3")).toEqual({ done: true, made: true });
    expect(await ensureSlot(session, "remaster_n3")).toEqual({ done: true, made: false });
    const n2 = await reach(cluster, "n2");
    expect(n2.slots).toMatchObject([
      {
        slotName: "remaster_n3",
        slotType: "physical",
        active: false,
        temporary: false,
        walStatus: "reserved",
        failover: major >= 17 ? false : null,
        synced: major >= 17 ? false : null,
        invalidationReason: null,
        twoPhase: major >= 14 ? false : null,
        conflicting: null,
        catalogXmin: null,
      },
    ]);
    expect(n2.slots[0]?.restartLsn).not.toBeNull();
    await session.query("SELECT pg_drop_replication_slot('remaster_n3')");
  });

  test("leaves out senders that feed no standby", async () => {
    await using replication = await open(cluster.server("n1").conninfo, {
      replication: "database",
      applicationName: "remaster",
    });
    await replication.query("IDENTIFY_SYSTEM");
    const n1 = await reach(cluster, "n1");
    expect(n1.senders.map((sender) => sender.applicationName).toSorted()).toEqual(["n2", "n3"]);
  });

  test("names a standby whose replay is paused, and one that was asked to pause", async () => {
    await run(cluster, "n2", "SELECT pg_wal_replay_pause()");
    const asked = await reach(cluster, "n2");
    expect(asked.replay === "paused" || asked.pauseRequested).toBe(true);
    await run(cluster, "n1", "INSERT INTO public.t VALUES (0)");
    await expect
      .poll(async () => (await reach(cluster, "n2")).replay, { timeout: 10_000 })
      .toBe("paused");
    await run(cluster, "n1", "INSERT INTO public.t VALUES (0)");
    await expect
      .poll(async () => {
        const n2 = await reach(cluster, "n2");
        return (n2.received?.lsn ?? 0n) > (n2.replayed?.lsn ?? 0n);
      })
      .toBe(true);
    await run(cluster, "n2", "SELECT pg_wal_replay_resume()");
    await level(cluster, "n1", "n2");
    expect((await reach(cluster, "n2")).replay).toBe("running");
  });

  test("names the session whose snapshot blocks replay", async () => {
    await using reader = await open(cluster.server("n2").conninfo, {
      applicationName: "long report",
    });
    await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await reader.query("SELECT count(*) FROM public.t");
    await run(cluster, "n1", "DELETE FROM public.t WHERE i < 500", "VACUUM public.t");
    await expect.poll(async () => (await reach(cluster, "n2")).replay).toBe("blocked");
    const n2 = await reach(cluster, "n2");
    expect(n2.startupWait).toBe("IPC/RecoveryConflictSnapshot");
    expect(n2.blockers).toMatchObject([
      {
        pid: reader.backendPid,
        user: "remaster",
        database: "postgres",
        applicationName: "long report",
      },
    ]);
    expect(n2.blockers[0]?.transactionAgeMs).toBeGreaterThan(0);
    await reader.query("COMMIT");
    await level(cluster, "n1", "n2");
    expect((await reach(cluster, "n2")).blockers).toEqual([]);
  });

  test("names the session whose lock blocks replay, and no bystander", async () => {
    await using holder = await open(cluster.server("n2").conninfo);
    await using bystander = await open(cluster.server("n2").conninfo);
    await holder.query("BEGIN");
    await holder.query("SELECT 1 FROM public.t LIMIT 1");
    await bystander.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await bystander.query("SELECT 1");
    await run(cluster, "n1", "ALTER TABLE public.t ADD COLUMN k int");
    await expect.poll(async () => (await reach(cluster, "n2")).replay).toBe("blocked");
    const n2 = await reach(cluster, "n2");
    expect(n2.startupWait).toBe("Lock/relation");
    expect(n2.blockers.map((blocker) => blocker.pid)).toEqual([holder.backendPid]);
    await holder.query("COMMIT");
    await bystander.query("COMMIT");
    await level(cluster, "n1", "n2");
  });

  test("names a standby that replays with a delay", async () => {
    await run(
      cluster,
      "n3",
      "ALTER SYSTEM SET recovery_min_apply_delay = '1h'",
      "SELECT pg_reload_conf()",
    );
    await expect
      .poll(async () => (await reach(cluster, "n3")).settings.recovery_min_apply_delay?.value)
      .toBe("3600000");
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
    await expect.poll(async () => (await reach(cluster, "n3")).replay).toBe("delayed");
    await run(
      cluster,
      "n3",
      "ALTER SYSTEM RESET recovery_min_apply_delay",
      "SELECT pg_reload_conf()",
    );
    await level(cluster, "n1", "n3");
    expect((await reach(cluster, "n3")).replay).toBe("running");
  });

  test("knows what a standby has that was restarted and receives nothing", async () => {
    const before = await reach(cluster, "n3");
    await cluster.cut("n3");
    await cluster.server("n3").stop();
    await cluster.server("n3").start();
    const n3 = await reach(cluster, "n3");
    expect(n3.receiver).toBeNull();
    // Null, or the start of the segment where the receiver was asked to start: never the truth.
    expect(n3.receiveLsn === null || n3.receiveLsn < (n3.replayLsn ?? 0n)).toBe(true);
    expect(n3.received?.lsn).toBeGreaterThanOrEqual(before.received?.lsn ?? 0n);
    expect(n3.received?.lsn).toBe(n3.replayLsn);
    await cluster.join("n3");
    await expect
      .poll(async () => (await reach(cluster, "n3")).receiver?.status, { timeout: 20_000 })
      .toBe("streaming");
  });

  test("knows the new timeline right after a promotion, on both sides of it", async () => {
    await run(
      cluster,
      "n3",
      `ALTER SYSTEM SET primary_conninfo = '${(await conninfoTo("n2")).replaceAll("'", "''")}'`,
      "SELECT pg_reload_conf()",
    );
    await using upstream = await open(cluster.server("n2").conninfo);
    await ensureSlot(upstream, "n3");
    await cluster.server("n1").kill();
    expect(await lead(upstream)).toMatchObject({ timeline: 2 });
    const n2 = await reach(cluster, "n2");
    // Control data still says 1: no checkpoint has come since (it may have on a slow machine, so this is not asserted).
    expect(n2).toMatchObject({ role: "primary", timeline: 2, received: { timeline: 2 } });
    expect(n2.history?.ancestors).toMatchObject([{ timeline: 1 }]);
    await run(cluster, "n3", "SELECT pg_reload_conf()");
    await expect
      .poll(async () => (await reach(cluster, "n3")).receiver?.receivedTimeline, {
        timeout: 20_000,
      })
      .toBe(2);
    await expect
      .poll(async () => (await reach(cluster, "n3")).replayed?.timeline, { timeout: 20_000 })
      .toBe(2);
    const n3 = await reach(cluster, "n3");
    expect(n3.timeline).toBe(2);
    expect(n3.history).toEqual(n2.history);
  });

  test("says what became of a server that does not answer", async () => {
    expect(await look(cluster, "n1")).toMatchObject({
      reachable: false,
      answer: "refused",
      speaksPostgres: false,
      hasControl: true,
    });
    await cluster.server("n3").freeze();
    const frozen = await look(cluster, "n3", { connect_timeout: "1" });
    await cluster.server("n3").thaw();
    expect(frozen).toMatchObject({ reachable: false, answer: "silent", speaksPostgres: false });
  });

  async function conninfoTo(name: string): Promise<string> {
    const own = await valueOf(cluster, "n3", "SHOW primary_conninfo");
    return `${own ?? ""} port=${cluster.server(name).port}`;
  }
});
