// What a failover must not do: look and change at once, promote beside a primary that lives, touch what it was not given.

import { execFileSync } from "node:child_process";
import { chownSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  alarmsIn,
  changedConfig,
  nodeIn,
  operatorOf,
  stepsIn,
  withNodeLines,
} from "../support/cli.ts";
import {
  allSettings,
  countRows,
  expectLed,
  fullState,
  makeRows,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestServer, fewMajors } from "../support/cluster.ts";
import { answering } from "../support/strangers.ts";
import { typed } from "../support/typed.ts";

const failover = ["failover", "--primary-is-dead"] as const;

/** Makes the next start of a server hang in its startup process, before any WAL is replayed: that process reads this file
 * in every recovery (13 to 18), and here it is a pipe. Gives what lets it go on. */
function holdUpStart(server: TestServer): () => void {
  const file = join(server.dataDir, "pg_logical", "replorigin_checkpoint");
  const content = readFileSync(file);
  const { uid, gid } = statSync(file);
  renameSync(file, `${file}.kept`);
  execFileSync("mkfifo", ["-m", "600", file]);
  chownSync(file, uid, gid);
  return () => {
    writeFileSync(file, content);
    renameSync(`${file}.kept`, file);
  };
}

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("a dry run and a script leave everything as it is", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1" });
    await cluster.cut("n2");
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n3", "n4"], { statement: countRows, value: "2" });
    await cluster.server("n1").kill();
    await cluster.join("n2");
    expect(await operator.change("quiesce")).toMatchObject({ status: 0 });
    const state = () =>
      Promise.all(["n2", "n3", "n4"].map((name) => fullState(cluster.server(name))));
    const before = await state();
    const planned = [
      ["quiesce"],
      ["unquiesce"],
      ["exchange", "--to", "n2"],
      ["promote", "n3"],
      ["repoint", "n2", "--to", "n3"],
      ["failover"],
      ["stop", "n3"],
      ["heal", "n2", "--to", "n3"],
    ];
    for (const words of planned) {
      const [shown, script] = await Promise.all([
        operator.ask(...words, "--dry-run"),
        operator.run([...words, "--script"]),
      ]);
      expect([words, shown.status]).toEqual([words, 0]);
      expect(shown.report.plan?.stages.length).toBeGreaterThan(0);
      expect([words, script.status]).toEqual([words, 0]);
      for (const { verb, nodes } of shown.report.plan?.stages.flatMap(({ steps }) => steps) ?? []) {
        const line = `^(?:remaster|best_effort) ${verb} .*${nodes.join(" ")}`;
        expect(script.stdout).toMatch(new RegExp(line, "m"));
      }
    }
    expect(await operator.ask("promote", "n2", "--dry-run")).toMatchObject({ status: 5 });
    expect(await state()).toEqual(before);
  });

  test("a primary above a dead standby is not promoted over", async () => {
    await using cluster = await startCluster({ major, standbys: 2, cascade: { n3: "n2" } });
    const operator = operatorOf(cluster);
    const [n1, n3] = [cluster.server("n1"), cluster.server("n3")];
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n3"], { statement: countRows, value: "1" });
    await cluster.server("n2").kill();
    // No standby that is left names it: all that speaks for it is that it answers.
    writeFileSync(join(n1.dataDir, "pg_hba.conf"), "host all remaster 127.0.0.1/32 reject\n");
    await n1.stop();
    await n1.start();
    const before = await fullState(n3);
    for (const words of [failover, ["failover"], ["promote", "n3"]]) {
      const { status, report } = await operator.change(...words);
      expect([words, status]).toEqual([words, 5]);
      expect(alarmsIn(report)).toContain("primary-may-answer n1");
    }
    expect(await fullState(n3)).toEqual(before);
    // It says nothing any more and has a control: that it is gone is then made sure of.
    await n1.freeze();
    const accepting = ["--accept-data-loss", "--accept-minority"];
    const { status, report } = await operator.change("failover", ...accepting);
    expect(stepsIn(report)).toEqual(
      expect.arrayContaining(["done stop n1", "done promote n3 --accept-data-loss"]),
    );
    expect([status, report.topology?.primaries]).toEqual([0, ["n3"]]);
    expect(nodeIn(report, "n1").answer).toBe("refused");
  });

  test("a frozen primary is cut off, and seen when it thaws", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    await sql(n1, "CREATE TABLE here (n int)");
    await n1.freeze();
    const early = await operator.change(...failover, "--patience", "1h", "--timeout", "3s");
    expect(early.stderr).toContain("waiting for the last message from the primary to grow old");
    expect(alarmsIn(early.report)).toEqual(["still-receiving n2", "still-receiving n3"]);
    expect(early.status).toBe(5);
    const { status, report } = await operator.change(...failover);
    expect(report.summary).toMatch(/^n2 leads at 2@0\/[0-9A-F]+, followed by n3$/);
    expect(status).toBe(0);
    const followed = "SELECT max(received_tli) FROM pg_stat_wal_receiver";
    await untilSees(cluster, ["n3"], { statement: followed, value: "2" });

    await n1.thaw();
    await sql(n1, "INSERT INTO here VALUES (1)");
    const seen = await operator.ask("status");
    expect(alarmsIn(seen.report)).toContain("several-primaries");
    expect(seen.report.findings[0]?.message).toMatch(
      /^n2 at 2@0\/[0-9A-F]+ and n1 at 1@0\/[0-9A-F]+ are out of recovery; they went different ways at 1@0\/[0-9A-F]+$/,
    );
    expect(seen.status).toBe(1);
    const again = await operator.change(...failover);
    expect(alarmsIn(again.report)).toContain("several-primaries");
    expect(again.status).toBe(5);
  });

  test("a primary in crash recovery is alive", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    await n1.kill();
    const goOn = holdUpStart(n1);
    const started = n1.start();
    await expect
      .poll(async () => nodeIn((await operator.ask("status")).report, "n1").reason, {
        timeout: 10_000,
      })
      .toMatch(/starting up/);
    const before = allSettings(cluster);
    for (const words of [failover, ["promote", "n2"]]) {
      const { status, report } = await operator.change(...words);
      expect(alarmsIn(report)).toEqual(["primary-may-answer n1"]);
      expect(report.summary).toMatch(/n1.*starting up/);
      expect(status).toBe(5);
    }
    expect(allSettings(cluster)).toEqual(before);
    goOn();
    await started;
    expect(await sql(n1, "SELECT pg_is_in_recovery()")).toEqual(["false"]);
  });

  test("something must vouch that the primary stays dead", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const bare = (text: string) => text.replaceAll(/^control.*\n/gm, "");
    const stopped = join(cluster.directory, "stopped");
    const config = changedConfig(cluster, "bare", bare);
    const operator = operatorOf(cluster, { config });
    const controlled = operatorOf(cluster, {
      config: changedConfig(cluster, "controlled", (text) =>
        withNodeLines(bare(text), "n1", `control.stop = "touch ${stopped}"`),
      ),
    });
    const stubborn = operatorOf(cluster, {
      config: changedConfig(cluster, "stubborn", (text) =>
        withNodeLines(bare(text), "n1", `control.stop = "echo it is locked; exit 3"`),
      ),
    });
    await cluster.server("n1").kill();
    const before = allSettings(cluster);

    const { status, report } = await operator.change("failover");
    expect(alarmsIn(report)).toEqual(["not-vouched n1"]);
    expect(status).toBe(5);
    const wrong = await typed(operator, ["failover"], [{ at: "dead for good", text: "maybe" }]);
    expect([wrong.status, wrong.screen]).toEqual([6, expect.stringContaining("not given")]);
    const no = await typed(
      operator,
      ["failover"],
      [
        { at: "dead for good", text: "dead" },
        { at: "fail over to n2?", text: "n" },
      ],
    );
    expect([no.status, no.screen]).toEqual([6, expect.stringContaining("promote n2")]);
    const locked = await stubborn.change("failover");
    expect(stepsIn(locked.report)[0]).toBe("failed stop n1");
    expect(JSON.stringify(locked.report.findings)).toContain("it is locked");
    expect(locked.status).toBe(7);
    expect(allSettings(cluster)).toEqual(before);

    const done = await controlled.change("failover");
    expect(stepsIn(done.report)[0]).toBe("done stop n1");
    expect(done.status).toBe(0);
    expect(existsSync(stopped)).toBe(true);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("what the topology file names wrongly is shown, and left alone", async () => {
    await using cluster = await startCluster({ major });
    await using other = await startCluster({ major: major === 15 ? 18 : 15, standbys: 0 });
    await using stranger = await answering("SSH-2.0-OpenSSH_9.2\r\n", "");
    const wrong = join(cluster.directory, "wrong");
    writeFileSync(wrong, "*:*:*:remaster:mistaken\n", { mode: 0o600 });
    const port = (name: string) => `port=${cluster.server(name).port}`;
    const [elsewhere] = other.servers;
    const config = changedConfig(cluster, "wrong-nodes", (text) =>
      text
        .replace(port("n2"), `${port("n2")} passfile=${wrong}`)
        .replace(port("n3"), `port=${elsewhere?.port} passfile=${other.directory}/passfile`)
        .replace(port("n4"), `port=${stranger.port}`),
    );
    const operator = operatorOf(cluster, { config, secrets: ["mistaken"] });
    const before = [
      allSettings(cluster),
      ...(await Promise.all([...cluster.servers, ...other.servers].map(fullState))),
    ];

    const seen = await operator.ask("status");
    expect(nodeIn(seen.report, "n2")).toMatchObject({ answer: "error", sqlstate: "28P01" });
    expect(nodeIn(seen.report, "n4")).toMatchObject({ answer: "not-postgres" });
    expect(alarmsIn(seen.report)).toEqual(
      expect.arrayContaining(["node-unreachable n2", "other-cluster n3", "node-unreachable n4"]),
    );
    expect(seen.status).toBe(1);
    const answers = [
      [["quiesce", "n2"], 4, "node-unreachable n2"],
      [["quiesce", "n4"], 4, "node-unreachable n4"],
      [["quiesce", "n3"], 5, "other-cluster n3"],
      [["unquiesce", "n3"], 5, "other-cluster n3"],
      [["exchange", "--to", "n3"], 5, "other-cluster n3"],
      [["repoint", "n3", "--to", "n1"], 5, "other-cluster n3"],
      [["promote", "n3"], 5, "other-cluster n3"],
      [[...failover, "--to", "n2"], 5, "primary-answers n1"],
    ] as const;
    for (const [words, expected, alarm] of answers) {
      const { status, report } = await operator.change(...words);
      expect([words, status, alarmsIn(report)]).toEqual([
        words,
        expected,
        expect.arrayContaining([alarm]),
      ]);
    }
    expect([
      allSettings(cluster),
      ...(await Promise.all([...cluster.servers, ...other.servers].map(fullState))),
    ]).toEqual(before);

    // The primary itself behind a wrong password: it answers, so it lives.
    const locked = changedConfig(cluster, "locked-out", (text) =>
      text.replace(port("n1"), `${port("n1")} passfile=${wrong}`),
    );
    const { status, report } = await operatorOf(cluster, { config: locked }).change(...failover);
    expect(alarmsIn(report)).toEqual(expect.arrayContaining(["primary-may-answer n1"]));
    expect(status).toBe(5);
  });
});
