// A former primary comes back: as it is where all it has is part of the new primary's history, by pg_rewind where it is not, and
// not at all where something would be lost in silence.

import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { processesIn } from "../../src/host/processes.ts";
import { parseLsn } from "../../src/wal/lsn.ts";
import { defaultSegmentSize, formatSegmentName } from "../../src/wal/segment.ts";
import {
  alarmsIn,
  changedConfig,
  type CliReport,
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
import { watchDescendants } from "../support/descendants.ts";
import { remaster } from "../support/program.ts";
import { rewinders } from "../support/rewinder.ts";
import { tearTails } from "../support/torn-tail.ts";

/** n1 writes what nobody gets, and crashes. */
async function loseTouch(cluster: TestCluster, ...statements: readonly string[]): Promise<void> {
  await cluster.cut("n2", "n3");
  await sql(cluster.server("n1"), ...statements);
  await cluster.server("n1").kill();
  await cluster.join("n2", "n3");
}

/** n2 leads in n1's place, and n3 follows it. */
async function failOver(operator: Operator): Promise<void> {
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
    await failOver(operator);
    const { status, report } = await operator.ask("rejoin", "n1", "--dry-run");
    expect([status, report.findings.map(({ code }) => code)]).toEqual([0, []]);
    expect(existsSync(join(cluster.server("n1").dataDir, "standby.signal"))).toBe(false);
    await expectComesBack(cluster, operator, []);
    expect(keptOf(cluster.server("n1"))).toEqual([]);
    const settings = autoSettings(cluster.server("n1")).join("\n");
    expect(settings).toContain(`port=${cluster.server("n2").port}`);
    expect(settings).toContain("application_name=n1");
  });

  test("one that was demoted, command by command, comes back as it was prepared", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await still(cluster);
    for (const command of ["repoint n3 --to n2", "demote n1 --to n2", "promote n2"]) {
      const { status, report } = await operator.change(...command.split(" "));
      expect([command, status, report.findings]).toEqual([command, 0, expect.any(Array)]);
    }
    await expectComesBack(cluster, operator, []);
    expect(keptOf(cluster.server("n1"))).toEqual([]);
  });

  test("one that crashed when all was streamed comes back as it is", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await still(cluster);
    await cluster.server("n1").kill();
    await failOver(operator);
    await expectComesBack(cluster, operator, ["--to", "n2"]);
  });

  test("one that crashed in a record over the end of a segment comes back without that end", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await tearTails(cluster, { n2: "torn", n3: "torn" });
    const { receiveLsn } = nodeIn((await operator.ask("status")).report, "n2");
    const boundary = parseLsn(receiveLsn ?? "") ?? expect.unreachable();
    // The crash came when of the record's second part one page was written.
    const name = formatSegmentName(1, boundary, defaultSegmentSize);
    const file = join(cluster.server("n1").dataDir, "pg_wal", name);
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0, 8192));
    await failOver(operator);
    const { status, report } = await operator.change("rejoin", "n1");
    expect([status, report.summary, report.findings.map(({ code }) => code)]).toEqual([
      0,
      "n1 follows n2",
      expect.arrayContaining(["torn-tail-repair"]),
    ]);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });
    expect(await cluster.server("n1").log()).not.toContain("PANIC");
  });

  test("one that has rows of its own, and one that runs, are left alone", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    await still(cluster);
    await loseTouch(cluster, "INSERT INTO rows VALUES (11)");
    await failOver(operator);
    const before = stateOf(n1);
    const { status, report } = await operator.change("rejoin", "n1");
    expect([status, alarmsIn(report)]).toEqual([5, ["diverged-wal n1", "base-backup-needed n1"]]);
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
    expect(without.report.findings[0]?.hint).toContain(`pg_rewind -D ${n1.dataDir} -R`);
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

/** The role that `remaster role` prints, where it can change servers; its password is not an easy one. */
async function leastOperator(cluster: TestCluster, major: number): Promise<Operator> {
  if (major < 15) return operatorOf(cluster);
  const password = String.raw`planted: it's a \ b`;
  const { stdout } = await remaster(["role", "--print", "least", "--pg", String(major)]);
  const alter = `ALTER ROLE least PASSWORD '${password.replaceAll("'", "''")}'`;
  const client = new Client(cluster.server("n1").clientConfig());
  await client.connect();
  for (const text of [stdout, alter]) await client.query(text);
  await client.end();
  const statement = "SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = 'least'";
  await untilSees(cluster, ["n2", "n3"], { statement, value: "true" });
  const passfile = join(cluster.directory, "least.pass");
  const line = `*:*:*:*:${password.replaceAll(/[\\:]/g, String.raw`\$&`)}\n`;
  writeFileSync(passfile, line, { mode: 0o600 });
  const config = changedConfig(cluster, "least", (text) =>
    text
      .replace('user = "remaster"', 'user = "least"')
      .replace(/passfile = .*/, `passfile = ${JSON.stringify(passfile)}`),
  );
  return operatorOf(cluster, { config, secrets: [password, "planted"] });
}

/** Server programs whose pg_rewind does its work and then waits. */
function slowRewind(cluster: TestCluster, bindir: string) {
  const there = join(cluster.directory, "servers", "slow");
  const { uid, gid } = statSync(cluster.server("n1").dataDir);
  mkdirSync(there);
  chownSync(there, uid, gid);
  for (const name of readdirSync(bindir)) symlinkSync(join(bindir, name), join(there, name));
  unlinkSync(join(there, "pg_rewind"));
  const [behind, go] = [join(there, "behind"), join(there, "go")];
  const wait = `touch ${behind}; while [ ! -e ${go} ]; do sleep 0.1; done`;
  const script = `case "$*" in *--write*) ${wait};; esac`;
  writeFileSync(
    join(there, "pg_rewind"),
    `#!/bin/sh\n${join(bindir, "pg_rewind")} "$@" || exit\n${script}\n`,
    { mode: 0o755 },
  );
  return {
    bindir: there,
    behind: () => expect.poll(() => existsSync(behind), { timeout: 60_000 }).toBe(true),
    letGo: () => {
      writeFileSync(go, "");
    },
  };
}

const found = rewinders.length > 0 ? rewinders : [{ bindir: "", major: 0 }];

describe.skipIf(rewinders.length === 0).each(found)(
  "with pg_rewind $major",
  ({ bindir, major }) => {
    const start = () => startCluster({ major, standbys: 2, bindir });

    test("what a crashed primary alone has is given up by word only, and kept", async () => {
      await using cluster = await start();
      const n1 = cluster.server("n1");
      await still(cluster);
      const operator = await leastOperator(cluster, major);
      await loseTouch(
        cluster,
        "INSERT INTO rows VALUES (11)",
        "SELECT pg_switch_wal()",
        "INSERT INTO rows VALUES (12)",
      );
      const own = ownFiles(n1);
      await failOver(operator);
      const before = stateOf(n1);
      const { status, report } = await operator.change("rejoin", "n1");
      expect([status, alarmsIn(report)]).toEqual([5, ["diverged-wal n1"]]);
      const right = "FUNCTION pg_read_binary_file(text)";
      const n2 = cluster.server("n2");
      if (major >= 15) {
        await sql(n2, `REVOKE EXECUTE ON ${right} FROM least`);
        const lacking = await operator.change("rejoin", "n1", "--accept-data-loss");
        expect([lacking.status, alarmsIn(lacking.report)]).toEqual([5, ["missing-right n2"]]);
        expect(lacking.report.findings[0]?.message).toContain(right);
        await sql(n2, `GRANT EXECUTE ON ${right} TO least`);
      }
      expect(stateOf(n1)).toEqual(before);

      const watches: ReturnType<typeof watchDescendants>[] = [];
      const words = ["rejoin", "n1", "--accept-data-loss", "--yes", "--json"];
      const ran = await operator.run(words, {
        onStart: ({ pid = 0 }) => watches.push(watchDescendants(pid)),
      });
      for (const watch of watches) watch.stop();
      const back = JSON.parse(ran.stdout) as CliReport;
      expect([ran.status, back.summary, stepsIn(back), alarmsIn(back)]).toEqual([
        0,
        "n1 follows n2",
        ["done rejoin n1 --to n2 --accept-data-loss"],
        ["diverged-wal n1"],
      ]);
      const seen = JSON.stringify(watches.flatMap((watch) => watch.seen));
      expect(seen).not.toContain("planted");
      expect(seen).toContain("--source-server=");
      expect(await sql(n1, countRows)).toEqual(["10"]);
      expect(readOwn(n1.dataDir)).toEqual(own);
      expect(keptOf(n1)).toEqual([
        expect.stringMatching(/^[0-9A-F]{24}$/),
        expect.stringMatching(/^[0-9A-F]{24}$/),
      ]);
      await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });
      expect(await sql(n1, "SHOW port")).toEqual([String(n1.port)]);
    });

    test("one whose operator died behind pg_rewind is finished, with its own configuration", async () => {
      await using cluster = await start();
      const n1 = cluster.server("n1");
      await still(cluster);
      await loseTouch(cluster, "INSERT INTO rows VALUES (11)");
      const own = ownFiles(n1);
      await failOver(operatorOf(cluster));
      const slow = slowRewind(cluster, bindir);
      const config = changedConfig(cluster, "slow", (text) => text.replaceAll(bindir, slow.bindir));
      const first = operatorOf(cluster, { config, desk: "first" });
      const killed = await first.run(["rejoin", "n1", "--accept-data-loss", "--yes"], {
        onStart: (child) => void slow.behind().then(() => child.kill("SIGKILL")),
      });
      expect(killed.signal).toBe("SIGKILL");
      const operator = operatorOf(cluster);
      const early = await operator.change("rejoin", "n1");
      expect([early.status, early.report.findings[0]?.message]).toEqual([
        5,
        expect.stringContaining("pg_rewind works in"),
      ]);
      slow.letGo();
      await expect.poll(async () => (await processesIn(n1.dataDir)).length).toBe(0);
      expect(existsSync(join(n1.dataDir, "conf.d"))).toBe(false);
      await expectComesBack(cluster, operator, []);
      expect(readOwn(n1.dataDir)).toEqual(own);
    });

    test("a second primary that runs is stopped and taken back", async () => {
      await using cluster = await start();
      const operator = operatorOf(cluster);
      const n1 = cluster.server("n1");
      await still(cluster);
      await n1.kill();
      await failOver(operator);
      await n1.start();
      await expectComesBack(cluster, operator, ["--to", "n2"]);
      expect(keptOf(n1).length).toBeGreaterThan(0);
    });

    test("a second primary that runs with rows of its own goes on until the word is given", async () => {
      await using cluster = await start();
      const operator = operatorOf(cluster);
      const n1 = cluster.server("n1");
      await still(cluster);
      await n1.kill();
      await failOver(operator);
      await n1.start();
      await sql(n1, "INSERT INTO rows VALUES (11)");
      const { status, report } = await operator.change("rejoin", "n1", "--to", "n2");
      expect([status, alarmsIn(report)]).toEqual([5, ["diverged-wal n1"]]);
      expect(await sql(n1, countRows)).toEqual(["11"]);
      const back = await operator.change("rejoin", "n1", "--to", "n2", "--accept-data-loss");
      expect([back.status, stepsIn(back.report)]).toEqual([
        0,
        ["done stop n1", "done rejoin n1 --to n2 --accept-data-loss"],
      ]);
      await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });
      expect(await sql(n1, countRows)).toEqual(["10"]);
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

    test("a server that kept no account of its pages needs a base backup", async () => {
      await using cluster = await startCluster({
        major,
        standbys: 2,
        bindir,
        settings: { wal_log_hints: "off" },
      });
      const operator = operatorOf(cluster);
      await still(cluster);
      await loseTouch(cluster, "INSERT INTO rows VALUES (11)");
      await failOver(operator);
      const { status, report } = await operator.change("rejoin", "n1", "--accept-data-loss");
      expect([status, alarmsIn(report)]).toEqual([5, ["base-backup-needed n1"]]);
      expect(report.findings[0]?.message).toContain("wal_log_hints");
    });
  },
);
