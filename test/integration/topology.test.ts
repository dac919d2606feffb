// What the topology makes of real servers: a healthy cluster has nothing to say, and each thing that goes wrong is seen
// for what it is.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { observeCluster } from "../../src/postgres/observe.ts";
import { rankCandidates } from "../../src/topology/candidates.ts";
import { buildTopology, type Topology } from "../../src/topology/topology.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";

async function look(cluster: TestCluster): Promise<Topology> {
  const looks = await observeCluster(cluster.config, { timeoutMs: 5000, now: () => Date.now() });
  for (const { session } of looks) await session?.close();
  return buildTopology(
    cluster.config.name,
    looks.map(({ observation }) => observation),
  );
}

const alarms = (topology: Topology) =>
  topology.findings
    .filter((finding) => finding.severity !== "note")
    .map(({ code, node }) => (node === undefined ? code : `${code} ${node}`));

async function run(server: TestServer, ...statements: readonly string[]): Promise<void> {
  const client = new Client(server.clientConfig());
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

const streaming = (topology: Topology) =>
  [...topology.edges.values()].map(
    (edge) => `${edge.standby} < ${edge.upstream ?? "?"}${edge.streaming ? "" : " (still)"}`,
  );

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("a healthy cluster, a standby cut off, the primary dead", async () => {
    await using cluster = await startCluster({
      major,
      cascade: { n4: "n2" },
      notPromotable: ["n3"],
    });
    const healthy = await look(cluster);
    expect(alarms(healthy)).toEqual([]);
    expect(streaming(healthy)).toEqual(["n2 < n1", "n3 < n1", "n4 < n2"]);
    expect(healthy.primaries).toEqual(["n1"]);

    await cluster.cut("n2");
    await expect
      .poll(async () => alarms(await look(cluster)), { timeout: 20_000 })
      .toContain("standby-not-following n2");
    await run(cluster.server("n1"), "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
    await expect
      .poll(async () => {
        const { exchange } = rankCandidates(await look(cluster));
        return exchange === null ? null : `${exchange.from} to ${exchange.to}`;
      })
      .toBe("n3 to n2");

    await cluster.server("n1").kill();
    const orphaned = await look(cluster);
    expect(alarms(orphaned)).toEqual(
      expect.arrayContaining(["no-primary", "node-unreachable n1", "upstream-unreachable n1"]),
    );
    const ranking = rankCandidates(orphaned);
    expect(ranking).toMatchObject({ ahead: "n3", candidate: "n2" });
    expect(ranking.ranking.map(({ node, relation }) => `${node} ${relation}`)).toEqual([
      "n2 behind",
      "n4 behind",
      "n3 same",
      "n1 unknown",
    ]);
  });

  test("split brain, and the standby past the fork that it leaves", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    await run(n2, "SELECT pg_promote(true, 30)", "CREATE TABLE there (n int)");
    await run(n1, "CREATE TABLE here (n int)");
    const split = await look(cluster);
    expect(alarms(split)).toEqual(["several-primaries"]);
    expect(split.findings[0]?.message).toMatch(
      /^n[12] at \d@0\/[0-9A-F]+ and n[12] at \d@0\/[0-9A-F]+ are out of recovery; they went different ways at 1@0\/[0-9A-F]+$/,
    );

    await n2.stop();
    await writeFile(join(n2.dataDir, "standby.signal"), "");
    await n2.start();
    await expect
      .poll(async () => alarms(await look(cluster)), { timeout: 20_000 })
      .toContain("diverged n2");
    const stranded = await look(cluster);
    expect(streaming(stranded)).toEqual(["n2 < n1 (still)", "n3 < n1"]);
    expect(rankCandidates(stranded)).toMatchObject({ ahead: "n3", candidate: "n3" });

    // With the primary gone too, two standbys and two lines: nothing but the operator's word says whose is right.
    await n1.kill();
    const orphaned = await look(cluster);
    expect(rankCandidates(orphaned).candidate).toBeNull();
    expect(rankCandidates(orphaned, { to: "n3" })).toMatchObject({ ahead: "n3", candidate: "n3" });
    const found = rankCandidates(orphaned, { to: "n3" }).ranking.find(({ node }) => node === "n2");
    expect(found).toMatchObject({ relation: "diverged", eligible: false });
  });
});
