// What would hold a switchover up, or break it off half-way, is known before anything is changed: refused by name, with what to
// do, and once that is done the same command goes through.

import { describe, expect, test } from "vitest";
import { alarmsIn, operatorOf, stepsIn } from "../support/cli.ts";
import { letIn } from "../support/access.ts";
import { allSettings, expectLed, sql } from "../support/cluster-state.ts";
import { startCluster, testMajors } from "../support/cluster.ts";

describe.each(testMajors)("PostgreSQL %d", (major) => {
  // Left alone, its full socket keeps the shutdown checkpoint from being written until wal_sender_timeout.
  test("a frozen standby is not waited for with the writes stopped", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const before = allSettings(cluster);
    await cluster.server("n3").freeze();
    await sql(
      cluster.server("n1"),
      "CREATE TABLE much AS SELECT repeat('x', 1000) FROM generate_series(1, 30000)",
    );
    const refused = await operator.change("switchover", "--to", "n2");
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["shutdown-held-up n1"]]);
    const [finding] = refused.report.findings;
    expect(finding?.message).toMatch(/^n3 does not answer, to which n1 streams \(pid \d+, /);
    expect(allSettings(cluster)).toEqual(before);

    const [statement = ""] = /SELECT pg_terminate_backend\(\d+\)/.exec(finding?.hint ?? "") ?? [];
    // The first time it stays to write its last word.
    const dead = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'n3'";
    expect(await sql(cluster.server("n1"), statement)).toEqual(["true"]);
    await expect
      .poll(() => sql(cluster.server("n1"), statement, dead), { timeout: 10_000 })
      .toEqual(["0"]);
    const done = await operator.change("switchover", "--to", "n2");
    expect([done.status, stepsIn(done.report), alarmsIn(done.report)]).toEqual([
      0,
      expect.any(Array),
      ["node-unreachable n3"],
    ]);
    await cluster.server("n3").thaw();
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n1: "n2" } });
  });

  test("the end of a primary is seen without a line for replication in its pg_hba.conf", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster);
    await letIn(cluster.server("n1"), ["host replication remaster 127.0.0.1/32 reject"]);
    const done = await operator.change("switchover");
    expect([done.status, stepsIn(done.report), alarmsIn(done.report)]).toEqual([
      0,
      expect.any(Array),
      [],
    ]);
  });
});
