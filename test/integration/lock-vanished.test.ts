// An operator whose machine vanishes from the network: nobody tells the server, and yet the lock ends by itself.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { livenessSettings, vanishedMs } from "../../src/postgres/lock.ts";
import { letIn } from "../support/access.ts";
import { changedConfig, operatorOf } from "../support/cli.ts";
import { sql } from "../support/cluster-state.ts";
import { startCluster, fewMajors, type TestServer } from "../support/cluster.ts";
import { canBeFarAway, goFarAway } from "../support/far-away.ts";
import { entryPoint } from "../support/program.ts";

const holders = `SELECT client_addr FROM pg_stat_activity JOIN pg_locks USING (pid)
  WHERE locktype = 'advisory' AND granted`;

/** Holds the lock through the program itself. */
const byProgram = (config: string): readonly string[] => [
  entryPoint,
  ...["lock", "--config", config, "--", "sh", "-c", "echo locked; sleep 120"],
];

/** Holds it in a session with the same settings, whose answer is not there yet when the machine vanishes: what the server
 * has sent and nobody acknowledges is no silence, and probes do not end it. */
function byHand(server: TestServer, host: string): readonly string[] {
  const settings = Object.entries(livenessSettings).map(([name, value]) => `-c ${name}=${value}`);
  const config = { ...server.clientConfig(), host, options: settings.join(" ") };
  const script = `
    const { Client } = require("pg");
    const client = new Client(${JSON.stringify(config)});
    client.connect()
      .then(() => client.query("SELECT pg_try_advisory_lock(1, 2)"))
      .then(() => { console.log("locked"); return client.query("SELECT pg_sleep(1), repeat('x', 1000)"); });
    setTimeout(() => undefined, 120000);`;
  return ["-e", script];
}

describe.skipIf(!canBeFarAway).each(fewMajors)("PostgreSQL %d", (major) => {
  test.concurrent.each(["by the program", "by hand"])(
    "the lock of a machine that vanished ends: %s",
    async (how) => {
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
      const words = how === "by hand" ? byHand(n1, far.here) : byProgram(config);
      const [program, ...rest] = far.run(process.execPath, ...words);
      const holder = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"], detached: true });
      try {
        await once(holder.stdout, "data");
        expect(await sql(n1, holders)).toEqual([far.there]);
        far.cut();
        const ended = { timeout: vanishedMs + 5_000, interval: 100 };
        await expect.poll(() => sql(n1, holders), ended).toEqual([]);
        const other = operatorOf(cluster, { desk: "other" });
        expect((await other.change("stop", "n1")).status).toBe(0);
      } finally {
        if (holder.pid !== undefined) process.kill(-holder.pid, "SIGKILL");
      }
    },
  );
});
