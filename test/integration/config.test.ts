import { expect, test } from "vitest";
import { loadCluster } from "../../src/config/load.ts";
import { connect } from "../../src/postgres/connect.ts";
import { connectOptions } from "../support/access.ts";
import { startCluster } from "../support/cluster.ts";

test("the topology file of a sandbox describes the sandbox, and lets us in", async () => {
  await using cluster = await startCluster({ major: 18, standbys: 1, notPromotable: ["n2"] });
  const around = { cwd: "/", home: "/nowhere" };
  const loaded = await loadCluster({ config: cluster.configFile, env: {}, ...around });
  expect(loaded).toEqual(cluster.config);
  for (const node of loaded.nodes) {
    await using session = await connect(node.conninfo, connectOptions);
    const rows = await session.query("SELECT pg_is_in_recovery() AS standby");
    expect(rows).toEqual([{ standby: node.name === "n2" ? "t" : "f" }]);
  }
  const ports = cluster.servers.map(({ port }) => port).join(",");
  const passfile = cluster.config.nodes[0]?.conninfo["passfile"] ?? "";
  const adHoc = await loadCluster({
    dsn: `host=127.0.0.1,127.0.0.1 port=${ports} user=remaster dbname=postgres`,
    env: { PGPASSFILE: passfile },
    ...around,
  });
  expect(adHoc.nodes.map(({ name }) => name)).toEqual(
    cluster.servers.map(({ port }) => `127.0.0.1:${port}`),
  );
  for (const node of adHoc.nodes) {
    await using session = await connect(node.conninfo, connectOptions);
    expect(session.alive).toBe(true);
  }
});
