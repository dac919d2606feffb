// A switchover tells how long nobody could write, whichever way writes were held off; and a primary in full use is seen to its
// end, a candidate that keeps up with it is no candidate that is held up.

import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createLedger, startWorkload } from "../../src/sandbox/workload.ts";
import { open } from "../support/access.ts";
import { operatorOf } from "../support/cli.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";

async function busy(cluster: TestCluster) {
  const nodes = cluster.config.nodes.map(({ name, conninfo }) => ({
    name,
    conninfo: { ...conninfo, user: "app" },
  }));
  await using session = await open(
    cluster.server("n1").conninfo.replace("user=remaster", "user=app"),
  );
  await createLedger(session);
  const client = startWorkload({ nodes, everyMs: 0, rowsPerCommit: 200 });
  await client.waitForMore(50, { timeoutMs: 20_000 });
  return client;
}

function takeControlAway({ configFile }: TestCluster): void {
  writeFileSync(configFile, readFileSync(configFile, "utf8").replaceAll(/^control\..*\n/gm, ""));
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test.each(["shut down", "fenced"])(
    "the old primary %s: the time without writes is told",
    async (how) => {
      await using cluster = await startCluster({ major, standbys: 2 });
      if (how === "fenced") takeControlAway(cluster);
      const client = await busy(cluster);
      const { status, report } = await operatorOf(cluster).change("switchover", "--to", "n2");
      await client.waitForMore(20, { timeoutMs: 10_000, node: "n2" });
      await client.stop();
      const { writesStopped = 0 } = report.timings ?? {};
      expect([status, report.summary]).toEqual([
        0,
        expect.stringMatching(
          new RegExp(
            `^n2 leads at 2@\\S+, followed by [n1-3, ]+; writes were held up for ${writesStopped.toFixed(0)} ms$`,
          ),
        ),
      ]);
      expect(writesStopped).toBeGreaterThan(0);
    },
  );
});
