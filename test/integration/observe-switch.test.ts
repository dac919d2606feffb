// A standby that goes on to the next timeline in the middle of a look: what it has is told on a line that there is.

import { expect, test } from "vitest";
import { comparePositions } from "../../src/wal/position.ts";
import { open } from "../support/access.ts";
import { sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, testMajors } from "../support/cluster.ts";
import { holdBack } from "../support/held-back.ts";
import { look, reach } from "../support/observing.ts";
import { lead } from "../support/promoting.ts";

test.each(testMajors)("PostgreSQL %d: position and timeline belong together", async (major) => {
  await using cluster = await startCluster({ major, standbys: 2, cascade: { n3: "n2" } });
  await cluster.server("n1").kill();
  await using way = await holdBack(cluster.server("n3").port, "pg_last_wal_replay_lsn");
  const looking = look(cluster, "n3", { port: String(way.port) });
  await way.held;
  await untilSees(cluster, ["n3"], {
    statement: "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'",
    value: "1",
  });
  await using upstream = await open(cluster.server("n2").conninfo);
  await lead(upstream);
  const [end = ""] = await sql(cluster.server("n2"), "SELECT pg_current_wal_flush_lsn()");
  await untilSees(cluster, ["n3"], {
    statement: `SELECT pg_last_wal_replay_lsn() >= '${end}'`,
    value: "true",
  });
  way.letGo();
  const [n2, n3] = [await reach(cluster, "n2"), await looking];
  if (!n3.reachable || n3.replayed === null || n2.received === null || n2.history === null) {
    throw new Error("nothing was seen");
  }
  const { relation } = comparePositions(n3.replayed, n2.received, new Map([[2, n2.history]]));
  expect([n3.replayed.timeline, relation]).not.toContain("diverged");
  expect(n3.replayed.timeline).toBe(2);
});
