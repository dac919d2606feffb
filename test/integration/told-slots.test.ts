// A slot that was made for a node on another one, and its maker dead before it dropped it: the node's mark tells of it, and
// whoever touches the mark drops the slot first. Slots of which no mark tells are left alone.

import { describe, expect, test } from "vitest";
import type { Overridden } from "../../src/conninfo/mark-text.ts";
import {
  markExchanging,
  markQuiesced,
  markRepointed,
  markSlotMade,
  type SlotPlace,
} from "../../src/conninfo/override.ts";
import { alarmsIn, nodeIn, operatorOf, stepsIn } from "../support/cli.ts";
import {
  allSettings,
  autoSettings,
  countRows,
  expectLed,
  makeRows,
  slotsOf,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";

const standbys = ["n2", "n3", "n4"] as const;

async function bereaved(major: number): Promise<TestCluster> {
  const cluster = await startCluster({ major });
  await makeRows(cluster, "n1", 10);
  await untilSees(cluster, standbys, { statement: countRows, value: "10" });
  await cluster.server("n1").kill();
  return cluster;
}

function valueOf(marked: Overridden): string {
  if (!marked.ok) throw new Error(marked.message);
  return marked.value;
}

async function setConninfo(cluster: TestCluster, value: string): Promise<void> {
  await sql(
    cluster.server("n2"),
    `ALTER SYSTEM SET primary_conninfo = '${value.replaceAll("'", "''")}'`,
    "SELECT pg_reload_conf()",
  );
}

/** As an operator leaves n2 who dies when it is level with n3, or while it streams from there. A DBA has a slot as well. */
async function cutShort(cluster: TestCluster, end: "level" | "streaming"): Promise<void> {
  const [n2, n3, n4] = standbys.map((name) => cluster.server(name));
  if (n2 === undefined || n3 === undefined || n4 === undefined) throw new Error("no standbys");
  const make = "SELECT pg_create_physical_replication_slot";
  await sql(n3, `${make}('n2', true)`, `${make}('mine', true)`);
  await sql(n4, `${make}('n2', true)`);
  const [base = ""] = await sql(n2, "SELECT current_setting('primary_conninfo')");
  const place: SlotPlace = {
    address: { host: "127.0.0.1", hostaddr: null, port: n3.port },
    node: "n3",
  };
  const still = valueOf(markSlotMade(base, place));
  if (end === "level") return setConninfo(cluster, still);
  await setConninfo(cluster, valueOf(markExchanging(still, place.address)));
  const active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'n2'";
  await untilSees(cluster, ["n3"], { statement: active, value: "true" });
}

const ends = ["level", "streaming"] as const;

describe.each(testMajors)("a slot that was left, PostgreSQL %d", (major) => {
  describe.each(ends)("%s", (end) => {
    test("goes with the mark, and no other slot does", async () => {
      await using cluster = await bereaved(major);
      const operator = operatorOf(cluster);
      const before = allSettings(cluster);
      await cutShort(cluster, end);
      const { report } = await operator.ask("status");
      if (end === "level") {
        const said = report.findings.find(({ code }) => code === "quiesced")?.message;
        expect(said).toMatch(/; a slot was made for it on n3$/);
      }
      for (const words of [["undo"], ["unquiesce", "n2"]]) {
        expect((await operator.ask(...words, "--dry-run")).status).toBe(0);
        const took = await operator.change(...words);
        expect([took.status, stepsIn(took.report)]).toEqual([
          0,
          ["done unquiesce n2", "already drop-slot n3 --slot n2"],
        ]);
        expect(allSettings(cluster)).toEqual(before);
        expect(await slotsOf(cluster, ["n3", "n4"])).toEqual({ n3: ["mine"], n4: ["n2"] });
        if (words[0] === "unquiesce") break;
        await sql(cluster.server("n3"), "SELECT pg_drop_replication_slot('mine')");
        await sql(cluster.server("n4"), "SELECT pg_drop_replication_slot('n2')");
        await cutShort(cluster, end);
      }
    });

    test("goes before somebody else's exchange has to do with it no more", async () => {
      await using cluster = await bereaved(major);
      const operator = operatorOf(cluster);
      const [base = ""] = await sql(
        cluster.server("n2"),
        "SELECT current_setting('primary_conninfo')",
      );
      await cutShort(cluster, end);
      const { status, report } = await operator.change("exchange", "--to", "n2");
      expect([status, stepsIn(report)]).toEqual([0, ["already exchange --to n2"]]);
      expect(await slotsOf(cluster, ["n3"])).toEqual({ n3: ["mine"] });
      expect(await sql(cluster.server("n2"), "SELECT current_setting('primary_conninfo')")).toEqual(
        [valueOf(markQuiesced(base))],
      );
      const again = await operator.change("exchange", "--to", "n2");
      expect([again.status, again.report.steps]).toEqual([0, undefined]);
    });

    test.each(["n2", "n4"])("goes in a failover to %s", async (to) => {
      await using cluster = await bereaved(major);
      const operator = operatorOf(cluster);
      await cutShort(cluster, end);
      const done = await operator.change("failover", "--primary-is-dead", "--to", to);
      expect([done.report.summary, done.status]).toEqual([expect.anything(), 0]);
      const others = standbys.filter((name) => name !== to);
      await expectLed(cluster, operator, {
        by: to,
        timeline: 2,
        followers: Object.fromEntries(others.map((name) => [name, to])),
        idle: { n3: ["mine"], ...(to === "n2" ? { n4: ["n2"] } : {}) },
      });
    });
  });

  test("is told of by a primary as long as it cannot be dropped", async () => {
    await using cluster = await bereaved(major);
    const operator = operatorOf(cluster);
    await cutShort(cluster, "level");
    const [n2, n3] = [cluster.server("n2"), cluster.server("n3")];
    await n3.kill();
    const words = ["failover", "--primary-is-dead", "--to", "n2", "--accept-data-loss"];
    const { status, report } = await operator.change(...words);
    expect([report.summary, status]).toEqual([expect.anything(), 0]);
    expect(alarmsIn(report)).toContain("not-settled n2");
    expect(nodeIn(report, "n2")).toMatchObject({ role: "primary", quiesced: true });
    expect(autoSettings(n2).join("\n")).toMatch(/remaster-made-on-n3/);

    await n3.start();
    const again = await operator.change("failover", "--to", "n2");
    expect([again.report.summary, again.status]).toEqual([expect.anything(), 0]);
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
      idle: { n3: ["mine"], n4: ["n2"] },
    });
    expect(JSON.stringify(allSettings(cluster))).not.toMatch(/remaster\//);
  });

  test("of a node whose upstream is a URI goes as well", async () => {
    await using cluster = await bereaved(major);
    const { port } = cluster.server("n1");
    await setConninfo(cluster, `postgresql://replicator@127.0.0.1:${port}/?application_name=n2`);
    const before = allSettings(cluster);
    await cutShort(cluster, "level");
    const operator = operatorOf(cluster);
    expect(await operator.change("undo")).toMatchObject({ status: 0 });
    expect(allSettings(cluster)).toEqual(before);
    expect(await slotsOf(cluster, ["n3"])).toEqual({ n3: ["mine"] });
  });

  test("is made by the next run where it was told of and never made", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const [base = ""] = await sql(cluster.server("n2"), "SHOW primary_conninfo");
    const address = { host: "127.0.0.1", hostaddr: null, port: cluster.server("n3").port };
    const slot = { named: false, made: true, on: "n3" };
    await setConninfo(cluster, valueOf(markRepointed(base, address, slot)));
    const receivers = "SELECT count(*)::text FROM pg_stat_wal_receiver";
    await untilSees(cluster, ["n2"], { statement: receivers, value: "0" });
    const operator = operatorOf(cluster);
    const { status, report } = await operator.change("repoint", "n2", "--to", "n3");
    expect([report.summary, status]).toEqual([expect.any(String), 0]);
    expect(await slotsOf(cluster, ["n3"])).toEqual({ n3: ["n2"] });
    expect(nodeIn(report, "n2")).toMatchObject({ upstream: "n3", streaming: true });
  });
});
