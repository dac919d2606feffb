// The primary changes while all are alive and rows are written: no acknowledged row is lost, nobody needs a rewind, and every
// lap leaves the cluster as it was but for who leads.

import { describe, expect, test } from "vitest";
import { acknowledgedNumbers } from "../../src/sandbox/ledger.ts";
import { createLedger, ledgerTable, startWorkload } from "../../src/sandbox/workload.ts";
import { open } from "../support/access.ts";
import { operatorOf, stepsIn } from "../support/cli.ts";
import { expectLed, slotsOf, sql } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";

function writer(cluster: TestCluster) {
  const nodes = cluster.config.nodes.map(({ name, conninfo }) => ({
    name,
    conninfo: { ...conninfo, user: "app" },
  }));
  return startWorkload({ nodes, everyMs: 2 });
}

async function makeLedger(cluster: TestCluster): Promise<void> {
  const { conninfo } = cluster.server("n1");
  await using session = await open(conninfo.replace("user=remaster", "user=app"));
  await createLedger(session);
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("the lead goes round under load", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await makeLedger(cluster);
    const client = writer(cluster);
    await client.waitForMore(50, { timeoutMs: 10_000 });
    const operator = operatorOf(cluster);
    const names = ["n1", "n2", "n3"];
    let timeline = 1;
    for (const to of ["n2", "n3", "n1", "n2"]) {
      const { status, report } = await operator.change("switchover", "--to", to);
      expect([to, status, report.summary, stepsIn(report)]).toEqual([
        to,
        0,
        expect.any(String),
        expect.any(Array),
      ]);
      timeline += 1;
      await client.waitForMore(50, { timeoutMs: 10_000, node: to });
      const followers = names.filter((name) => name !== to).map((name) => [name, to] as const);
      await expectLed(cluster, operator, {
        by: to,
        timeline,
        followers: Object.fromEntries(followers),
      });
    }
    await client.stop();
    const rows = await sql(cluster.server("n2"), `SELECT number FROM ${ledgerTable}`);
    const present = new Set(rows.map(Number));
    const numbers = acknowledgedNumbers(client.acknowledgements);
    expect(numbers.length).toBeGreaterThan(200);
    expect(numbers.filter((number) => !present.has(number))).toEqual([]);
    expect(await slotsOf(cluster, ["n1", "n3"])).toEqual({ n1: [], n3: [] });
    for (const server of cluster.servers) expect(await server.log()).not.toContain("PANIC");
  });
});
