// Why this node leads and the others do not: told for each, before anything is changed, and true of what is done then.

import { describe, expect, test } from "vitest";
import { changedConfig, operatorOf, withNodeLines } from "../support/cli.ts";
import { countRows, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, fewMajors } from "../support/cluster.ts";

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("each node's place among the candidates has its reasons, and a delayed one is none", async () => {
    await using cluster = await startCluster({ major, standbys: 4, notPromotable: ["n3"] });
    // By name and by priority n2 would lead; it replays an hour late.
    const config = changedConfig(cluster, "wishes", (text) =>
      withNodeLines(withNodeLines(text, "n2", "priority = 20"), "n5", "priority = 10"),
    );
    const operator = operatorOf(cluster, { config });
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3", "n4", "n5"], { statement: countRows, value: "10" });
    await sql(
      cluster.server("n2"),
      "ALTER SYSTEM SET recovery_min_apply_delay = '1h'",
      "SELECT pg_reload_conf()",
    );
    await cluster.cut("n5");
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n3", "n4"], { statement: countRows, value: "20" });
    await cluster.server("n1").kill();
    await cluster.join("n5");

    const { report } = await operator.ask("compare-lsn");
    expect(report.comparison).toMatchObject({ candidate: "n5", exchange: { to: "n5" } });
    const ranking = report.comparison?.ranking ?? [];
    const reasons = new Map(ranking.map(({ node, reasons: why }) => [node, why.join("; ")]));
    const wanted = {
      n1: /cannot be reached: connection refused/,
      n2: /delay/,
      n3: /not promotable by the topology file/,
      n4: /has all that n2 has/,
      n5: /\d bytes behind n2; priority 10/,
    };
    expect(reasons.size).toBe(5);
    for (const [node, reason] of Object.entries(wanted)) expect(reasons.get(node)).toMatch(reason);
    const { stdout, stderr } = await operator.run(["compare-lsn"]);
    for (const why of reasons.values()) expect(stdout).toContain(why);
    expect(stdout + stderr).toContain("candidate: n5, after an exchange");

    const done = await operator.run(["failover", "--primary-is-dead", "--yes", "--quiet"]);
    expect([done.status, done.stdout]).toEqual([8, "n5\n"]);
    expect(await sql(cluster.server("n5"), countRows)).toEqual(["20"]);
  });
});
