// Standbys with an archive: what a failover does to restore_command and gives back, which timeline it takes, and what a
// restore that never ends may cost.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alarmsIn, nodeIn, operatorOf, stepsIn } from "../support/cli.ts";
import {
  allSettings,
  autoSettings,
  countRows,
  expectLed,
  fullState,
  makeRows,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestServer, testMajors } from "../support/cluster.ts";

const failover = ["failover", "--primary-is-dead"] as const;

interface Archive extends Disposable {
  readonly directory: string;
  /** Settings of servers that fill the archive and restore from it; another file of a name that is there is refused. */
  readonly settings: Readonly<Record<string, string>>;
}

function makeArchive(): Archive {
  const directory = mkdtempSync(join(tmpdir(), "remaster-test-archive-"));
  chmodSync(directory, 0o777);
  return {
    directory,
    settings: {
      archive_mode: "on",
      archive_command: `if test -f ${directory}/%f; then cmp -s %p ${directory}/%f; else cp %p ${directory}/%f; fi`,
      restore_command: `cp ${directory}/%f "%p"`,
    },
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Sets a restore_command with ALTER SYSTEM, to the letter. */
async function setRestore(server: TestServer, value: string): Promise<void> {
  const quoted = value.replaceAll("'", "''");
  await sql(server, `ALTER SYSTEM SET restore_command = '${quoted}'`, "SELECT pg_reload_conf()");
}

describe.each(testMajors.filter((major) => major >= 14))("an archive, PostgreSQL %d", (major) => {
  test("the candidate sees it before it leads, and every restore_command comes back", async () => {
    using archive = makeArchive();
    await using cluster = await startCluster({ major, standbys: 2, settings: archive.settings });
    const [n2, n3] = [cluster.server("n2"), cluster.server("n3")];
    const own = `cp ${archive.directory}/%f "%p" # it's \\ "mine"`;
    await setRestore(n3, own);
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
    const operator = operatorOf(cluster);
    const before = allSettings(cluster);

    expect((await operator.change("quiesce")).status).toBe(0);
    for (const server of [n2, n3]) {
      expect(await sql(server, "SHOW restore_command")).toEqual([
        expect.stringMatching(/^false # /),
      ]);
    }
    expect((await operator.change("unquiesce")).status).toBe(0);
    expect(allSettings(cluster)).toEqual(before);

    // Somebody took timeline 2 once, from a point that lies behind by now.
    writeFileSync(join(archive.directory, "00000002.history"), "1\t0/1500000\tgiven up\n");
    await cluster.server("n1").kill();
    const { status, report } = await operator.change(...failover);
    expect([status, alarmsIn(report)]).toEqual([0, []]);
    await expectLed(cluster, operator, { by: "n2", timeline: 3, followers: { n3: "n2" } });
    expect(await sql(n2, "SHOW restore_command")).toEqual([archive.settings["restore_command"]]);
    expect(autoSettings(n2).join("\n")).not.toContain("restore_command");
    expect(await sql(n3, "SHOW restore_command")).toEqual([own]);
    // Nothing that is in the archive already stands in the way of what the new primary archives.
    await sql(n2, "SELECT pg_switch_wal()");
    await untilSees(cluster, ["n2"], {
      statement: "SELECT archived_count > 1 AND failed_count = 0 FROM pg_stat_archiver",
      value: "true",
    });
    expect(existsSync(join(archive.directory, "00000003.history"))).toBe(true);
  });

  test("a restore that never ends costs a sibling its place, and a candidate nothing but time", async () => {
    await using cluster = await startCluster({ major });
    const [n2, n4] = [cluster.server("n2"), cluster.server("n4")];
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10" });
    const operator = operatorOf(cluster);
    const hang = async (server: TestServer): Promise<void> => {
      const began = join(cluster.directory, `began-${server.name}`);
      mkdirSync(began, { mode: 0o777 });
      chmodSync(began, 0o777);
      await setRestore(server, `touch ${began}/%f; exec sleep 1000`);
    };
    await hang(n2);
    await hang(n4);
    await cluster.server("n1").kill();
    for (const server of [n2, n4]) {
      await untilSees(cluster, [server.name], {
        statement: "SELECT count(*) FROM pg_stat_wal_receiver",
        value: "0",
      });
      await expect
        .poll(() => existsSync(join(cluster.directory, `began-${server.name}`)))
        .toBe(true);
    }
    const before = allSettings(cluster);

    const stuck = await operator.change(...failover, "--to", "n2", "--timeout", "3");
    expect(stuck.status).toBe(7);
    expect(stuck.report.topology?.primaries).toEqual([]);
    expect(stepsIn(stuck.report)).toContain("skipped promote n2");
    expect(allSettings(cluster)).toEqual(before);

    const { status, report } = await operator.change(...failover, "--to", "n3", "--timeout", "7");
    expect(report.topology?.primaries).toEqual(["n3"]);
    expect(stepsIn(report)).toContain("done promote n3");
    expect([status, nodeIn(report, "n3").timeline]).toEqual([8, 2]);
    expect(alarmsIn(report)).toContain("standby-not-following n2");
    expect(alarmsIn(report)).toContain("standby-not-following n4");
  });
});

describe.each(testMajors)("an archive, PostgreSQL %d", (major) => {
  test("a node in point-in-time recovery is left alone", async () => {
    using archive = makeArchive();
    await using cluster = await startCluster({ major, settings: archive.settings });
    const n4 = cluster.server("n4");
    await makeRows(cluster, "n1", 10);
    await n4.stop();
    const [file = ""] = await sql(
      cluster.server("n1"),
      "CHECKPOINT",
      "SELECT pg_walfile_name(pg_switch_wal())",
    );
    await expect
      .poll(() => existsSync(join(archive.directory, file)), { timeout: 15_000 })
      .toBe(true);
    // It gets beyond where it was, and waits for WAL that is never archived, as such nodes do.
    renameSync(join(n4.dataDir, "standby.signal"), join(n4.dataDir, "recovery.signal"));
    const wait = `until cp ${archive.directory}/%f "%p"; do sleep 0.1; done`;
    writeFileSync(
      join(n4.dataDir, "postgresql.auto.conf"),
      [
        `restore_command = 'case %f in *.history) exit 1;; esac; ${wait}'`,
        // Servers since 15 would wait for the next segment before they have replayed the last one.
        ...(major >= 15 ? ["recovery_prefetch = off"] : []),
        "",
      ].join("\n"),
    );
    await n4.start();
    const operator = operatorOf(cluster);
    const before = await fullState(n4);

    const { report: seen } = await operator.ask("status");
    expect(alarmsIn(seen)).toContain("point-in-time-recovery n4");
    for (const words of [
      ["quiesce", "n4"],
      ["repoint", "n4", "--to", "n2"],
    ]) {
      const { status, report } = await operator.change(...words);
      expect([words, status]).toEqual([words, 5]);
      expect(alarmsIn(report)).toContain("not-in-standby-mode n4");
    }
    await cluster.server("n1").kill();
    const promoted = await operator.change("promote", "n4");
    expect([promoted.status, alarmsIn(promoted.report)]).toEqual([5, ["not-in-standby-mode n4"]]);
    if (major < 14) return;
    const { report } = await operator.change(...failover);
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(await fullState(n4)).toEqual(before);
  });
});

describe.runIf(testMajors.includes(13))("an archive, PostgreSQL 13", () => {
  test("a node with a restore_command is refused by name, and touched by nothing", async () => {
    using archive = makeArchive();
    await using cluster = await startCluster({
      major: 13,
      standbys: 2,
      settings: archive.settings,
    });
    const operator = operatorOf(cluster);
    const before = allSettings(cluster);
    const quiesced = await operator.change("quiesce");
    expect([quiesced.status, alarmsIn(quiesced.report)]).toEqual([
      5,
      ["restore-command-13 n2", "restore-command-13 n3"],
    ]);
    await cluster.server("n1").kill();
    const failed = await operator.change(...failover);
    expect(failed.status).toBe(5);
    expect(alarmsIn(failed.report)).toContain("restore-command-13 n2");
    expect(allSettings(cluster)).toEqual(before);
  });
});
