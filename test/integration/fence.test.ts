// The fence: what it keeps out, what it leaves, and that everything comes back as it was.

import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { alarmsIn, nodeIn, operatorOf, stepsIn } from "../support/cli.ts";
import { autoSettings, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";

const positionPattern = /^1@0\/[0-9A-F]+$/;

/** A session of an application's; errors of its connection are its own. */
async function client(server: TestServer, name: string, user = "app"): Promise<Client> {
  const made = new Client({
    ...server.clientConfig("app"),
    ...(user === "app" ? {} : server.clientConfig("remaster")),
    application_name: name,
  });
  made.on("error", () => undefined);
  await made.connect();
  return made;
}

async function fenced(cluster: TestCluster): Promise<boolean | null> {
  return nodeIn((await operatorOf(cluster).ask("status")).report, "n1").fenced;
}

/** SQLSTATE of what the server made of it; null where it did it. */
async function refusal(session: Client, statement: string): Promise<string | null> {
  return session.query(statement).then(
    () => null,
    (error: unknown) => (error as { code?: string }).code ?? "lost",
  );
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("another is promoted at its position, whatever the server itself has written since", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const n1 = cluster.server("n1");
    await sql(n1, "CREATE TABLE t (i int)");
    const operator = operatorOf(cluster);
    const fenceIt = async (): Promise<string> => {
      const { status, report } = await operator.change("fence", "n1", "--to", "n2");
      expect(status, report.summary).toBe(0);
      return report.steps?.[0]?.detail ?? "";
    };
    const position = await fenceIt();
    await sql(n1, "CHECKPOINT");
    const ahead = `SELECT pg_last_wal_replay_lsn() > '${position.split("@")[1] ?? ""}'`;
    await untilSees(cluster, ["n2", "n3"], { statement: ahead, value: "true" });
    const dry = await operator.ask("promote", "n2", "--require", position, "--dry-run");
    expect([dry.status, alarmsIn(dry.report)]).toEqual([0, []]);

    await sql(
      n1,
      "SET default_transaction_read_only = off",
      "SET synchronous_commit = local",
      "INSERT INTO t VALUES (1)",
    );
    const refused = await operator.change("promote", "n2", "--require", position);
    expect([refused.status, alarmsIn(refused.report)]).toEqual([
      5,
      expect.arrayContaining(["primary-answers n1"]),
    ]);
    expect(refused.report.findings[0]?.message).toContain(`was written to behind ${position}, at `);

    const again = await fenceIt();
    await sql(n1, "CHECKPOINT");
    const done = await operator.change("promote", "n2", "--require", again);
    expect([done.status, stepsIn(done.report)]).toEqual([
      0,
      [`done promote n2 --require ${again}`],
    ]);
  });

  test("ends who writes, keeps out who comes, and gives everything back", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const n1 = cluster.server("n1");
    await sql(
      n1,
      "CREATE TABLE t (i int)",
      "GRANT ALL ON t TO app",
      "CREATE ROLE special LOGIN PASSWORD 'x'",
      "ALTER ROLE special SET default_transaction_read_only = 'off'",
      "ALTER DATABASE postgres SET default_transaction_read_only = 'off'",
      "ALTER ROLE app IN DATABASE postgres SET default_transaction_read_only = 'off'",
    );
    const state = async () => [
      autoSettings(n1),
      await sql(n1, "SELECT setconfig FROM pg_db_role_setting ORDER BY 1"),
    ];
    const before = await state();
    const [writer, idler, spared] = [
      await client(n1, "shop"),
      await client(n1, "pool"),
      await client(n1, "dump"),
    ];
    await writer.query("BEGIN");
    await writer.query("INSERT INTO t VALUES (1)");
    const operator = operatorOf(cluster);

    const { status, report } = await operator.change("fence", "n1", "--spare", "dump,other");

    expect([status, stepsIn(report), alarmsIn(report)]).toEqual([
      0,
      ["done fence n1 --spare dump,other"],
      [],
    ]);
    const position = report.steps?.[0]?.detail ?? "";
    expect(position).toMatch(positionPattern);
    expect(await fenced(cluster)).toBe(true);
    expect(await refusal(writer, "COMMIT")).not.toBeNull();
    expect(await refusal(idler, "SELECT 1")).not.toBeNull();
    expect(await refusal(spared, "SELECT 1")).toBeNull();
    const late = await client(n1, "shop");
    expect(await refusal(late, "INSERT INTO t VALUES (2)")).toBe("25006");
    // The same once more, and by somebody else.
    const again = await operatorOf(cluster, { desk: "other" }).change(
      "fence",
      "n1",
      "--spare",
      "dump",
    );
    expect([again.status, stepsIn(again.report)]).toEqual([0, ["already fence n1 --spare dump"]]);
    await late.end();
    await spared.end();

    const open = await operatorOf(cluster, { desk: "other" }).change("unfence", "n1");

    expect([open.status, stepsIn(open.report)]).toEqual([0, ["done unfence n1"]]);
    expect(await state()).toEqual(before);
    expect(await fenced(cluster)).toBe(false);
    const back = await client(n1, "shop");
    expect(await refusal(back, "INSERT INTO t VALUES (3)")).toBeNull();
    expect((await back.query("SELECT i FROM t")).rows).toEqual([{ i: 3 }]);
    await back.end();
  });

  test("tells of who writes behind it all the same", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const n1 = cluster.server("n1");
    await sql(n1, "CREATE TABLE t (i int)");
    const rogue = await client(n1, "spared", "remaster");
    await rogue.query("SET synchronous_commit = local");
    const operator = operatorOf(cluster);
    const writing = { on: true };
    const writes = (async () => {
      while (writing.on) {
        await rogue.query("BEGIN READ WRITE");
        await rogue.query("INSERT INTO t VALUES (1)");
        await rogue.query("COMMIT");
      }
    })();
    const { status, report } = await operator.change("fence", "n1", "--spare", "spared");
    writing.on = false;
    await writes;
    await rogue.end();
    expect(status).toBe(8);
    expect(alarmsIn(report)).toContain("written-past-fence n1");
  });
});
