// A server that crashes in its promotion, once standby.signal is gone and before it has written anything on the new timeline,
// comes back as a primary on the old one. What it leaves on disk then is made here.

import { copyFileSync, rmSync, statSync, chownSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { alarmsIn, nodeIn, operatorOf } from "../support/cli.ts";
import { expectLed, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestServer, testMajors } from "../support/cluster.ts";

/** Its next segment on the new timeline begins as a copy of the last one on the old. */
async function crashInPromotion(server: TestServer): Promise<void> {
  const [last = ""] = await sql(
    server,
    "SELECT max(name) FROM pg_ls_waldir() WHERE name ~ '^00000001[0-9A-F]{16}$'",
  );
  await server.kill();
  const wal = join(server.dataDir, "pg_wal");
  const copy = join(wal, last.replace(/^.{8}/, "00000002"));
  copyFileSync(join(wal, last), copy);
  const { uid, gid } = statSync(join(wal, last));
  chownSync(copy, uid, gid);
  rmSync(join(server.dataDir, "standby.signal"));
  await server.start();
}

test.each(testMajors)("PostgreSQL %d: it is named, and they follow it", async (major) => {
  await using cluster = await startCluster({ major });
  await makeRows(cluster, "n1", 100);
  await untilSees(cluster, ["n2", "n3", "n4"], {
    statement: "SELECT count(*) FROM rows",
    value: "100",
  });
  await cluster.server("n1").kill();
  const operator = operatorOf(cluster);
  const failover = ["failover", "--primary-is-dead", "--to", "n2"] as const;
  for (const name of ["n2", "n3", "n4"]) {
    expect((await operator.change("quiesce", name)).status).toBe(0);
  }
  expect((await operator.change("repoint", "n3", "n4", "--to", "n2", "--no-wait")).status).toBe(0);
  await crashInPromotion(cluster.server("n2"));

  const { status, report } = await operator.change(...failover);

  expect([status, report.summary]).toEqual([0, expect.stringMatching(/^n2 leads at 1@/)]);
  expect(alarmsIn(report)).toContain("promotion-broken-off n2");
  const goal = { by: "n2", timeline: 1, followers: { n3: "n2", n4: "n2" } };
  await expectLed(cluster, operator, goal);
  const looked = await operator.ask("status");
  expect([looked.status, alarmsIn(looked.report)]).toEqual([
    1,
    expect.arrayContaining(["promotion-broken-off n2"]),
  ]);
  expect(nodeIn(looked.report, "n2")).toMatchObject({ role: "primary", timeline: 1 });
});
