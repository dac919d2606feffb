// A standby that is stopped for its slots' files (13 to 15): by nobody but who holds the lock of the cluster, not once the primary is
// gone, and brought up again by whoever comes after an operator that died.

import { describe, expect, test } from "vitest";
import { type CliReport, operatorOf } from "../support/cli.ts";
import { sql } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { holdStarts } from "../support/held-starts.ts";

const settings = { hot_standby_feedback: "on" } as const;

async function start(major: number, standbys: number): Promise<TestCluster> {
  const cluster = await startCluster({ major, standbys, settings });
  const make = "SELECT pg_create_logical_replication_slot('c1', 'test_decoding')";
  await sql(cluster.server("n1"), make);
  return cluster;
}

/** How often a server was started. */
async function startsOf(cluster: TestCluster, name: string): Promise<number> {
  return (await cluster.server(name).log()).split("starting PostgreSQL").length - 1;
}

function messagesOf({ findings }: CliReport, code: string): readonly string[] {
  return findings
    .filter((finding) => finding.code === code)
    .map(({ node, message, hint }) => `${node ?? ""}: ${message}; ${hint ?? ""}`);
}

/** The first takes longer, and is for full runs. */
const events = ["a failover takes the lock", "the primary is gone"].slice(
  process.env["REMASTER_FAULTS"] === "all" ? 0 : 1,
);

describe.each(testMajors.filter((major) => major < 16))("PostgreSQL %d", (major) => {
  test.each(events)("while one is down %s: the other one is not stopped", async (what) => {
    await using cluster = await start(major, 2);
    const held = holdStarts(cluster, "n2", "n3");
    const pass = operatorOf(cluster, { config: held.config }).change(
      ...["slot-sync", "--allow-restart"],
    );
    const down = await held.first();
    const other = down === "n2" ? "n3" : "n2";
    await cluster.server("n1").kill();
    const taken = what === "a failover takes the lock";
    if (taken) {
      const { status, report } = await operatorOf(cluster, { desk: "other" }).change(
        ...["failover", "--primary-is-dead", "--accept-data-loss", "--to", other],
      );
      expect([status, report.topology?.primaries]).toEqual([0, [other]]);
    }
    held.letGo();
    const { status, report } = await pass;
    expect([status, messagesOf(report, "step-failed")]).toEqual(
      taken
        ? [8, []]
        : [
            expect.any(Number),
            [expect.stringContaining("no primary"), expect.stringContaining("no primary")],
          ],
    );
    expect([await startsOf(cluster, down), await startsOf(cluster, other)]).toEqual([2, 1]);
  });

  test("an operator who died meanwhile: it is told how it comes up, and the next pass goes on", async () => {
    await using cluster = await start(major, 1);
    const held = holdStarts(cluster, "n2");
    const dying = operatorOf(cluster, { config: held.config }).run(
      ["slot-sync", "--allow-restart", "--yes"],
      { onStart: (child) => void held.first().then(() => child.kill("SIGKILL")) },
    );
    expect((await dying).signal).toBe("SIGKILL");
    const operator = operatorOf(cluster);
    const told = messagesOf((await operator.ask("status")).report, "node-unreachable");
    expect(told).toEqual([
      expect.stringMatching(/^n2: .*; start the server, .*: `\S+\/pg_ctl -D \S+ start`/),
    ]);
    expect((await operator.change("heal", "n2", "--to", "n1")).status).toBe(0);
    const pass = await operator.change("slot-sync", "--allow-restart");
    expect([pass.status, pass.report.findings]).toEqual([0, []]);
    const checked = await operator.ask("slot-sync", "--check");
    expect([checked.status, checked.report.findings]).toEqual([0, []]);
  });
});
