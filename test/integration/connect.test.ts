import { describe, expect, test } from "vitest";
import { parseConninfo } from "../../src/conninfo/parse.ts";
import type { Conninfo } from "../../src/conninfo/conninfo.ts";
import { connect } from "../../src/postgres/connect.ts";
import { startCluster, testMajors } from "../support/cluster.ts";

function conninfo(text: string): Conninfo {
  const parsed = parseConninfo(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.conninfo;
}

const options = { applicationName: "remaster test", timeoutMs: 5_000 };

describe.each(testMajors)("a session, PostgreSQL %i", (major) => {
  test("speaks SQL and the replication protocol, values as text", async () => {
    await using cluster = await startCluster({ major, standbys: 0 });
    const server = conninfo(cluster.server("n1").conninfo);
    await using session = await connect(server, options);
    expect(Math.floor(session.version / 10_000)).toBe(major);
    const rows = await session.query(
      "SELECT pg_backend_pid() AS pid, 1::int8 AS one, true AS yes, now() IS NULL AS no, null AS nothing, current_setting('application_name') AS name",
    );
    expect(rows).toEqual([
      {
        pid: String(session.backendPid),
        one: "1",
        yes: "t",
        no: "f",
        nothing: null,
        name: "remaster test",
      },
    ]);
    const parametrised = await session.query("SELECT $1::text AS a, $2::int + 1 AS b", ["x'y", 2]);
    expect(parametrised).toEqual([{ a: "x'y", b: "3" }]);
    await using both = await connect(server, { ...options, replication: "database" });
    expect((await both.query("IDENTIFY_SYSTEM"))[0]?.["timeline"]).toBe("1");
    expect(await both.query("SELECT 1 AS one")).toEqual([{ one: "1" }]);
    await using physical = await connect(server, { ...options, replication: "true" });
    expect((await physical.query("IDENTIFY_SYSTEM"))[0]?.["dbname"]).toBe(null);
  });
});
