// The primary changes while all are alive and rows are written: no acknowledged row is lost, nobody needs a rewind, and every
// lap leaves the cluster as it was but for who leads.

import { describe, expect, test } from "vitest";
import { acknowledgedNumbers } from "../../src/sandbox/ledger.ts";
import {
  createLedger,
  ledgerTable,
  startWorkload,
  type Workload,
} from "../../src/sandbox/workload.ts";
import { open } from "../support/access.ts";
import { alarmsIn, changedConfig, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, expectLed, makeRows, slotsOf, sql } from "../support/cluster-state.ts";
import { fewMajors, startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { randomFrom } from "../soak/random.ts";
import { entryPoint } from "../support/program.ts";

/** How often the lead changes in a tree. */
const laps = process.env["REMASTER_FAULTS"] === "all" ? 100 : 3;

async function startWriting(cluster: TestCluster): Promise<Workload> {
  const { conninfo } = cluster.server("n1");
  await using session = await open(conninfo.replace("user=remaster", "user=app"));
  await createLedger(session);
  const nodes = cluster.config.nodes.map((node) => ({
    name: node.name,
    conninfo: { ...node.conninfo, user: "app" },
  }));
  const client = startWorkload({ nodes, everyMs: 2 });
  await client.waitForMore(50, { timeoutMs: 10_000 });
  return client;
}

async function expectNothingLost(
  cluster: TestCluster,
  client: Workload,
  leader: string,
): Promise<void> {
  await client.stop();
  const rows = await sql(cluster.server(leader), `SELECT number FROM ${ledgerTable}`);
  const present = new Set(rows.map(Number));
  const numbers = acknowledgedNumbers(client.acknowledgements);
  expect(numbers.length).toBeGreaterThan(50);
  expect(numbers.filter((number) => !present.has(number))).toEqual([]);
  for (const server of cluster.servers) expect(await server.log()).not.toContain("PANIC");
}

/** The topology file without its controls. */
function withoutControl(cluster: TestCluster): string {
  return changedConfig(cluster, "bare", (text) => text.replaceAll(/^control\..*\n/gm, ""));
}

/** Servers that are started and stopped by commands of the user's. */
function withCommands(cluster: TestCluster): string {
  const sandbox = (action: string, node: string): string =>
    [process.execPath, entryPoint, "sandbox", action, node, "--dir", cluster.directory].join(" ");
  return changedConfig(cluster, "commands", (text) =>
    text.replaceAll(
      /^(\[nodes\.(\w+)\]\n(?:.+\n)*?)control\.pg_ctl.*$/gm,
      (_, head: string, node: string) =>
        [
          `${head}control.start = ${JSON.stringify(sandbox("start", node))}`,
          `control.stop = ${JSON.stringify(sandbox("stop", node))}`,
        ].join("\n"),
    ),
  );
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("the lead goes round under load", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const client = await startWriting(cluster);
    const operator = operatorOf(cluster);
    const names = ["n1", "n2", "n3"];
    let timeline = 1;
    for (const to of ["n2", "n3", "n1", "n2"]) {
      const { status, report } = await operator.change("switchover", "--to", to);
      expect([to, status, report.summary, stepsIn(report)]).toEqual([
        to,
        0,
        expect.any(String),
        expect.any(Array),
      ]);
      timeline += 1;
      await client.waitForMore(50, { timeoutMs: 10_000, node: to });
      const followers = names.filter((name) => name !== to).map((name) => [name, to] as const);
      await expectLed(cluster, operator, {
        by: to,
        timeline,
        followers: Object.fromEntries(followers),
      });
    }
    await expectNothingLost(cluster, client, "n2");
    expect(await slotsOf(cluster, ["n1", "n3"])).toEqual({ n1: [], n3: [] });
    expect(JSON.stringify(allSettings(cluster))).not.toContain("remaster.");
  });

  test(`${laps} laps to nodes drawn at random, in a tree, lose nothing and leave nothing`, {
    timeout: laps * 20_000,
  }, async () => {
    await using cluster = await startCluster({ major, cascade: { n4: "n3" } });
    const client = await startWriting(cluster);
    const operator = operatorOf(cluster);
    const names = cluster.servers.map(({ name }) => name);
    const random = randomFrom(major);
    let leader = "n1";
    for (let lap = 1; lap <= laps; lap += 1) {
      leader = random.pick(names.filter((name) => name !== leader));
      const { status, report } = await operator.change("switchover", "--to", leader);
      expect([lap, status, alarmsIn(report), report.summary]).toEqual([
        lap,
        0,
        [],
        expect.any(String),
      ]);
      await client.waitForMore(20, { timeoutMs: 10_000, node: leader });
      const seen = await operator.ask("status");
      expect([seen.status, seen.report.topology?.primaries]).toEqual([0, [leader]]);
      for (const node of seen.report.topology?.nodes ?? []) {
        const idle = node.slots.filter(({ active }) => !active).map(({ slotName }) => slotName);
        const streams = node.name === leader ? null : true;
        expect([lap, node.name, node.timeline, node.streaming, idle]).toEqual([
          lap,
          node.name,
          lap + 1,
          streams,
          [],
        ]);
      }
    }
    await expectNothingLost(cluster, client, leader);
  });

  test("a primary that nobody can stop is fenced, and stays so", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const client = await startWriting(cluster);
    const operator = operatorOf(cluster, { config: withoutControl(cluster) });
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, stepsIn(report)]).toEqual([0, expect.any(Array)]);
    expect(alarmsIn(report)).toContain("fenced n1");
    await client.waitForMore(50, { timeoutMs: 10_000, node: "n2" });
    await expectNothingLost(cluster, client, "n2");
    const again = await operator.change("switchover", "--to", "n2");
    expect(again.status, again.report.summary).toBe(0);
    const opened = await operator.change("unfence", "n1");
    expect([opened.status, alarmsIn(opened.report)]).toEqual([5, ["another-leads n1"]]);
    // What the server itself wrote behind the fence is on no other node, and pg_rewind is not with these servers.
    const back = await operatorOf(cluster).change("rejoin", "n1", "--to", "n2");
    expect([back.status, alarmsIn(back.report)]).toEqual([5, ["base-backup-needed n1"]]);
  });
});

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("servers that commands start and stop hand over as well, and back", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const client = await startWriting(cluster);
    const operator = operatorOf(cluster, { config: withCommands(cluster) });
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, stepsIn(report), alarmsIn(report)]).toEqual([0, expect.any(Array), []]);
    await client.waitForMore(50, { timeoutMs: 10_000, node: "n2" });
    await expectNothingLost(cluster, client, "n2");
    const followers = { n1: "n2", n3: "n2" };
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });

    const before = allSettings(cluster);
    const demoted = await operator.change("demote", "n2", "--to", "n3");
    expect(demoted.status, demoted.report.summary).toBe(0);
    await cluster.server("n2").start();
    expect((await operator.ask("status")).report.topology?.primaries).toEqual([]);
    const undone = await operator.change("undo");
    expect([undone.status, stepsIn(undone.report)]).toEqual([0, expect.any(Array)]);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });
    expect(allSettings(cluster)).toEqual(before);
  });

  test("one that was cut short is gone on with or taken back, whoever does it", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await makeRows(cluster, "n1", 100);
    const operator = operatorOf(cluster);
    const before = allSettings(cluster);
    const demote = async (): Promise<void> => {
      const { status, report } = await operator.change("demote", "n1", "--to", "n2");
      expect(status, report.summary).toBe(0);
    };

    await demote();
    const seen = await operator.ask("status");
    expect([seen.status, alarmsIn(seen.report)]).toEqual([
      1,
      expect.arrayContaining(["no-primary", "demoted n1"]),
    ]);
    const hints = seen.report.findings
      .filter(({ severity }) => severity === "problem")
      .map(({ hint }) => hint);
    expect(hints.filter((hint) => hint?.includes("remaster undo") !== true)).toEqual([]);
    const undone = await operator.change("undo");
    expect([undone.status, stepsIn(undone.report)]).toEqual([
      0,
      ["done reinstate n1", "already drop-slot n2 --slot remaster_n1"],
    ]);
    expect(allSettings(cluster)).toEqual(before);
    await expectLed(cluster, operator, {
      by: "n1",
      timeline: 1,
      followers: { n2: "n1", n3: "n1" },
    });

    await demote();
    const other = operatorOf(cluster, { desk: "other" });
    const promoted = await other.change("switchover");
    expect([promoted.status, stepsIn(promoted.report)]).toEqual([0, expect.any(Array)]);
    await expectLed(cluster, other, { by: "n2", timeline: 2, followers: { n1: "n2", n3: "n2" } });
    const late = await other.change("undo");
    expect([late.status, late.report.summary]).toEqual([0, expect.stringContaining("nothing")]);
  });

  test("no node is made the primary again that was not", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const up = await operator.change("reinstate", "n2");
    expect([up.status, alarmsIn(up.report)]).toEqual([5, ["not-demoted n2", "another-leads n2"]]);
    await cluster.server("n1").stop();
    await cluster.server("n2").stop();
    const down = await operator.change("reinstate", "n2");
    expect([down.status, alarmsIn(down.report)]).toEqual([5, ["not-demoted n2"]]);
  });

  test("a logical slot that would be lost is named, and given up by the operator's word alone", async () => {
    await using cluster = await startCluster({
      major,
      standbys: 1,
      settings: { wal_level: "logical" },
    });
    const operator = operatorOf(cluster);
    const made = "SELECT pg_create_logical_replication_slot('orders', 'test_decoding')";
    await sql(cluster.server("n1"), made);
    const before = allSettings(cluster);
    const refused = await operator.change("switchover");
    // Before 16 it would be made anew, if its consumer were there.
    const code = major >= 16 ? "slot-would-be-lost" : "consumer-away";
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, [`${code} n1`]]);
    expect(refused.report.findings[0]?.message).toContain("orders (test_decoding in postgres)");
    expect(allSettings(cluster)).toEqual(before);
    const taken = await operator.change("switchover", "--accept-slot-loss");
    expect([taken.status, alarmsIn(taken.report)]).toEqual([0, ["slot-would-be-lost n1"]]);
  });

  test("a candidate that is far behind is not waited for", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster);
    await sql(cluster.server("n2"), "SELECT pg_wal_replay_pause()");
    const held = await operator.change("switchover");
    expect([held.status, alarmsIn(held.report)]).toEqual([5, ["no-candidate"]]);
    await sql(
      cluster.server("n1"),
      "CREATE TABLE much AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)",
    );
    const named = await operator.change("switchover", "--to", "n2");
    expect([named.status, alarmsIn(named.report)]).toEqual([
      5,
      ["replay-held-up n2", "candidate-behind n2"],
    ]);
  });
});
