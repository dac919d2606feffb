import pg from "pg";
import { describe, expect, test } from "vitest";
import { startCluster, testMajors } from "../support/cluster.ts";

describe.each(testMajors)("a cluster of real servers, PostgreSQL %i", (major) => {
  test("streams to every standby", async () => {
    await using cluster = await startCluster({ major });
    const client = new pg.Client(cluster.server("n1").clientConfig());
    await client.connect();
    try {
      const { rows } = await client.query(
        "SELECT application_name, state FROM pg_stat_replication ORDER BY 1",
      );
      expect(rows).toEqual([
        { application_name: "n2", state: "streaming" },
        { application_name: "n3", state: "streaming" },
        { application_name: "n4", state: "streaming" },
      ]);
    } finally {
      await client.end();
    }
  });
});
