// Leading standbys to another upstream: set, seen to follow, settled; and what looks like following and is not.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readMarks } from "../../src/conninfo/override.ts";
import {
  followState,
  pointAt,
  readUpstream,
  settle,
  settleHolds,
  unpoint,
} from "../../src/postgres/follow.ts";
import { refuse } from "../../src/postgres/outcome.ts";
import { observePosition } from "../../src/postgres/position.ts";
import { reload } from "../../src/postgres/settings.ts";
import type { Session } from "../../src/postgres/session.ts";
import { ensureSlot } from "../../src/postgres/slots.ts";
import { walCovers } from "../../src/postgres/wal-files.ts";
import { open } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { level, nodeOf, reach, run, valueOf } from "../support/observing.ts";
import { lead } from "../support/promoting.ts";
import { autoConf, linesOf, patience, still, untilHolds } from "../support/quieting.ts";

const anySlot = { slotName: null };

describe.each(testMajors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let n2: Session;
  let n3: Session;

  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 2 });
    await run(cluster, "n1", "CREATE TABLE public.t (i int)");
    await level(cluster, "n1", "n2", "n3");
    n2 = await open(cluster.server("n2").conninfo);
    n3 = await open(cluster.server("n3").conninfo);
  });
  afterAll(async () => {
    await n2.close();
    await n3.close();
    await cluster[Symbol.asyncDispose]();
  });

  /** Polls whether n3 follows, with a push now and then: a first attempt may have failed. */
  function follows(standby: Session, upstream: Session): Promise<string> {
    let looks = 0;
    return untilHolds(async () => {
      looks += 1;
      if (looks % 15 === 0) await reload(standby);
      return followState(standby, upstream, anySlot);
    });
  }

  test("leads a standby below another, and settles it there", async () => {
    const upstream = nodeOf(cluster, "n2").replication;
    expect(await ensureSlot(n2, "n3")).toEqual({ done: true, made: true });
    const before = await valueOf(cluster, "n3", "SHOW primary_conninfo");
    const pointed = await pointAt(n3, { upstream, slotName: "n3", purpose: "follow" });
    expect(pointed).toEqual({
      done: true,
      before: { primaryConninfo: before, primarySlotName: "n3" },
    });
    await follows(n3, n2);
    const under = await reach(cluster, "n3");
    expect(under.marks.repointing).toEqual(upstream);
    expect(under.configuredUpstream?.port).toBe(cluster.server("n1").port);
    expect(under.receiver?.senderPort).toBe(cluster.server("n2").port);

    expect(await settle(n3, upstream, patience)).toMatchObject({ done: true });
    await follows(n3, n2);
    expect(await settleHolds(n3, upstream)).toMatchObject({ holds: true });
    const settled = await reach(cluster, "n3");
    expect(settled.marks.repointing).toBeNull();
    expect(settled.configuredUpstream?.port).toBe(cluster.server("n2").port);
    // Everything else of the old value is there still.
    for (const part of ["user=repl_n3", "application_name=n3", "passfile="]) {
      expect(settled.settings.primary_conninfo?.value).toContain(part);
    }
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
    await level(cluster, "n1", "n3");
  });

  test("has settled once the receiver of before has ended", async () => {
    const upstream = nodeOf(cluster, "n2").replication;
    const first = (await observePosition(n3)).receiver?.pid;
    await pointAt(n3, { upstream, slotName: "n3", purpose: "follow" });
    // It followed already: the receiver that is meant is the next one.
    await expect
      .poll(async () => (await observePosition(n3)).receiver?.pid ?? first, { timeout: 10_000 })
      .not.toBe(first);
    await follows(n3, n2);
    const before = (await observePosition(n3)).receiver?.pid;
    expect(before).toBeDefined();
    const startup = Number(
      await valueOf(
        cluster,
        "n3",
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'",
      ),
    );
    const settled = vi.fn();
    process.kill(startup, "SIGSTOP");
    const settling = settle(n3, upstream, patience).then(settled);
    try {
      await using onlooker = await open(cluster.server("n3").conninfo);
      await untilHolds(() => settleHolds(onlooker, upstream));
      // The setting is in force, the slot is used, the address is the same: it looks like following.
      for (let looks = 0; looks < 50; looks += 1) {
        await untilHolds(() => followState(onlooker, n2, anySlot));
      }
      expect(settled).not.toHaveBeenCalled();
    } finally {
      process.kill(startup, "SIGCONT");
    }
    await settling;
    expect(settled).toHaveBeenCalledWith(expect.objectContaining({ done: true }));
    expect((await observePosition(n3)).receiver?.pid).not.toBe(before);
    await follows(n3, n2);
  });

  test("takes a repoint back to the very value", async () => {
    const shown = await valueOf(cluster, "n3", "SHOW primary_conninfo");
    const before = autoConf(cluster.server("n3"));
    const nowhere = { host: "127.0.0.1", hostaddr: null, port: 1 };
    const pointed = await pointAt(n3, {
      upstream: nowhere,
      slotName: "another",
      purpose: "follow",
    });
    if (!pointed.done) throw new Error(pointed.refusal.message);
    await expect
      .poll(async () => {
        const { primaryConninfo, receiver } = await observePosition(n3);
        return [readMarks(primaryConninfo ?? "").repointing, receiver];
      })
      .toEqual([nowhere, null]);
    expect(await followState(n3, n2, anySlot)).toMatchObject({ holds: false });
    expect(await unpoint(n3, pointed.before)).toEqual({ done: true });
    await follows(n3, n2);
    expect(await valueOf(cluster, "n3", "SHOW primary_conninfo")).toBe(shown);
    expect(await valueOf(cluster, "n3", "SHOW primary_slot_name")).toBe("n3");
    expect(linesOf(autoConf(cluster.server("n3")))).toEqual(linesOf(before));
  });

  describe("a slot that the upstream lacks", () => {
    const upstream = () => nodeOf(cluster, "n2").replication;
    const inForce = async () => readMarks((await observePosition(n3)).primaryConninfo ?? "");
    const slotsAt = async () => (await inForce()).slotsAt.map(({ node }) => node);

    const answers = () => Promise.resolve(true);

    test("is told of before it is made, and made before anybody asks for it", async () => {
      const shown = await valueOf(cluster, "n3", "SHOW primary_conninfo");
      const make = vi.fn(async () => {
        expect(autoConf(cluster.server("n3"))).toContain("remaster-made-on-n2");
        expect(await inForce()).toMatchObject({ repointing: null, slotsAt: [] });
        return await ensureSlot(n2, "another");
      });
      const pointed = await pointAt(n3, {
        upstream: upstream(),
        slotName: "another",
        makeSlot: { on: "n2", make, answers },
      });
      expect(pointed).toMatchObject({ done: true });
      expect(make).toHaveBeenCalledOnce();
      await expect.poll(slotsAt).toEqual(["n2"]);
      await follows(n3, n2);
      expect((await reach(cluster, "n3")).receiver?.slotName).toBe("another");
      if (pointed.done) expect(await unpoint(n3, pointed.before)).toEqual({ done: true });
      await follows(n3, n2);
      expect(await valueOf(cluster, "n3", "SHOW primary_conninfo")).toBe(shown);
    });

    test("is not told of as ours where somebody else made it meanwhile", async () => {
      const make = () => ensureSlot(n2, "another");
      expect(await make()).toEqual({ done: true, made: false });
      const target = {
        upstream: upstream(),
        slotName: "another",
        makeSlot: { on: "n2", make, answers },
      };
      const pointed = await pointAt(n3, target);
      await expect.poll(async () => (await inForce()).repointing).toEqual(upstream());
      expect(await slotsAt()).toEqual([]);
      if (pointed.done) expect(await unpoint(n3, pointed.before)).toEqual({ done: true });
      await follows(n3, n2);
      await run(cluster, "n2", "SELECT pg_drop_replication_slot('another')");
    });

    test("is made for one that was cut off and answers, and not for one that is gone", async () => {
      const lost = await open(cluster.server("n3").conninfo);
      await lost.close();
      const makeFor = async (there: boolean) => {
        const make = vi.fn(() => ensureSlot(n2, "another"));
        const makeSlot = { on: "n2", make, answers: () => Promise.resolve(there) };
        const look = await observePosition(n3);
        const target = { upstream: upstream(), slotName: "another", look, makeSlot };
        await expect(pointAt(lost, { ...target, settings: "checked" })).rejects.toThrow();
        return make.mock.calls.length;
      };
      expect(await makeFor(false)).toBe(0);
      expect(await makeFor(true)).toBe(1);
      await run(cluster, "n2", "SELECT pg_drop_replication_slot('another')");
    });

    test("leaves the settings as they were where it cannot be made", async () => {
      const before = autoConf(cluster.server("n3"));
      const refused = refuse("step-failed", "all replication slots of the upstream are in use");
      const pointed = await pointAt(n3, {
        upstream: upstream(),
        slotName: "another",
        makeSlot: { on: "n2", make: () => Promise.resolve(refused), answers },
      });
      expect(pointed).toEqual(refused);
      expect(linesOf(autoConf(cluster.server("n3")))).toEqual(linesOf(before));
    });
  });

  test.each(["", "remaster_n3"])(
    "a stranger who finds the mark takes it back to slot %j",
    async (slot) => {
      await run(
        cluster,
        "n2",
        "SELECT pg_create_physical_replication_slot('remaster_n3') WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'remaster_n3')",
      );
      await run(cluster, "n3", `ALTER SYSTEM SET primary_slot_name = '${slot}'`);
      await run(cluster, "n3", "SELECT pg_reload_conf()");
      await follows(n3, n2);
      const shown = await valueOf(cluster, "n3", "SHOW primary_conninfo");
      const nowhere = { host: "127.0.0.1", hostaddr: null, port: 1 };
      await pointAt(n3, { upstream: nowhere, slotName: "remaster_n3", purpose: "follow" });
      // It is in force some milliseconds after it was asked for, and what is not cannot be found.
      await expect
        .poll(async () => readMarks((await observePosition(n3)).primaryConninfo ?? "").repointing)
        .toEqual(nowhere);
      expect(await unpoint(n3, null)).toEqual({ done: true });
      await follows(n3, n2);
      expect(await valueOf(cluster, "n3", "SHOW primary_conninfo")).toBe(shown);
      expect(await valueOf(cluster, "n3", "SHOW primary_slot_name")).toBe(slot);
      // Not pointed any more: nothing to take back.
      expect(await unpoint(n3, null)).toEqual({ done: true });
    },
  );

  test("is set while replay is held up, and says that it follows later", async () => {
    await run(cluster, "n3", "SELECT pg_wal_replay_pause()");
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)");
    await expect.poll(async () => (await observePosition(n3)).replay).toBe("paused");
    const upstream = nodeOf(cluster, "n1").replication;
    await using n1 = await open(cluster.server("n1").conninfo);
    await pointAt(n3, { upstream, slotName: null, purpose: "follow" });
    // The old receiver goes on meanwhile; its sender is n2's, not n1's.
    await expect
      .poll(async () => readMarks((await observePosition(n3)).primaryConninfo ?? "").repointing)
      .not.toBeNull();
    expect(await followState(n3, n1, { slotName: null, address: upstream })).toMatchObject({
      holds: false,
    });
    await run(cluster, "n3", "SELECT pg_wal_replay_resume()");
    await follows(n3, n1);
    await unpoint(n3, null);
    await follows(n3, n2);
  });

  test("an idle upstream below a dead primary is followed all the same", async () => {
    await cluster.server("n1").kill();
    await expect
      .poll(async () => (await observePosition(n2)).receiver, { timeout: 20_000 })
      .toBeNull();
    await still(n2);
    const above = await readUpstream(n2);
    if (above === null) throw new Error("no position");
    await untilHolds(() => followState(n3, n2, { slotName: null, atLeast: above.lsn }));
  });

  test("knows which WAL its upstream still has", async () => {
    const has = (await observePosition(n3)).has;
    if (has === null) throw new Error("no position");
    const cover = await walCovers(n2, { timeline: 1, lsn: has });
    expect(cover).toMatchObject({ covered: true });
    expect(cover.oldest).toBeLessThanOrEqual(has);
    const far = { timeline: 1, lsn: (has + (1n << 40n)) as typeof has };
    expect(await walCovers(n2, far)).toMatchObject({ covered: false });
  });

  test("a standby that is past the fork does not follow, though the upstream shows its sender", async () => {
    // n3 gets more than n2 has, and n2 is promoted without it.
    await cluster.server("n1").start();
    await using n1 = await open(cluster.server("n1").conninfo);
    const [toN1, toN2] = [nodeOf(cluster, "n1").replication, nodeOf(cluster, "n2").replication];
    await pointAt(n3, { upstream: toN1, slotName: null, purpose: "follow" });
    await follows(n3, n1);
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 1000)");
    await level(cluster, "n1", "n3");
    await cluster.server("n1").kill();
    expect(await lead(n2)).toMatchObject({ timeline: 2 });
    await pointAt(n3, { upstream: toN2, slotName: null, purpose: "follow" });
    const reasons = new Set<string>();
    for (let round = 0; round < 40; round += 1) {
      const found = await followState(n3, n2, anySlot);
      expect(found.holds).toBe(false);
      if (!found.holds) reasons.add(found.why);
      await reload(n3);
    }
    expect([...reasons].join()).toMatch(/no receiver|timeline|receiver is/);
  });
});
