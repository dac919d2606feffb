// An operator whose machine vanishes from the network: nobody tells the server, and yet the lock ends by itself.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { vanishedMs } from "../../src/postgres/lock.ts";
import { letIn } from "../support/access.ts";
import { changedConfig, operatorOf } from "../support/cli.ts";
import { sql } from "../support/cluster-state.ts";
import { startCluster, testMajors } from "../support/cluster.ts";
import { canBeFarAway, goFarAway } from "../support/far-away.ts";
import { entryPoint } from "../support/program.ts";

const holders = `SELECT client_addr FROM pg_stat_activity JOIN pg_locks USING (pid)
  WHERE locktype = 'advisory' AND granted`;

describe.skipIf(!canBeFarAway).each(testMajors)("PostgreSQL %d", (major) => {
  test.each([
    { when: "idle", busy: false },
    { when: "with an answer on its way", busy: true },
  ])("the lock of a machine that vanished ends, $when", async ({ busy }) => {
    using far = goFarAway();
    await using cluster = await startCluster({
      major,
      standbys: 0,
      settings: { listen_addresses: "*" },
    });
    const n1 = cluster.server("n1");
    await letIn(n1, [`host all all ${far.there}/32 scram-sha-256`]);
    const config = changedConfig(cluster, "far", (text) =>
      text.replaceAll("host=127.0.0.1", `host=${far.here}`),
    );
    const command = [entryPoint, "lock", "--config", config, "--", "sh", "-c", "echo locked; sleep 120"];
    const [program, ...words] = far.run(process.execPath, ...command);
    const holder = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"], detached: true });
    try {
      await once(holder.stdout, "data");
      expect(await sql(n1, holders)).toEqual([far.there]);
      far.cut();
      const cutAt = Date.now();
      // What the server sends now is acknowledged by nobody.
      if (busy) writeFileSync(join(n1.dataDir, "postgresql.auto.conf"), "TimeZone = 'UTC'\n");
      const other = operatorOf(cluster, { desk: "other" });
      const refused = await other.change("stop", "n1");
      expect(refused.report.findings[0]?.message).toContain(`from ${far.there}`);
      expect(refused.status).toBe(5);
      await expect
        .poll(() => sql(n1, holders), { timeout: vanishedMs + 5_000, interval: 100 })
        .toEqual([]);
      process.stdout.write(`the lock ended ${Date.now() - cutAt} ms after the cut\n`);
      expect((await other.change("stop", "n1")).status).toBe(0);
    } finally {
      if (holder.pid !== undefined) process.kill(-holder.pid, "SIGKILL");
    }
  });
});
