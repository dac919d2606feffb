// What a failover promises about acknowledged commits, held against what the servers really acknowledged: synchronous
// standbys of every kind, who of them is lost, and what was seen of the primary before.

import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import {
  alarmsIn,
  changedConfig,
  type CliReport,
  operatorOf,
  stepsIn,
  withNodeLines,
} from "../support/cli.ts";
import { allSettings, countRows, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, type TestServer, fewMajors } from "../support/cluster.ts";
import { typed } from "../support/typed.ts";

const dead = ["failover", "--primary-is-dead"] as const;

/** On the primary alone: a standby with such a setting would have its writes hang once it leads. */
async function demand(cluster: TestCluster, names: string): Promise<void> {
  const n1 = cluster.server("n1");
  await sql(
    n1,
    `ALTER SYSTEM SET synchronous_standby_names = '${names}'`,
    "SELECT pg_reload_conf()",
  );
  const confirming =
    "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')";
  await untilSees(cluster, ["n1"], { statement: confirming, value: "true" });
}

function guaranteeIn({ plan }: CliReport) {
  if (plan?.guarantee == null) throw new Error("the report has no guarantee");
  return plan.guarantee;
}

/** A cluster file without controls: nothing can stop the old primary. */
function bare(cluster: TestCluster): string {
  return changedConfig(cluster, "bare", (text) => text.replaceAll(/^control.*\n/gm, ""));
}

/** Starts a write on the server and gives what came of it so far. */
async function writing(server: TestServer) {
  const client = new Client(server.clientConfig());
  client.on("error", () => undefined);
  await client.connect();
  const write = { acknowledged: false };
  const done = client.query("INSERT INTO rows VALUES (0)").then(
    () => {
      write.acknowledged = true;
    },
    () => undefined,
  );
  return {
    write,
    [Symbol.asyncDispose]: async () => {
      await client.end();
      await done;
    },
  };
}

const waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("what the synchronous standby confirmed is kept, though another is lost and a third lags", async () => {
    await using cluster = await startCluster({ major });
    const preferring = changedConfig(cluster, "preferring", (text) =>
      withNodeLines(text, "n2", "priority = 10"),
    );
    const operator = operatorOf(cluster, { config: preferring });
    await makeRows(cluster, "n1", 1);
    await demand(cluster, "n3");
    await untilSees(cluster, ["n2", "n4"], { statement: countRows, value: "1" });
    expect(await operator.ask("status")).toMatchObject({ status: 0 });
    // n2, which is to lead, lags; every row is acknowledged by n3 alone, and n4 is lost with the primary.
    await cluster.cut("n2");
    await makeRows(cluster, "n1", 1000);
    await cluster.server("n1").kill();
    await cluster.server("n4").kill();
    await cluster.join("n2");
    const { status, report } = await operator.change(...dead);
    expect([status, guaranteeIn(report)]).toMatchObject([
      0,
      { kind: "proven", primary: "n1", unreached: ["n4"], confirmers: ["n3"] },
    ]);
    expect(guaranteeIn(report).basis).toMatch(/synchronous_standby_names = 'n3'/);
    expect(stepsIn(report)).toContain("done exchange --to n2");
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["1001"]);
  });

  test("the loss of a standby that could have confirmed alone is not passed over", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await demand(cluster, "n2");
    await untilSees(cluster, ["n3"], { statement: countRows, value: "1" });
    expect(await operator.ask("status")).toMatchObject({ status: 0 });
    await cluster.cut("n3");
    await makeRows(cluster, "n1", 10);
    await cluster.server("n1").kill();
    await cluster.server("n2").kill();
    await cluster.join("n3");
    const before = allSettings(cluster);
    const refused = await operator.change(...dead);
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["loss-not-excluded n2"]]);
    expect(refused.report.findings[0]?.hint).toMatch(/--accept-data-loss/);
    expect(await operator.ask(...dead, "--dry-run")).toMatchObject({ status: 5 });
    expect(allSettings(cluster)).toEqual(before);
    // At a terminal the question names it.
    const answers = [{ at: "give up what only nodes out of reach may have?", text: "n" }];
    const asked = await typed(operator, dead, answers);
    expect([asked.status, asked.screen]).toEqual([
      6,
      expect.stringContaining("no guarantee: acknowledged commits may be lost"),
    ]);
    expect(allSettings(cluster)).toEqual(before);

    const { status, report } = await operator.change(...dead, "--accept-data-loss");
    expect([status, guaranteeIn(report)]).toMatchObject([
      0,
      { kind: "unproven", unreached: ["n2"] },
    ]);
    expect(alarmsIn(report)).toContain("loss-not-excluded n2");
    expect(await sql(cluster.server("n3"), countRows)).toEqual(["1"]);
  });

  test.each([
    ["FIRST 2 (n2, n3, n4)", "proven", 0],
    ["ANY 2 (n2, n3, n4)", "proven", 0],
    ["2 (*)", "proven", 0],
    ["FIRST 1 (n2, n3)", "proven", 0],
    ["ANY 1 (n2, n3, n4)", "refused", 5],
    ["*", "refused", 5],
    ["n4", "refused", 5],
  ] as const)("with %s and n4 lost: %s", async (names, expected, exit) => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await demand(cluster, names);
    await operator.ask("status");
    await makeRows(cluster, "n1", 100);
    await cluster.server("n1").kill();
    await cluster.server("n4").kill();
    const { status, report } = await operator.ask(...dead, "--dry-run");
    expect(status).toBe(exit);
    if (expected === "refused") expect(alarmsIn(report)).toEqual(["loss-not-excluded n4"]);
    else expect(guaranteeIn(report).kind).toBe(expected);
  });

  test("an asynchronous cluster of which every standby is reached needs only the word", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
    expect(await operator.ask("status")).toMatchObject({ status: 0 });
    await cluster.server("n1").kill();
    const { status, report } = await operator.change(...dead);
    expect([status, guaranteeIn(report)]).toMatchObject([0, { kind: "unproven", unreached: [] }]);
    expect(guaranteeIn(report).basis).toMatch(/asynchronous/);
  });

  test("a node that was seen ahead and is gone is not left behind in silence", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1" });
    await cluster.cut("n2", "n3");
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n4"], { statement: countRows, value: "11" });
    await cluster.server("n1").kill();
    await cluster.join("n2", "n3");
    // Seen after the primary was gone, and by whatever verb.
    expect((await operator.ask("compare-lsn")).report.comparison?.ahead).toBe("n4");
    await cluster.server("n4").kill();
    const refused = await operator.change(...dead);
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["more-was-seen n4"]]);
    // Come back, it gives what it has.
    await cluster.server("n4").start();
    const { status } = await operator.change(...dead);
    expect(status).toBe(0);
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["11"]);
  });

  test("the smaller side of a divided network promotes nobody by itself", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    for (const name of ["n1", "n3", "n4"]) await cluster.server(name).kill();
    const before = allSettings(cluster);
    const refused = await operator.change(...dead, "--accept-data-loss");
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["minority-reached n3"]]);
    expect(refused.report.findings[0]?.hint).toMatch(/--accept-minority/);
    expect(allSettings(cluster)).toEqual(before);
    const more = ["--accept-data-loss", "--accept-minority"];
    expect(await operator.change(...dead, ...more)).toMatchObject({ status: 0 });
    // Who was down and followed nobody when the new primary was last seen is not waited for again.
    expect(await operator.ask("status")).toMatchObject({ status: 1 });
  });

  test("synchronous standbys that are still vouch for a primary that may live", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster, { config: bare(cluster) });
    const n1 = cluster.server("n1");
    await makeRows(cluster, "n1", 1);
    await demand(cluster, "ANY 2 (n2, n3, n4)");
    expect(await operator.ask("status")).toMatchObject({ status: 0 });
    await n1.freeze();
    const { status, report } = await operator.change("failover");
    expect(alarmsIn(report)).toEqual(
      // What n2 has of its own demands nothing.
      ["primary-may-run n1", "commits-less-durable n2", "node-unreachable n1"].filter((alarm) =>
        alarmsIn(report).includes(alarm),
      ),
    );
    expect(alarmsIn(report)).toContain("primary-may-run n1");
    expect([status, report.topology?.primaries]).toEqual([0, ["n2"]]);
    await n1.thaw();
    // It is alive, and can acknowledge nothing.
    await using writer = await writing(n1);
    await untilSees(cluster, ["n1"], { statement: waits, value: "1" });
    await makeRows(cluster, "n2", 10);
    expect(writer.write.acknowledged).toBe(false);
  });

  test("what nobody can bring to the candidate is given up only where that is accepted", async () => {
    await using cluster = await startCluster({ major, standbys: 2, notPromotable: ["n3"] });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "1" });
    await cluster.cut("n2");
    for (let round = 0; round < 5; round += 1) {
      await makeRows(cluster, "n1", 1);
      await sql(cluster.server("n1"), "SELECT pg_switch_wal()");
    }
    await sql(cluster.server("n1"), "CHECKPOINT");
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n3"], { statement: countRows, value: "7" });
    await sql(cluster.server("n3"), "CHECKPOINT");
    await cluster.server("n1").kill();
    await cluster.join("n2");
    const refused = await operator.change(...dead);
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["no-candidate"]]);
    expect(refused.report.findings[0]?.hint).toMatch(
      /--accept-data-loss promotes n2 and gives up what n3 has/,
    );
    expect(alarmsIn((await operator.change("promote", "n2")).report)).toEqual([
      "others-are-ahead n2",
    ]);
    const { status, report } = await operator.change(...dead, "--accept-data-loss");
    expect(stepsIn(report)).toContain("done promote n2 --accept-data-loss");
    expect(alarmsIn(report)).toEqual(
      expect.arrayContaining(["others-are-ahead n2", "standby-not-following n3"]),
    );
    expect([status, report.topology?.primaries]).toEqual([8, ["n2"]]);
  });

  test("what is seen is kept for its owner alone, and costs no verb its life", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster);
    expect(await operator.ask("status")).toMatchObject({ status: 0, stderr: "" });
    const kept = join(cluster.directory, "desk", "remaster");
    expect(readdirSync(kept)).toEqual(["sandbox-primary.json"]);
    expect(statSync(join(kept, "sandbox-primary.json")).mode & 0o777).toBe(0o600);
    // Half a file, and no place for one.
    writeFileSync(join(kept, "sandbox-primary.json"), '{"format": 1, "system');
    expect(await operator.ask("status")).toMatchObject({ status: 0 });
    mkdirSync(join(cluster.directory, "taken"));
    writeFileSync(join(cluster.directory, "taken", "remaster"), "");
    const env = { XDG_STATE_HOME: join(cluster.directory, "taken") };
    const { status, stderr } = await operator.run(["status"], { env });
    expect([status, stderr]).toEqual([0, expect.stringContaining("is not kept for later")]);
  });
});
