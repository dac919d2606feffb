// Standbys that get no more WAL have replayed all that they received: by their own account they lack nothing. What they lack
// is what the primary has, and that is what is shown.

import { describe, expect, test } from "vitest";
import { alarmsIn, nodeIn, operatorOf } from "../support/cli.ts";
import { countRows, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, fewMajors } from "../support/cluster.ts";

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("a standby that replayed all it received, and receives no more, is behind and a problem", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    const [n1, n3] = [cluster.server("n1"), cluster.server("n3")];
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10" });
    expect(await operator.run(["status", "--quiet"])).toMatchObject({ status: 0, stdout: "ok\n" });
    // n2 is turned away; what n3 asks for is not there any more.
    await cluster.cut("n2");
    await n3.stop();
    await sql(n1, "SELECT pg_drop_replication_slot('n3')");
    for (let segment = 0; segment < 3; segment += 1) {
      await sql(n1, "INSERT INTO rows VALUES (0)", "SELECT pg_switch_wal()", "CHECKPOINT");
    }
    await n3.start();
    const nothingLeft =
      "SELECT pg_last_wal_receive_lsn() IS NULL OR pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()";
    await untilSees(cluster, ["n2", "n3"], { statement: nothingLeft, value: "true" });
    await untilSees(cluster, ["n4"], { statement: countRows, value: "13" });

    const { status, report } = await operator.ask("status");
    expect([status, alarmsIn(report)]).toEqual([
      1,
      expect.arrayContaining(["standby-not-following n2", "standby-not-following n3"]),
    ]);
    const behind = ["n2", "n3", "n4"].map((name) => {
      const { streaming, lagBytes } = nodeIn(report, name);
      return [name, streaming, Number(lagBytes) > 1_000_000];
    });
    expect(behind).toEqual([
      ["n2", false, true],
      ["n3", false, true],
      ["n4", true, false],
    ]);
    const compared = await operator.ask("compare-lsn");
    const relations = compared.report.comparison?.ranking.map(
      ({ node, relation }) => `${node} ${relation}`,
    );
    expect(relations).toEqual(expect.arrayContaining(["n2 behind", "n3 behind"]));
    const quiet = await operator.run(["status", "--quiet"]);
    expect(quiet).toMatchObject({ status: 1, stdout: "problem\n" });
  });
});
