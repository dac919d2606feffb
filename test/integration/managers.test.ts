// A cluster that another program manages, by the marks that such a program leaves: shown, and not changed beside it.

import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { alarmsIn, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, sql } from "../support/cluster-state.ts";
import { startCluster, fewMajors } from "../support/cluster.ts";

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("nothing is changed beside Patroni, unless the operator says so", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const before = allSettings(cluster);
    const heartbeat = new Client({
      ...cluster.server("n3").clientConfig(),
      application_name: "Patroni heartbeat",
    });
    heartbeat.on("error", () => undefined);
    await heartbeat.connect();
    const { status, report } = await operator.ask("status");
    expect(status).toBe(0);
    expect(report.findings).toMatchObject([
      {
        code: "other-manager",
        severity: "note",
        message:
          'it looks as if Patroni manages this cluster: n3 has a session "Patroni heartbeat"',
      },
    ]);
    for (const words of [["quiesce"], ["repoint", "n3", "--to", "n2"], ["stop", "n1"]]) {
      const refused = await operator.change(...words);
      expect([words, refused.status, alarmsIn(refused.report)]).toEqual([
        words,
        5,
        ["other-manager"],
      ]);
    }
    expect(allSettings(cluster)).toEqual(before);
    const stilled = await operator.change("quiesce", "n3", "--override-manager");
    expect([stilled.status, stepsIn(stilled.report)]).toEqual([0, ["done quiesce n3"]]);
    expect(await operator.change("unquiesce")).toMatchObject({ status: 0 });
    expect(allSettings(cluster)).toEqual(before);

    await heartbeat.end();
    await expect
      .poll(async () => (await operator.ask("status")).report.findings, { timeout: 10_000 })
      .toEqual([]);
    // The rule by which pg_auto_failover names slots.
    await sql(
      cluster.server("n1"),
      "SELECT pg_create_physical_replication_slot('pgautofailover_standby_7')",
    );
    const slots = await operator.change("quiesce");
    expect(slots.report.findings[0]?.message).toBe(
      "it looks as if pg_auto_failover manages this cluster: n1 has slot pgautofailover_standby_7",
    );
  });
});
