// A former primary comes back: as it is where all it has is part of the new primary's history, by pg_rewind where it is not, and
// not at all where something would be lost in silence.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  chownSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  alarmsIn,
  changedConfig,
  nodeIn,
  type Operator,
  operatorOf,
  stepsIn,
} from "../support/cli.ts";
import {
  autoSettings,
  countRows,
  expectLed,
  makeRows,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { rewinders } from "../support/rewinder.ts";

/** n2 leads in n1's place, and n3 follows it. */
async function failOver(cluster: TestCluster, operator: Operator): Promise<void> {
  const { status, report } = await operator.change("failover", "--to", "n2", "--primary-is-dead");
  expect([status, report.summary]).toEqual([0, expect.any(String)]);
}

/** Everything that n1 wrote is on the others, and its log ends with that. */
async function still(cluster: TestCluster): Promise<void> {
  await makeRows(cluster, "n1", 10);
  await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
}

const followers = { n1: "n2", n3: "n2" };

/** What the kept directory beside the data directory holds. */
function keptOf(server: TestServer): readonly string[] {
  const parent = dirname(server.dataDir);
  const [place, ...others] = readdirSync(parent).filter((name) =>
    name.startsWith(`${basename(server.dataDir)}-diverged-`),
  );
  expect(others).toEqual([]);
  return place === undefined ? [] : readdirSync(join(parent, place)).toSorted();
}

async function expectComesBack(
  cluster: TestCluster,
  operator: Operator,
  words: readonly string[],
): Promise<void> {
  const { status, report } = await operator.change("rejoin", "n1", ...words);
  expect([status, report.summary, alarmsIn(report)]).toEqual([0, "n1 follows n2", []]);
  await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });
  for (const server of cluster.servers) expect(await server.log()).not.toContain("PANIC");
  const again = await operator.change("rejoin", "n1");
  expect([again.status, stepsIn(again.report)]).toEqual([0, ["already rejoin n1 --to n2"]]);
}

describe.each(testMajors)("without a rewind, PostgreSQL %d", (major) => {
  test("a primary that was stopped cleanly comes back as it is, and tells of nothing", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await still(cluster);
    await cluster.server("n1").stop();
    await failOver(cluster, operator);
    const { status, report } = await operator.ask("rejoin", "n1", "--dry-run");
    expect([status, report.findings.map(({ code }) => code)]).toEqual([0, []]);
    expect(existsSync(join(cluster.server("n1").dataDir, "standby.signal"))).toBe(false);
    await expectComesBack(cluster, operator, []);
    expect(keptOf(cluster.server("n1"))).toEqual([]);
    const settings = autoSettings(cluster.server("n1")).join("\n");
    expect(settings).toContain(`port=${cluster.server("n2").port}`);
    expect(settings).toContain("application_name=n1");
  });

  test("one that crashed when all was streamed comes back as it is", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await still(cluster);
    await cluster.server("n1").kill();
    await failOver(cluster, operator);
    await expectComesBack(cluster, operator, ["--to", "n2"]);
  });

  test("one that has rows of its own, and one that runs, are left alone", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    await still(cluster);
    await cluster.cut("n2", "n3");
    await sql(n1, "INSERT INTO rows VALUES (11)");
    await n1.kill();
    await failOver(cluster, operator);
    const before = stateOf(n1);
    const { status, report } = await operator.change("rejoin", "n1");
    expect([status, alarmsIn(report)]).toEqual([5, ["diverged-wal n1"]]);
    expect(report.findings[0]?.message).toMatch(
      /exists nowhere else, from 1@0\/[0-9A-F]+ to 1@0\/[0-9A-F]+, \d+ bytes/,
    );
    // The programs from npm have no pg_rewind.
    const accepted = await operator.change("rejoin", "n1", "--accept-data-loss");
    expect([accepted.status, alarmsIn(accepted.report)]).toEqual([5, ["base-backup-needed n1"]]);
    expect(accepted.report.findings[0]?.hint).toContain("pg_basebackup -D");
    expect(stateOf(n1)).toEqual(before);

    // Started as the primary that it was, it is a second one.
    await n1.start();
    const split = await operator.change("rejoin", "n1");
    expect([split.status, alarmsIn(split.report)]).toEqual([5, ["several-primaries"]]);
    const named = await operator.change("rejoin", "n1", "--to", "n2");
    expect([named.status, alarmsIn(named.report)]).toEqual([
      5,
      ["diverged-wal n1", "base-backup-needed n1"],
    ]);
    expect(await sql(n1, countRows)).toEqual(["11"]);

    const bare = changedConfig(cluster, "bare", (text) => text.replace(/control.*\n/g, ""));
    const far = operatorOf(cluster, { config: bare });
    const without = await far.change("rejoin", "n1", "--to", "n2");
    expect([without.status, alarmsIn(without.report)]).toEqual([5, ["no-control n1"]]);
    expect(without.report.findings[0]?.hint).toContain(`touch ${n1.dataDir}/standby.signal`);
  });
});

/** What a refusal must leave as it is. */
function stateOf({ dataDir }: TestServer): unknown {
  return [
    readdirSync(dataDir).toSorted(),
    readdirSync(join(dataDir, "pg_wal")).toSorted(),
    readdirSync(dirname(dataDir)).toSorted(),
    readFileSync(join(dataDir, "global", "pg_control")).toString("base64"),
    readFileSync(join(dataDir, "postgresql.auto.conf"), "utf8"),
  ];
}

/** Files of the node's own, which pg_rewind would take away. */
function ownFiles({ dataDir }: TestServer): Readonly<Record<string, string>> {
  const { uid, gid } = statSync(dataDir);
  mkdirSync(join(dataDir, "conf.d"));
  writeFileSync(join(dataDir, "conf.d", "my own.conf"), "# mine\n");
  for (const name of ["conf.d", "conf.d/my own.conf"]) chownSync(join(dataDir, name), uid, gid);
  return readOwn(dataDir);
}

function readOwn(dataDir: string): Readonly<Record<string, string>> {
  const names = ["postgresql.conf", "pg_hba.conf", "conf.d/my own.conf"];
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dataDir, name), "utf8")]));
}

const found = rewinders.length > 0 ? rewinders : [{ bindir: "", major: 0 }];

describe.skipIf(rewinders.length === 0).each(found)(
  "with pg_rewind $major",
  ({ bindir, major }) => {
    const start = () => startCluster({ major, standbys: 2, bindir });

    test("what a crashed primary alone has is given up by word only, and kept", async () => {
      await using cluster = await start();
      const operator = operatorOf(cluster);
      const n1 = cluster.server("n1");
      await still(cluster);
      await cluster.cut("n2", "n3");
      await sql(
        n1,
        "INSERT INTO rows VALUES (11)",
        "SELECT pg_switch_wal()",
        "INSERT INTO rows VALUES (12)",
      );
      await n1.kill();
      const own = ownFiles(n1);
      await failOver(cluster, operator);
      const before = stateOf(n1);
      const { status, report } = await operator.change("rejoin", "n1");
      expect([status, alarmsIn(report)]).toEqual([5, ["diverged-wal n1"]]);
      expect(stateOf(n1)).toEqual(before);

      const back = await operator.change("rejoin", "n1", "--accept-data-loss");
      expect([back.status, back.report.summary, stepsIn(back.report)]).toEqual([
        0,
        "n1 follows n2",
        ["done rejoin n1 --to n2 --accept-data-loss"],
      ]);
      expect(await sql(n1, countRows)).toEqual(["10"]);
      expect(readOwn(n1.dataDir)).toEqual(own);
      expect(keptOf(n1).length).toBe(2);
      await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });
      expect(await sql(n1, "SHOW port")).toEqual([String(n1.port)]);
    });

    test("a second primary that runs is stopped and taken back", async () => {
      await using cluster = await start();
      const operator = operatorOf(cluster);
      const n1 = cluster.server("n1");
      await still(cluster);
      await n1.kill();
      await failOver(cluster, operator);
      await n1.start();
      await expectComesBack(cluster, operator, ["--to", "n2"]);
      expect(keptOf(n1).length).toBeGreaterThan(0);
    });

    test("a fenced one comes back without its fence", async () => {
      await using cluster = await start();
      const n1 = cluster.server("n1");
      await still(cluster);
      await sql(
        n1,
        "CREATE ROLE special",
        "ALTER ROLE special SET default_transaction_read_only = 'off'",
      );
      const bare = changedConfig(cluster, "bare", (text) => text.replace(/control.*\n/, ""));
      const far = operatorOf(cluster, { config: bare });
      const over = await far.change("switchover", "--to", "n2");
      expect([over.status, over.report.summary, stepsIn(over.report)]).toEqual([
        0,
        expect.any(String),
        expect.any(Array),
      ]);
      const operator = operatorOf(cluster);
      expect(nodeIn((await operator.ask("status")).report, "n1").fenced).toBe(true);
      await expectComesBack(cluster, operator, []);
      expect(nodeIn((await operator.ask("status")).report, "n1").fenced).toBe(false);
      const settings = autoSettings(n1).join("\n");
      expect(settings).not.toMatch(/fenced|read_only|synchronous/);
    });

    test("a server that kept no account of its pages needs a base backup, and a role its rights", async () => {
      await using cluster = await startCluster({
        major,
        standbys: 2,
        bindir,
        settings: { wal_log_hints: "off" },
      });
      const operator = operatorOf(cluster);
      const n1 = cluster.server("n1");
      await still(cluster);
      await cluster.cut("n2", "n3");
      await sql(n1, "INSERT INTO rows VALUES (11)");
      await n1.kill();
      await failOver(cluster, operator);
      const { status, report } = await operator.change("rejoin", "n1", "--accept-data-loss");
      expect([status, alarmsIn(report)]).toEqual([5, ["base-backup-needed n1"]]);
      expect(report.findings[0]?.message).toContain("wal_log_hints");
    });
  },
);
