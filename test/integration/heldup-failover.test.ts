// A failover past standbys whose replay is held up. They are no candidates, but sources of WAL; they are told of the new
// primary, reported, and follow it by themselves once they are released.

import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { alarmsIn, changedConfig, nodeIn, operatorOf, withNodeLines } from "../support/cli.ts";
import { countRows, expectLed, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestServer, testMajors } from "../support/cluster.ts";

describe.each(testMajors)("held-up replay, PostgreSQL %d", (major) => {
  test("neither leads nor stops a failover, gives what it has, and follows once released", async () => {
    const settings = { max_standby_streaming_delay: "-1", autovacuum: "off" };
    await using cluster = await startCluster({ major, settings });
    const [n1, n2, n3] = ["n1", "n2", "n3"].map((name) => cluster.server(name)) as [
      TestServer,
      TestServer,
      TestServer,
    ];
    await makeRows(cluster, "n1", 100);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "100" });
    const blocker = new Client(cluster.server("n4").clientConfig());
    blocker.on("error", () => undefined);
    await blocker.connect();
    await blocker.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await blocker.query(countRows);
    await sql(n3, "SELECT pg_wal_replay_pause()");
    await sql(n1, "DELETE FROM rows WHERE n > 50", "VACUUM rows");
    await untilSees(cluster, ["n2"], { statement: countRows, value: "50" });
    await cluster.cut("n2");
    await sql(n1, "INSERT INTO rows VALUES (51)");
    const [end = ""] = await sql(n1, "SELECT pg_current_wal_lsn()");
    await untilSees(cluster, ["n3", "n4"], {
      statement: `SELECT pg_last_wal_receive_lsn() >= '${end}'`,
      value: "true",
    });
    await cluster.server("n1").kill();
    await cluster.join("n2");
    const config = changedConfig(cluster, "wishes", (text) =>
      withNodeLines(withNodeLines(text, "n4", "priority = 20"), "n3", "priority = 10"),
    );
    const operator = operatorOf(cluster, { config });

    const compared = (await operator.ask("compare-lsn")).report.comparison;
    expect(compared?.candidate).toBe("n2");
    const reasons = new Map(compared?.ranking.map(({ node, reasons: why }) => [node, why.join()]));
    expect(reasons.get("n3")).toContain("its replay is paused");
    expect(reasons.get("n4")).toContain("its replay is blocked by pid");

    const named = await operator.change("failover", "--primary-is-dead", "--to", "n4");
    expect([named.status, alarmsIn(named.report)]).toEqual([5, ["no-candidate n4"]]);

    const { status, report } = await operator.change("failover", "--primary-is-dead");
    expect(status).toBe(8);
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(alarmsIn(report)).toEqual([
      "replay-held-up n3",
      "replay-held-up n4",
      "standby-not-following n3",
      "standby-not-following n4",
    ]);
    expect(await sql(n2, countRows)).toEqual(["51"]);
    const held = (name: string) => nodeIn(report, name);
    expect([held("n3").replay, held("n4").replay]).toEqual(["paused", "blocked"]);
    const told = `127.0.0.1:${cluster.server("n2").port}`;
    expect([held("n3").repointing, held("n4").repointing]).toEqual([told, told]);

    await sql(n3, "SELECT pg_wal_replay_resume()");
    await blocker.end();
    await sql(n2, "INSERT INTO rows VALUES (52)");
    await untilSees(cluster, ["n3", "n4"], { statement: countRows, value: "52" });
    const settled = await operator.change("failover", "--primary-is-dead");
    expect(settled.status).toBe(0);
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });
  });

  test("what a standby holds unreplayed since its start does not show, and is not given up unsaid", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const [n1, n3] = [cluster.server("n1"), cluster.server("n3")];
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
    const delay = (value: string): Promise<unknown> =>
      sql(n3, `ALTER SYSTEM SET recovery_min_apply_delay = '${value}'`, "SELECT pg_reload_conf()");
    await delay("1h");
    await cluster.cut("n2");
    await makeRows(cluster, "n1", 10);
    const [end = ""] = await sql(n1, "SELECT pg_current_wal_lsn()");
    await untilSees(cluster, ["n3"], {
      statement: `SELECT pg_last_wal_receive_lsn() >= '${end}'`,
      value: "true",
    });
    await n1.kill();
    await n3.stop();
    await n3.start();
    await cluster.join("n2");
    const onto = (name: string) => ["failover", "--primary-is-dead", "--to", name];
    for (const words of [onto("n2"), ["promote", "n2"]]) {
      const { status, report } = await operator.change(...words);
      expect([words, status]).toEqual([words, 5]);
      expect(alarmsIn(report)).toContain("loss-not-excluded n3");
    }
    await delay("0");
    const { status, report } = await operator.change(...onto("n2"));
    expect([status, report.topology?.primaries]).toEqual([0, ["n2"]]);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "20" });
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });
});
