// Who follows after a failover, from where, and what is said of those who cannot.

import { chmodSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alarmsIn, nodeIn, operatorOf, stepsIn } from "../support/cli.ts";
import {
  allSettings,
  countRows,
  expectLed,
  makeRows,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestServer, testMajors } from "../support/cluster.ts";

const failover = ["failover", "--primary-is-dead"] as const;
const receiverPid = "SELECT pid FROM pg_stat_wal_receiver";

/** Starts a stopped server as a standby. */
async function startAsStandby(server: TestServer): Promise<void> {
  writeFileSync(join(server.dataDir, "standby.signal"), "");
  await server.start();
}

/** A directory that all nodes archive to and restore from. It refuses a file that it has with other content. */
function makeArchive() {
  const directory = mkdtempSync(join(tmpdir(), "remaster-archive-"));
  chmodSync(directory, 0o777);
  return {
    settings: {
      archive_mode: "on",
      archive_command: `cmp -s %p ${directory}/%f || test ! -e ${directory}/%f && cp %p ${directory}/%f`,
      restore_command: `cp ${directory}/%f %p`,
    },
    files: () => readdirSync(directory).toSorted(),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("a standby below the candidate follows it with the receiver that it has", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const [n2, n3] = [cluster.server("n2"), cluster.server("n3")];
    // With the password in the setting itself, where a careless report would show it.
    const [conninfo = ""] = await sql(n3, "SHOW primary_conninfo");
    const passfile = readFileSync(join(cluster.directory, "servers", "passfile"), "utf8");
    const [, password = ""] = /repl_n3:(\w+)$/m.exec(passfile) ?? [];
    const open = conninfo.replace(/passfile=\S+/, `password=${password}`);
    expect(open).toMatch(/password=\w{20,}/);
    await sql(n3, `ALTER SYSTEM SET primary_conninfo = '${open}'`, "SELECT pg_reload_conf()");

    const moved = await operator.change("repoint", "n3", "--to", "n2");
    expect([moved.status, stepsIn(moved.report)]).toEqual([0, ["done repoint n3 --to n2"]]);
    expect(await sql(n3, "SHOW primary_conninfo")).toEqual([
      expect.stringContaining(`port=${n2.port}`),
    ]);
    const before = await sql(n3, receiverPid);
    expect(before).toHaveLength(1);
    await cluster.server("n1").kill();
    const { status, report } = await operator.change("promote", "n2");
    expect([status, report.summary]).toEqual([0, expect.stringMatching(/^n2 is the primary/)]);
    await untilSees(cluster, ["n3"], {
      statement: "SELECT max(received_tli) FROM pg_stat_wal_receiver",
      value: "2",
    });
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
    expect(await sql(n3, receiverPid)).toEqual(before);
  });

  test("failovers one after the other, none of which sleeps out a retry", async () => {
    // A step that waited for the server's own next attempt would wait an hour.
    const settings = { wal_retrieve_retry_interval: "1h" };
    await using archive = makeArchive();
    await using cluster = await startCluster({
      major,
      // On 13 a node with a restore_command cannot be stilled without a restart.
      settings: major >= 14 ? { ...settings, ...archive.settings } : settings,
    });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10" });
    const leaders = ["n1", "n2", "n3", "n4"];
    for (const [index, dead] of leaders.slice(0, 3).entries()) {
      await cluster.server(dead).kill();
      const { status, report } = await operator.change(...failover);
      const by = leaders[index + 1] ?? "";
      expect([status, report.summary]).toEqual([0, expect.stringMatching(`^${by} leads`)]);
      const followers = Object.fromEntries(leaders.slice(index + 2).map((name) => [name, by]));
      await expectLed(cluster, operator, { by, timeline: index + 2, followers });
    }
    expect(await sql(cluster.server("n4"), countRows)).toEqual(["10"]);
    if (major < 14) return;
    // Each timeline was taken once: the archive takes no file a second time.
    const histories = ["00000002.history", "00000003.history", "00000004.history"];
    await expect
      .poll(() => archive.files().filter((name) => name.endsWith(".history")), { timeout: 10_000 })
      .toEqual(histories);
    const failures = "SELECT failed_count FROM pg_stat_archiver";
    expect(await sql(cluster.server("n4"), failures)).toEqual(["0"]);
  });

  test("the old primary, come back as a standby, leads again", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    // A clean stop sends all that was written.
    await n1.stop();
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    const [conninfo = ""] = await sql(n2, "SHOW primary_conninfo");
    const back = conninfo
      .replace(`port=${n1.port}`, `port=${n2.port}`)
      .replace("user=repl_n2", "user=repl_n1")
      .replace("application_name=n2", "application_name=n1");
    await sql(n2, "SELECT pg_create_physical_replication_slot('n1', true)");
    writeFileSync(
      join(n1.dataDir, "postgresql.auto.conf"),
      `primary_conninfo = '${back}'\nprimary_slot_name = 'n1'\n`,
    );
    await startAsStandby(n1);
    const idle = { n1: ["n2", "n3"] };
    const followers = { n1: "n2", n3: "n2" };
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers, idle });

    await n2.kill();
    const { status, report } = await operator.change(...failover, "--to", "n1");
    expect([status, report.summary]).toEqual([0, expect.stringMatching(/^n1 leads at 3@/)]);
    await expectLed(cluster, operator, {
      by: "n1",
      timeline: 3,
      followers: { n3: "n1" },
      idle: { n1: ["n2"] },
    });
  });

  test("a cascade stays, and a standby that is down is brought in later", async () => {
    await using cluster = await startCluster({ major, standbys: 4, cascade: { n4: "n3" } });
    const operator = operatorOf(cluster);
    await cluster.server("n5").stop();
    await cluster.server("n1").kill();
    // Never seen from here, n5 may have been ahead of all when it went down.
    const unproven = await operator.change(...failover);
    expect([unproven.status, alarmsIn(unproven.report)]).toEqual([5, ["loss-not-excluded n5"]]);
    expect(unproven.report.findings[0]?.hint).toContain("--accept-data-loss");
    const { status, report } = await operator.change(...failover, "--accept-data-loss");
    expect(stepsIn(report)).toEqual(
      expect.arrayContaining(["done repoint n3 --to n2", "done repoint n4 --to n3"]),
    );
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        code: "node-unreachable",
        severity: "warning",
        node: "n5",
        hint: "when it is back: `remaster repoint n5 --to n2`",
      }),
    );
    expect(status).toBe(0);
    const followers = { n3: "n2", n4: "n3" };
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers });

    await cluster.server("n5").start();
    const again = await operator.change(...failover);
    expect([again.status, stepsIn(again.report)]).toEqual([0, ["done repoint n5 --to n2"]]);
    await untilSees(cluster, ["n5"], {
      statement: "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'after%'",
      value: "1",
    });
  });

  test("a standby that went another way is named, left alone, and the others go on", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    const [n1, n4] = [cluster.server("n1"), cluster.server("n4")];
    await sql(n4, "SELECT pg_promote(true, 30)", "CREATE TABLE astray (n int)");
    await n4.stop();
    await startAsStandby(n4);
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
    await n1.kill();
    const before = allSettings(cluster);

    const unsure = await operator.change(...failover);
    expect([unsure.status, alarmsIn(unsure.report)]).toEqual([5, ["timeline-fork"]]);
    expect(unsure.report.findings[0]?.hint).toContain("--accept-timeline 1");
    expect(allSettings(cluster)).toEqual(before);

    const { status, report } = await operator.change(...failover, "--accept-timeline", "1");
    expect(alarmsIn(report)).toEqual(["off-accepted-line n4"]);
    expect(nodeIn(report, "n4")).toMatchObject({ diverged: true, quiesced: false });
    expect(status).toBe(0);
    expect(allSettings(cluster)["n4"]).toEqual(before["n4"]);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
    // Without the word for it, that n4 stays behind is no goal reached.
    const again = await operator.change(...failover);
    expect([again.status, again.report.steps]).toEqual([8, undefined]);
    expect(alarmsIn(again.report)).toEqual(
      expect.arrayContaining(["diverged n4", "standby-not-following n4"]),
    );
  });
});
