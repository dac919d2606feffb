// A primary that dies in the middle of a record which reaches into the next segment. Its standbys have everything up to
// the boundary, and would end in a PANIC if they were led to the new timeline like that.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { typeCommands } from "../support/by-hand.ts";
import { alarmsIn, changedConfig, nodeIn, operatorOf, stepsIn } from "../support/cli.ts";
import { expectLed, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { tearTails } from "../support/torn-tail.ts";

const rows = (server: TestServer) => sql(server, "SELECT n FROM rows ORDER BY n");
const started = (server: TestServer) => sql(server, "SELECT pg_postmaster_start_time()::text");

describe.each(testMajors)("torn tails, PostgreSQL %d", (major) => {
  test("a failover brings over the last bytes, keeps whole siblings whole, and heals the torn", async () => {
    await using cluster = await startCluster({ major, notPromotable: ["n4"] });
    const [n2, n3, n4] = ["n2", "n3", "n4"].map((name) => cluster.server(name)) as [
      TestServer,
      TestServer,
      TestServer,
    ];
    await tearTails(cluster, { n2: "behind", n3: "behind", n4: "torn" });
    const operator = operatorOf(cluster);
    const before = await Promise.all([started(n3), started(n4)]);

    const { status, report } = await operator.change("failover", "--primary-is-dead", "--to", "n2");

    expect(stepsIn(report)).toEqual([
      "done quiesce n2",
      "done quiesce n3",
      "done quiesce n4",
      "done exchange --to n2",
      "done promote n2",
      "done repoint n3 --to n2",
      "done heal n4 --to n2",
    ]);
    expect(status).toBe(0);
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });
    // Row 3 died with the primary; row 2 was on the node that must not lead alone.
    for (const server of [n2, n3, n4]) expect(await rows(server)).toEqual(["1", "2"]);
    expect(await started(n3)).toEqual(before[0]);
    expect(await started(n4)).not.toEqual(before[1]);
    for (const server of [n3, n4]) expect(await server.log()).not.toContain("PANIC");
    const [kept = ""] = readdirSync(join(n4.dataDir, "pg_wal")).filter((name) =>
      name.startsWith("cut-off-"),
    );
    expect(readdirSync(join(n4.dataDir, "pg_wal", kept))).toEqual(["000000010000000000000002"]);
  });

  test("without a pg_ctl at hand they stay up and the commands are told; done by hand, they follow", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const n3 = cluster.server("n3");
    await tearTails(cluster, { n2: "torn", n3: "torn" });
    const config = changedConfig(cluster, "uncontrolled", (text) =>
      text.replaceAll(/^control\.pg_ctl.*\n/gm, ""),
    );
    const operator = operatorOf(cluster, { config });

    const { status, report } = await operator.change("failover", "--primary-is-dead", "--to", "n2");

    expect(status).toBe(8);
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(stepsIn(report).at(-1)).toBe("failed heal n3 --to n2");
    expect(alarmsIn(report)).toContain("standby-not-following n3");
    expect(await rows(n3)).toEqual(["1", "2"]);
    const seen = (await operator.ask("status")).report;
    expect(alarmsIn(seen)).toContain("torn-tail n3");
    expect(nodeIn(seen, "n3")).toMatchObject({ timeline: 1, streaming: false });
    // Led there as it is, it would PANIC.
    const refused = await operator.change("repoint", "n3", "--to", "n2");
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["torn-tail n3"]]);

    // One that cannot be started again gets its WAL back.
    const conf = join(n3.dataDir, "postgresql.conf");
    const settings = readFileSync(conf, "utf8");
    writeFileSync(conf, `${settings}nonsense = on\n`);
    // A server that is stopped lets go of the segment before its last checkpoint.
    const walOf = () =>
      readdirSync(join(n3.dataDir, "pg_wal")).filter((name) => name !== "000000010000000000000001");
    const wal = walOf();
    const failed = (await operatorOf(cluster).change("heal", "n3", "--to", "n2")).report;
    expect([failed.exitCode, stepsIn(failed)]).toEqual([8, ["failed heal n3 --to n2"]]);
    expect(failed.steps?.[0]?.detail).toMatch(/^pg_ctl start failed.*; n3 is down/);
    expect(walOf()).toEqual(wal);
    writeFileSync(conf, settings);
    await n3.start();
    expect(alarmsIn((await operator.ask("status")).report)).toContain("torn-tail n3");

    const finding = report.findings.find(({ code }) => code === "torn-tail-repair");
    expect(finding).toMatchObject({ node: "n3", severity: "problem" });
    typeCommands(cluster, n3, finding?.hint ?? "");
    expect((await operator.change("repoint", "n3", "--to", "n2")).status).toBe(0);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
    expect(await n3.log()).not.toContain("PANIC");
  });

  test("heals a node that PANICked because somebody led it there", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const [n2, n3] = [cluster.server("n2"), cluster.server("n3")];
    await tearTails(cluster, { n2: "torn", n3: "torn" });
    const operator = operatorOf(cluster);
    expect((await operator.change("quiesce")).status).toBe(0);
    expect((await operator.change("promote", "n2")).status).toBe(0);
    // The new timeline passes the segment in which the tail was torn.
    await sql(n2, "SELECT pg_create_physical_replication_slot('n3', true)");
    await sql(n2, "CREATE TABLE more AS SELECT 1 AS n", "SELECT pg_switch_wal()");
    await sql(n2, "INSERT INTO more VALUES (2)");
    const [marked = ""] = await sql(n3, "SELECT current_setting('primary_conninfo')");
    const led = marked.replace(/ hostaddr=.*/, "").replace(/port=\d+/, `port=${n2.port}`);
    await sql(n3, `ALTER SYSTEM SET primary_conninfo = '${led}'`, "SELECT pg_reload_conf()");
    await expect.poll(() => n3.log(), { timeout: 15_000 }).toContain("PANIC");

    const healed = await operator.change("heal", "n3", "--to", "n2");

    expect(stepsIn(healed.report)).toEqual(["done heal n3 --to n2"]);
    expect(healed.status).toBe(0);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
    expect(stepsIn((await operator.change("heal", "n3", "--to", "n2")).report)).toEqual([
      "already heal n3 --to n2",
    ]);
  });

  test("a standby that is down for another reason is named with the command that starts it, which does only that", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const [n1, n2, n3] = ["n1", "n2", "n3"].map((name) => cluster.server(name)) as [
      TestServer,
      TestServer,
      TestServer,
    ];
    await sql(n1, "CREATE TABLE rows (n int)");
    await n3.stop();
    await sql(n1, "SELECT pg_switch_wal()", "INSERT INTO rows VALUES (1)");
    await untilSees(cluster, ["n2"], { statement: "SELECT count(*) FROM rows", value: "1" });
    await n1.kill();
    const failover = ["failover", "--primary-is-dead", "--to", "n2", "--accept-data-loss"] as const;
    const operator = operatorOf(cluster);
    const hint = async (): Promise<string | null | undefined> => {
      const { status, report } = await operator.change(...failover);
      expect([status, report.summary]).toEqual([0, expect.anything()]);
      return report.findings.find(({ code, node }) => code === "node-unreachable" && node === "n3")
        ?.hint;
    };
    expect(await hint()).toBe("when it is back: `remaster repoint n3 --to n2`");
    expect(await hint()).toBe("see `remaster status` when it is back");

    await sql(n2, "SELECT pg_create_physical_replication_slot('n3', true)");
    expect(await hint()).toMatch(/^`remaster heal n3 --to n2` starts it/);
    const healed = await operator.change("heal", "n3", "--to", "n2");
    expect([healed.status, stepsIn(healed.report)]).toEqual([0, ["done heal n3 --to n2"]]);
    expect(healed.report.findings.map(({ code }) => code)).not.toContain("torn-tail-repair");
    const goal = { by: "n2", timeline: 2, followers: { n3: "n2" } };
    await expectLed(cluster, operator, goal);

    // One that has followed past the switchpoint is left whole.
    await n3.stop();
    expect(await hint()).toMatch(/^`remaster heal n3 --to n2` starts it/);
    const again = await operator.change("heal", "n3", "--to", "n2");
    expect([again.status, stepsIn(again.report)]).toEqual([0, ["done heal n3 --to n2"]]);
    expect(again.report.findings.map(({ code }) => code)).not.toContain("torn-tail-repair");
    await expectLed(cluster, operator, goal);
  });
});
