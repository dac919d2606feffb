// Forks made by real promotions: seen with their switchpoints, nothing changed while nobody says whose line is the
// cluster's, and the line that an operator accepts kept, the other left alone.

import { describe, expect, test } from "vitest";
import { alarmsIn, type CliReport, nodeIn, operatorOf, stepsIn } from "../support/cli.ts";
import {
  allSettings,
  countRows,
  expectLed,
  makeRows,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestServer, fewMajors } from "../support/cluster.ts";

/** As somebody does it by mistake; gives the LSN at which the new timeline began. */
async function promoteByHand(server: TestServer): Promise<string> {
  await sql(server, "SELECT pg_promote()");
  const [start = ""] = await sql(
    server,
    "SELECT substring(pg_read_file('pg_wal/00000002.history') FROM '[0-9A-F]+/[0-9A-F]+')",
  );
  return start;
}

function firstOf({ findings }: CliReport) {
  const [first] = findings;
  return first ?? null;
}

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("two promotions beside a primary: nothing is changed until a line is named", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    const [n1, n2, n3] = ["n1", "n2", "n3"].map((name) => cluster.server(name)) as [
      TestServer,
      TestServer,
      TestServer,
    ];
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10" });
    const early = await promoteByHand(n2);
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n3", "n4"], { statement: countRows, value: "20" });
    const late = await promoteByHand(n3);
    await sql(n1, "INSERT INTO rows VALUES (21)");
    await untilSees(cluster, ["n4"], { statement: countRows, value: "21" });
    for (const server of [n2, n3]) await sql(server, "INSERT INTO rows VALUES (0)");
    const before = allSettings(cluster);

    const seen = await operator.ask("status");
    expect(seen.status).toBe(1);
    expect(alarmsIn(seen.report)).toEqual(
      expect.arrayContaining(["several-primaries", "timeline-clash"]),
    );
    for (const words of [
      ["quiesce", "n4"],
      ["exchange", "--to", "n4"],
      ["promote", "n4"],
      ["repoint", "n4", "--to", "n2"],
      ["failover", "--primary-is-dead"],
    ]) {
      const { status, report } = await operator.change(...words);
      expect([words, status, alarmsIn(report)]).toEqual([words, 5, ["several-primaries"]]);
      const [finding] = report.findings;
      for (const part of ["n1 is at 1@", "n2 is at 2@", "n3 is at 2@", "(with n4)"]) {
        expect(finding?.message).toContain(part);
      }
      expect(finding?.hint).toContain("--accept-timeline 1");
      expect(finding?.hint).toContain(`--accept-timeline 2@${early}`);
      expect(finding?.hint).toContain(`--accept-timeline 2@${late}`);
    }
    const number = await operator.change("quiesce", "n4", "--accept-timeline", "2");
    expect([number.status, alarmsIn(number.report)]).toEqual([5, ["timeline-clash"]]);
    const unknown = await operator.change("quiesce", "n4", "--accept-timeline", "9");
    expect([unknown.status, alarmsIn(unknown.report)]).toEqual([5, ["timeline-unreported"]]);
    const elsewhere = ["--accept-timeline", `2@${late}`];
    const left = await operator.change("repoint", "n4", "--to", "n3", ...elsewhere);
    expect([left.status, alarmsIn(left.report)]).toEqual([5, ["off-accepted-line n4"]]);
    expect(allSettings(cluster)).toEqual(before);

    const kept = ["--accept-timeline", "1"];
    const stilled = await operator.change("quiesce", ...kept);
    expect([stilled.status, stepsIn(stilled.report)]).toEqual([0, ["done quiesce n4"]]);
    expect(alarmsIn(stilled.report)).toEqual(["off-accepted-line n2", "off-accepted-line n3"]);
    const promoted = await operator.change("promote", "n4", ...kept);
    expect([promoted.status, alarmsIn(promoted.report)]).toEqual([
      5,
      expect.arrayContaining(["primary-answers n1", "primary-answers n2", "primary-answers n3"]),
    ]);
    // What takes marks back asks for no such word.
    expect(await operator.change("unquiesce")).toMatchObject({ status: 0 });
    expect(allSettings(cluster)).toEqual(before);
  });

  test("a standby promoted by mistake, then the primary lost: the line that most went on is kept", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10" });
    await promoteByHand(cluster.server("n4"));
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "20" });
    await cluster.server("n1").kill();

    const seen = await operator.ask("status");
    expect(alarmsIn(seen.report)).toContain("timeline-fork");
    expect(firstOf(seen.report)?.message).toMatch(
      /n4 is at 2@\S+ and leads, n[23] is at 1@\S+ \(with n[23]\); they went different ways at 1@/,
    );
    const shown = await operator.run(["status"]);
    expect(shown.stdout).toMatch(/problem: nothing says whose line is the cluster's/);
    const before = allSettings(cluster);
    const refused = await operator.change("failover", "--primary-is-dead");
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["timeline-fork"]]);
    const beside = ["failover", "--primary-is-dead", "--accept-timeline", "1"];
    const second = await operator.change(...beside);
    expect([second.status, alarmsIn(second.report)]).toEqual([5, ["primary-answers n4"]]);
    expect(allSettings(cluster)).toEqual(before);

    // Once the stray one is stopped nothing is forked any more.
    expect(await operator.change("stop", "n4")).toMatchObject({ status: 0 });
    const { status, report } = await operator.change(
      "failover",
      "--primary-is-dead",
      "--accept-data-loss",
    );
    expect([status, report.topology?.primaries]).toEqual([0, ["n2"]]);
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["20"]);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("orphans of two lines: the accepted one gets a leader, the other is left alone", async () => {
    await using cluster = await startCluster({ major });
    const operator = operatorOf(cluster);
    const [n1, n2, n3, n4] = ["n1", "n2", "n3", "n4"].map((name) => cluster.server(name)) as [
      TestServer,
      TestServer,
      TestServer,
      TestServer,
    ];
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10" });
    expect(await operator.change("quiesce", "n4")).toMatchObject({ status: 0 });
    await promoteByHand(n3);
    await sql(n3, "INSERT INTO rows VALUES (100)");
    const repoint = ["repoint", "n4", "--to", "n3"];
    expect(await operator.change(...repoint)).toMatchObject({ status: 5 });
    const moved = await operator.change(...repoint, "--accept-timeline", "2");
    expect([moved.status, stepsIn(moved.report)]).toEqual([0, ["done repoint n4 --to n3"]]);
    await untilSees(cluster, ["n4"], { statement: "SELECT max(n) FROM rows", value: "100" });
    // The later timeline speaks for one line, the later commit for the other.
    await sql(n1, "SELECT pg_sleep(1.2)", "INSERT INTO rows VALUES (200)");
    await untilSees(cluster, ["n2"], { statement: "SELECT max(n) FROM rows", value: "200" });
    await Promise.all([n1.kill(), n3.kill()]);

    expect(alarmsIn((await operator.ask("status")).report)).toContain("timeline-fork");
    expect(await operator.ask("compare-lsn")).toMatchObject({ status: 1 });
    const chosen = await operator.ask("compare-lsn", "--accept-timeline", "2");
    expect(chosen.report.comparison?.candidate).toBe("n4");
    const failover = ["failover", "--primary-is-dead", "--accept-data-loss", "--accept-minority"];
    const refused = await operator.change(...failover);
    expect([refused.status, alarmsIn(refused.report)]).toEqual([5, ["timeline-fork"]]);
    const named = await operator.change(...failover, "--to", "n2");
    expect([named.status, alarmsIn(named.report)]).toEqual([5, ["timeline-fork"]]);
    const script = await operator.run([...failover, "--accept-timeline", "2", "--script"]);
    expect(script.stdout).toMatch(/^remaster\(\) .* --accept-timeline 2\b/m);

    const before = allSettings(cluster)["n2"];
    const { status, report } = await operator.change(...failover, "--accept-timeline", "2");
    expect([status, report.topology?.primaries]).toEqual([0, ["n4"]]);
    expect(alarmsIn(report)).toContain("off-accepted-line n2");
    expect(nodeIn(report, "n4").timeline).toBe(3);
    expect(await sql(n4, "SELECT max(n) FROM rows")).toEqual(["100"]);
    expect(allSettings(cluster)["n2"]).toEqual(before);
    expect(await sql(n2, "SELECT max(n) FROM rows")).toEqual(["200"]);
  });
});
