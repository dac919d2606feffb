// Settings that hinder a new primary's standbys or its commits, on servers where they do: refused beforehand, and seen to do
// what was said where the operator goes on.

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { open } from "../support/access.ts";
import { alarmsIn, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, expectLed, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestServer, fewMajors } from "../support/cluster.ts";

const failover = ["failover", "--primary-is-dead", "--to", "n2"] as const;

async function set(server: TestServer, name: string, value: string): Promise<void> {
  await sql(server, `ALTER SYSTEM SET ${name} = '${value}'`, "SELECT pg_reload_conf()");
}

/** For settings that a start alone reads. */
async function setAndRestart(server: TestServer, name: string, value: string): Promise<void> {
  await set(server, name, value);
  await server.stop();
  await server.start();
}

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("a living primary keeps the standbys that its commits wait for, and a new one gets some", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    await set(n1, "synchronous_standby_names", "ANY 1 (n2, n3)");
    await untilSees(cluster, ["n1"], {
      statement: "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'",
      value: "2",
    });
    const before = allSettings(cluster);
    const all = await operator.change("quiesce");
    expect([all.status, alarmsIn(all.report)]).toEqual([5, ["commits-would-block n1"]]);
    expect(allSettings(cluster)).toEqual(before);
    expect(await operator.change("quiesce", "n2")).toMatchObject({ status: 0 });
    await makeRows(cluster, "n1", 1);
    const last = await operator.change("quiesce", "n3");
    expect(last.report.findings[0]?.message).toBe(
      "without n3 none of the synchronous standbys of n1 would be left, and it waits for 1 of n2, n3: commits on n1 would wait",
    );
    const away = await operator.change("repoint", "n3", "--to", "n2");
    expect([away.status, alarmsIn(away.report)]).toEqual([
      5,
      expect.arrayContaining(["commits-would-block n1"]),
    ]);
    const accepted = await operator.change("quiesce", "n3", "--accept-blocked-commits");
    expect([accepted.status, stepsIn(accepted.report)]).toEqual([0, ["done quiesce n3"]]);
    expect(alarmsIn((await operator.ask("status")).report)).toContain("commits-blocked n1");
    expect(await operator.change("unquiesce")).toMatchObject({ status: 0 });
    await makeRows(cluster, "n1", 1);

    await set(n2, "synchronous_standby_names", "n1");
    await n1.kill();
    const refused = await operator.change(...failover);
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["commits-would-block n2"]]);
    const done = await operator.change(...failover, "--accept-blocked-commits");
    expect([done.status, alarmsIn(done.report)]).toEqual([
      0,
      expect.arrayContaining(["commits-would-block n2"]),
    ]);
    const waiting = new Client({ ...n2.clientConfig(), application_name: "waiting" });
    await waiting.connect();
    const insert = waiting.query("INSERT INTO rows VALUES (0)");
    await untilSees(cluster, ["n2"], {
      statement: "SELECT wait_event FROM pg_stat_activity WHERE application_name = 'waiting'",
      value: "SyncRep",
    });
    await set(n2, "synchronous_standby_names", "n3");
    await insert;
    await waiting.end();
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("standbys that the candidate's settings would stop, and one that stays on its timeline", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    const [n2, n3, n4] = ["n2", "n3", "n4"].map((name) => cluster.server(name)) as [
      TestServer,
      TestServer,
      TestServer,
    ];
    await makeRows(cluster, "n1", 1);
    const [connections = ""] = await sql(n2, "SHOW max_connections");
    const more = String(Number(connections) + 20);
    await setAndRestart(n2, "max_connections", more);
    await setAndRestart(n3, "recovery_target_timeline", "current");
    await untilSees(cluster, ["n2", "n3", "n4"], {
      statement: "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'",
      value: "1",
    });
    await cluster.server("n1").kill();
    const before = allSettings(cluster);
    const refused = await operator.change(...failover);
    expect([refused.status, alarmsIn(refused.report)]).toEqual([
      5,
      ["setting-below-primary n4", "target-timeline-fixed n3"],
    ]);
    const then = major >= 14 ? "its replay would pause" : "it would end";
    expect(refused.report.findings[0]?.message).toBe(
      `below n2 as primary n4 would have too little of max_connections ${connections} < ${more}: ${then}`,
    );
    // Below the one that has no more than the others nobody is stopped.
    const other = ["failover", "--primary-is-dead", "--to", "n4", "--dry-run"];
    for (const [status, words] of [
      [5, other],
      [0, [...other, "--accept-stranded-standbys"]],
    ] as const) {
      const asked = await operator.ask(...words);
      expect([asked.status, alarmsIn(asked.report)]).toEqual([
        status,
        ["target-timeline-fixed n3"],
      ]);
    }
    expect(allSettings(cluster)).toEqual(before);

    const { status, report } = await operator.change(...failover, "--accept-stranded-standbys");
    expect(status).toBe(8);
    expect(report.topology?.primaries).toEqual(["n2"]);
    expect(alarmsIn(report)).toEqual(
      expect.arrayContaining([
        "target-timeline-fixed n3",
        "setting-below-primary n4",
        "standby-not-following n3",
      ]),
    );
    expect(allSettings(cluster)["n3"]).toEqual(before["n3"]);
    if (major >= 14) {
      await untilSees(cluster, ["n4"], {
        statement: "SELECT pg_get_wal_replay_pause_state()",
        value: "paused",
      });
    }

    // Both do as the hints say, and follow.
    await sql(n2, "INSERT INTO rows VALUES (2)");
    const still = await operator.change("repoint", "n3", "--to", "n2");
    expect([still.status, alarmsIn(still.report)]).toEqual([5, ["target-timeline-fixed n3"]]);
    await set(n3, "recovery_target_timeline", "latest");
    await setAndRestart(n3, "max_connections", more);
    expect(await operator.change("repoint", "n3", "--to", "n2")).toMatchObject({ status: 0 });
    if (major >= 14) await setAndRestart(n4, "max_connections", more);
    else {
      const file = join(n4.dataDir, "postgresql.auto.conf");
      appendFileSync(file, `max_connections = ${more}\n`);
      await n4.start();
    }
    // The one that ended on the way still bears the mark.
    expect(await operator.change("repoint", "n4", "--to", "n2")).toMatchObject({ status: 0 });
    await untilSees(cluster, ["n3", "n4"], {
      statement: "SELECT count(*) FROM rows",
      value: "2",
    });
    expect(alarmsIn((await operator.ask("status")).report)).toEqual(["node-unreachable n1"]);
  });

  test("a candidate without WAL senders or slots for its standbys", async () => {
    await using cluster = await startCluster({
      major,
      settings: { max_wal_senders: "4" },
    });
    const operator = operatorOf(cluster);
    const n2 = cluster.server("n2");
    await setAndRestart(n2, "max_replication_slots", "1");
    await untilSees(cluster, ["n2"], {
      statement: "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'",
      value: "1",
    });
    await cluster.server("n1").kill();
    const before = allSettings(cluster);
    const slots = await operator.change(...failover);
    expect([slots.status, alarmsIn(slots.report)]).toEqual([5, ["too-few-slots n2"]]);
    expect(slots.report.findings[0]?.message).toBe(
      "n2 allows 1 replication slots, has 0, and n3, n4 would need 2 more",
    );
    const below = await operator.change("repoint", "n3", "n4", "--to", "n2");
    expect([below.status, alarmsIn(below.report)]).toEqual([5, ["too-few-slots n2"]]);
    await setAndRestart(n2, "max_replication_slots", "10");
    const archivers = await Promise.all(
      [1, 2, 3].map((index) =>
        open(n2.conninfo, { replication: "database", applicationName: `archiver ${index}` }),
      ),
    );
    const senders = await operator.change(...failover);
    expect([senders.status, alarmsIn(senders.report)]).toEqual([5, ["too-few-wal-senders n2"]]);
    expect(senders.report.findings[0]?.message).toBe(
      "n2 allows 4 WAL senders, 3 of them in use, and n3, n4 would need 2",
    );
    const after = allSettings(cluster);
    expect({ ...after, n2: [] }).toEqual({ ...before, n2: [] });
    for (const archiver of archivers) await archiver.close();
    await untilSees(cluster, ["n2"], {
      statement: "SELECT count(*) FROM pg_stat_replication",
      value: "0",
    });
    expect(await operator.change(...failover)).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
    });
  });
});
