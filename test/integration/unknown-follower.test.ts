// Who streams from our nodes without being one of them: a standby that the topology file lacks is told of, an archiver is
// not taken for one.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConninfo } from "../../src/conninfo/parse.ts";
import { alarmsIn, changedConfig, operatorOf } from "../support/cli.ts";
import { sql } from "../support/cluster-state.ts";
import { startCluster, fewMajors } from "../support/cluster.ts";

// The servers that npm brings come without client programs.
const receiver = "/usr/lib/postgresql/15/bin/pg_receivewal";

describe.each(fewMajors)("followers, PostgreSQL %d", (major) => {
  test("one that the topology file lacks is told of, on primary and standby alike", async () => {
    await using cluster = await startCluster({ major, standbys: 3, cascade: { n4: "n3" } });
    const everyone = await operatorOf(cluster).ask("status");
    expect(alarmsIn(everyone.report)).toEqual([]);
    const without = (name: string) =>
      operatorOf(cluster, {
        config: changedConfig(cluster, `without-${name}`, (text) =>
          text.replace(new RegExp(`\\[nodes\\.${name}\\]\\n(.+\\n)+`), ""),
        ),
      });
    const { status, report } = await without("n2").ask("status");
    expect([status, alarmsIn(report)]).toEqual([0, ["unknown-follower n1"]]);
    expect(report.findings.find(({ code }) => code === "unknown-follower")?.message).toBe(
      "n1 streams to 1 standby that the topology file does not have: n2 from 127.0.0.1",
    );
    const cascaded = await without("n4").ask("status");
    expect(alarmsIn(cascaded.report)).toEqual(["unknown-follower n3"]);
  });

  test.runIf(major === 15 && existsSync(receiver))("an archiver is none", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const n1 = cluster.server("n1");
    const directory = mkdtempSync(join(tmpdir(), "remaster-test-"));
    const [conninfo = ""] = await sql(cluster.server("n2"), "SHOW primary_conninfo");
    const parsed = parseConninfo(conninfo);
    if (!parsed.ok) throw new Error(parsed.message);
    const { user = "", passfile = "" } = parsed.conninfo;
    const at = `host=127.0.0.1 port=${n1.port} user=${user} passfile=${passfile}`;
    const child = spawn(receiver, ["-D", directory, "-d", at], { stdio: "ignore" });
    try {
      const streams =
        "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_receivewal' AND state = 'streaming'";
      await expect.poll(() => sql(n1, streams), { timeout: 15_000 }).toEqual(["1"]);
      await sql(n1, "CREATE TABLE t (n int)", "SELECT pg_switch_wal()");
      const { report } = await operatorOf(cluster).ask("status");
      expect(alarmsIn(report)).toEqual([]);
    } finally {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
