// Failovers in which the standby that is promoted is not the one that has most: what it lacks is streamed to it first,
// and no row is lost that any reachable node had.

import { describe, expect, test } from "vitest";
import {
  changedConfig,
  type CliReport,
  nodeIn,
  operatorOf,
  stepsIn,
  withNodeLines,
} from "../support/cli.ts";
import {
  autoSettings,
  countRows,
  expectLed,
  makeRows,
  slotsOf,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, testMajors } from "../support/cluster.ts";

const failover = ["failover", "--primary-is-dead"] as const;

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("rows that only a node got which never leads reach the one that is promoted", async () => {
    await using cluster = await startCluster({ major, notPromotable: ["n3"] });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1" });
    await cluster.cut("n2", "n4");
    await makeRows(cluster, "n1", 10_000);
    await untilSees(cluster, ["n3"], { statement: countRows, value: "10001" });
    await cluster.server("n1").kill();
    await cluster.join("n2", "n4");

    const compared = await operator.ask("compare-lsn");
    expect(compared.status).toBe(0);
    expect(compared.report.comparison).toMatchObject({
      ahead: "n3",
      candidate: "n2",
      exchange: { from: "n3", to: "n2" },
    });
    expect(Number(compared.report.comparison?.exchange?.bytes)).toBeGreaterThan(500_000);

    const { status, report } = await operator.change(...failover);
    expect(stepsIn(report)).toEqual([
      "done quiesce n2",
      "done quiesce n3",
      "done quiesce n4",
      "done exchange --to n2",
      "done repoint n3 --to n2 --no-wait",
      "done repoint n4 --to n2 --no-wait",
      "done promote n2",
      "done repoint n3 --to n2",
      "done repoint n4 --to n2",
    ]);
    expect(report.summary).toMatch(/^n2 leads at 2@0\/[0-9A-F]+, followed by n3, n4$/);
    expect(status).toBe(0);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10001" });
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });

    const again = await operator.run([...failover, "--yes", "--quiet"]);
    expect(again).toMatchObject({ status: 0, stdout: "n2\n" });
  });

  test("nobody is promoted when the only node with the last rows dies on the way", async () => {
    await using cluster = await startCluster({ major, standbys: 2, notPromotable: ["n3"] });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "1" });
    await cluster.cut("n2");
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n3"], { statement: countRows, value: "2" });
    await cluster.server("n1").kill();
    const before = autoSettings(cluster.server("n2"));
    const dying: Promise<void>[] = [];
    const { status, stdout } = await operator.run([...failover, "--yes", "--json"], {
      onTalk: (_, stderr) => {
        if (dying.length > 0 || !stderr.includes("bring n2 what")) return;
        dying.push(cluster.server("n3").kill());
      },
    });
    await Promise.all(dying);
    const report = JSON.parse(stdout) as CliReport;
    expect(stepsIn(report)).toContain("undone quiesce n2");
    expect(report.findings.map(({ message }) => message).join()).toMatch(
      /n3, which has .*, can no longer be reached/,
    );
    expect(nodeIn(report, "n2")).toMatchObject({ role: "standby" });
    expect(autoSettings(cluster.server("n2"))).toEqual(before);
    // n3 itself could not be asked to take back what was left on it.
    expect(status).toBe(8);

    await cluster.server("n3").start();
    await cluster.join("n2");
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["2"]);
    const idle = await slotsOf(cluster, ["n3"]);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" }, idle });
  });

  test("the standby with the best priority wins, and gets the rows that it lacks", async () => {
    await using cluster = await startCluster({ major });
    const config = changedConfig(cluster, "priorities", (text) =>
      withNodeLines(withNodeLines(text, "n2", "priority = 5"), "n4", "priority = 10"),
    );
    const operator = operatorOf(cluster, { config });
    await makeRows(cluster, "n1", 3);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "3" });
    await cluster.cut("n4");
    await makeRows(cluster, "n1", 2);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "5" });
    await cluster.server("n1").kill();
    await cluster.join("n4");

    const { status, report } = await operator.change(...failover);
    expect(stepsIn(report)).toContain("done exchange --to n4");
    expect(status).toBe(0);
    expect(await sql(cluster.server("n4"), countRows)).toEqual(["5"]);
    await expectLed(cluster, operator, {
      by: "n4",
      timeline: 2,
      followers: { n2: "n4", n3: "n4" },
    });
  });

  test("positions are told right where pg_last_wal_receive_lsn() misleads", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    const n3 = cluster.server("n3");
    await makeRows(cluster, "n1", 1000);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1000" });
    await cluster.cut("n4");
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "1001" });
    await cluster.server("n1").kill();
    await cluster.join("n4");
    const [conninfo = ""] = await sql(n3, "SHOW primary_conninfo");
    await sql(n3, "ALTER SYSTEM SET primary_conninfo = ''");
    for (const name of ["n2", "n3"]) {
      await cluster.server(name).stop();
      await cluster.server(name).start();
    }

    const compared = await operator.ask("compare-lsn");
    // Asked to receive again, n2 starts at the beginning of a segment; n3 was not asked at all.
    const n2 = nodeIn(compared.report, "n2");
    expect([n2.receiveLsn?.endsWith("000000"), n2.position?.endsWith("000000")]).toEqual([
      true,
      false,
    ]);
    expect(nodeIn(compared.report, "n3")).toMatchObject({
      receiveLsn: null,
      position: n2.position,
    });
    expect(
      compared.report.comparison?.ranking.map(({ node, relation }) => `${node} ${relation}`),
    ).toEqual(["n2 same", "n3 same", "n4 behind", "n1 unknown"]);
    expect(compared.report.comparison).toMatchObject({ candidate: "n2", exchange: null });

    await sql(n3, `ALTER SYSTEM SET primary_conninfo = '${conninfo}'`, "SELECT pg_reload_conf()");
    const { status, report } = await operator.change(...failover, "--to", "n4");
    expect(stepsIn(report)).toContain("done exchange --to n4");
    expect(status).toBe(0);
    expect(await sql(cluster.server("n4"), countRows)).toEqual(["1001"]);
    await expectLed(cluster, operator, {
      by: "n4",
      timeline: 2,
      followers: { n2: "n4", n3: "n4" },
    });
  });
});
