// The role that `remaster role --print` makes: every verb works with it from 15 on, before that the refusal names the right
// that cannot be granted; and pg_monitor alone is enough to look.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { connect } from "../../src/postgres/connect.ts";
import { pointAt, settle } from "../../src/postgres/follow.ts";
import { quiesce } from "../../src/postgres/quiesce.ts";
import { connectOptions, conninfoOf, letIn } from "../support/access.ts";
import {
  alarmsIn,
  changedConfig,
  nodeIn,
  type Operator,
  operatorOf,
  stepsIn,
} from "../support/cli.ts";
import {
  allSettings,
  countRows,
  expectLed,
  makeRows,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { remaster } from "../support/program.ts";
import { tearTails } from "../support/torn-tail.ts";

/** A name that shows whether it stays in its quotes. */
const roleName = 'op "1" $role$';
const password = "planted-for-the-role";

async function printed(major: number, name = roleName): Promise<string> {
  const { status, stdout } = await remaster(["role", "--print", name, "--pg", String(major)]);
  expect(status).toBe(0);
  return stdout;
}

/** An operator that connects with another role than the cluster's superuser. */
async function operatorAs(cluster: TestCluster, user: string): Promise<Operator> {
  const passfile = join(cluster.directory, "role.pass");
  writeFileSync(passfile, `*:*:*:*:${password}\n`, { mode: 0o600 });
  for (const server of cluster.servers) {
    await letIn(server, ["host all all 127.0.0.1/32 scram-sha-256"]);
  }
  const config = changedConfig(cluster, "role", (text) =>
    text
      .replace('user = "remaster"', `user = ${JSON.stringify(user)}`)
      .replace(/passfile = .*/, `passfile = ${JSON.stringify(passfile)}`),
  );
  return operatorOf(cluster, { config, secrets: [password] });
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Makes the role as an operator would, and once more; gives who works with it. */
async function madeRole(cluster: TestCluster, major: number): Promise<Operator> {
  const statements = await printed(major);
  const alter = `ALTER ROLE ${quoted(roleName)} PASSWORD '${password}'`;
  const client = new Client(cluster.server("n1").clientConfig());
  await client.connect();
  for (const text of [statements, statements, alter]) await client.query(text);
  await client.end();
  const standbys = cluster.servers.map(({ name }) => name).filter((name) => name !== "n1");
  await untilSees(cluster, standbys, {
    statement: `SELECT count(*) FROM pg_authid WHERE rolname = '${roleName}' AND rolpassword IS NOT NULL`,
    value: "1",
  });
  return operatorAs(cluster, roleName);
}

const since15 = testMajors.filter((major) => major >= 15);
const before15 = testMajors.filter((major) => major < 15);

describe.each(since15)("the printed role, PostgreSQL %d", (major) => {
  test("looks and changes without superuser", async () => {
    await using cluster = await startCluster({ major });
    const operator = await madeRole(cluster, major);
    const status = await operator.ask("status");
    expect([status.status, status.report.findings]).toEqual([0, []]);
    const before = allSettings(cluster);
    const done = async (...words: readonly string[]) => {
      const { status: exit, report } = await operator.change(...words);
      expect([words, exit, alarmsIn(report)]).toEqual([words, 0, []]);
    };

    await done("quiesce", "n2");
    await makeRows(cluster, "n1", 100);
    await untilSees(cluster, ["n3", "n4"], { statement: countRows, value: "100" });
    const compared = await operator.ask("compare-lsn", "--to", "n2");
    expect(compared.report.comparison?.exchange).toMatchObject({ to: "n2" });
    await done("exchange", "--to", "n2", "--from", "n3");
    await untilSees(cluster, ["n2"], { statement: countRows, value: "100" });
    await done("unquiesce");
    expect(allSettings(cluster)).toEqual(before);
    await done("repoint", "n4", "--to", "n3");
    expect(nodeIn((await operator.ask("status")).report, "n4").upstream).toBe("n3");

    await done("stop", "n1");
    await done("promote", "n2");
    await done("repoint", "--all", "--to", "n2");
    await expectLed(cluster, operator, {
      by: "n2",
      timeline: 2,
      followers: { n3: "n2", n4: "n2" },
      // What n4 had there while it was below n3.
      idle: { n3: ["n4"] },
    });
  });

  test("hands the lead over, without the right to write a checkpoint too", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = await madeRole(cluster, major);
    const handOver = async (to: string) => {
      const { status, report } = await operator.change("switchover", "--to", to);
      expect([status, stepsIn(report)]).toEqual([0, expect.any(Array)]);
      return [alarmsIn(report), report.steps?.map(({ verb }) => verb) ?? []] as const;
    };
    expect(await handOver("n2")).toEqual([[], expect.arrayContaining(["checkpoint"])]);
    await sql(cluster.server("n2"), `REVOKE pg_checkpoint FROM ${quoted(roleName)}`);
    const noted = await operator.ask("status");
    expect(noted.report.findings).toMatchObject([{ code: "missing-right", severity: "note" }]);
    const alone = await operator.change("checkpoint", "n2");
    expect([alone.status, alarmsIn(alone.report)]).toEqual([5, ["missing-right n2"]]);
    expect(await handOver("n1")).toEqual([
      ["missing-right"],
      expect.not.arrayContaining(["checkpoint"]),
    ]);
  });

  test("keeps logical slots, by each way that the server has", async () => {
    const settings = { hot_standby_feedback: "on" };
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = await madeRole(cluster, major);
    const n1 = cluster.server("n1");
    const make = "SELECT pg_create_logical_replication_slot";
    await sql(n1, `${make}('a', 'test_decoding')`);
    if (major >= 17) await sql(n1, `${make}('b', 'test_decoding', false, false, true)`);
    const slots = major >= 17 ? ["a", "b"] : ["a"];
    const confirm = async (): Promise<void> => {
      for (const name of slots) {
        await sql(n1, `SELECT count(*) FROM pg_logical_slot_get_changes('${name}', NULL, NULL)`);
      }
    };
    await confirm();
    const restart = major < 16 ? ["--allow-restart"] : [];
    const over = new AbortController();
    const consuming = (async () => {
      while (!over.signal.aborted) await confirm();
    })();
    const made = await operator.change("slot-sync", "--configure", ...restart);
    over.abort();
    await consuming;
    const again = await operator.change("slot-sync");
    expect([again.status, ...alarmsIn(made.report), ...alarmsIn(again.report)]).toEqual([0]);
    const there =
      "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'logical' ORDER BY 1";
    expect(await sql(cluster.server("n2"), there)).toEqual(slots);
    if (major < 16) return;
    const mark = "SET, ALTER SYSTEM ON PARAMETER remaster.slots";
    await sql(n1, `REVOKE ${mark} FROM ${quoted(roleName)}`, `${make}('c', 'test_decoding')`);
    const refused = await operator.change("slot-sync", "--slot", "c");
    const messages = refused.report.findings.map(({ message }) => message);
    expect([refused.status, messages]).toEqual([
      8,
      expect.arrayContaining([expect.stringContaining(`it lacks ${mark}`)]),
    ]);
  });

  test("changes nothing that it may not see", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = await madeRole(cluster, major);
    const { before, n2 } = { before: allSettings(cluster), n2: cluster.server("n2") };
    await sql(cluster.server("n1"), `REVOKE pg_monitor FROM ${quoted(roleName)}`);
    const blind = `SELECT NOT pg_has_role('${roleName}', 'pg_monitor', 'USAGE')`;
    await untilSees(cluster, ["n2"], { statement: blind, value: "true" });
    for (const words of [["quiesce"], ["repoint", "n2", "--to", "n1"]]) {
      const { status, report } = await operator.change(...words);
      expect([words, status, alarmsIn(report)]).toEqual([
        words,
        5,
        expect.arrayContaining(["missing-right n2"]),
      ]);
    }
    const conninfo = { ...conninfoOf(n2.conninfo), user: roleName, passfile: "" };
    await using session = await connect({ ...conninfo, password }, connectOptions);
    const hidden = { done: false, refusal: { code: "missing-right" } };
    const keep = { blockers: "keep", settings: "checked", timeoutMs: 5_000 } as const;
    expect(await quiesce(session, keep)).toMatchObject(hidden);
    const upstream = { host: "127.0.0.1", hostaddr: null, port: 1 };
    expect(await pointAt(session, { upstream, slotName: null })).toMatchObject(hidden);
    expect(await settle(session, upstream, keep)).toMatchObject(hidden);
    expect(allSettings(cluster)).toEqual(before);
  });

  test("fails over, and heals a torn end of WAL", async () => {
    await using cluster = await startCluster({ major });
    const operator = await madeRole(cluster, major);
    await tearTails(cluster, { n2: "torn", n3: "torn", n4: "behind" });
    const { status, report } = await operator.change("failover", "--primary-is-dead", "--to", "n4");
    expect([status, report.outcome]).toEqual([0, "done"]);
    expect(report.steps?.map(({ verb }) => verb)).toContain("heal");
    expect(await sql(cluster.server("n4"), "SELECT count(*) FROM rows")).toEqual(["2"]);
    await expectLed(cluster, operator, {
      by: "n4",
      timeline: 2,
      followers: { n2: "n4", n3: "n4" },
    });
  });
});

describe.each(before15.length > 0 ? before15 : [14])(
  "the printed role before ALTER SYSTEM could be granted, PostgreSQL %d",
  (major) => {
    test("looks, and every change is refused with the right that is missing", async () => {
      await using cluster = await startCluster({ major, standbys: 2 });
      const operator = await madeRole(cluster, major);
      const { status, report } = await operator.ask("status");
      expect([status, alarmsIn(report)]).toEqual([0, []]);
      expect(report.findings.map(({ message }) => message).join()).toContain("SUPERUSER");
      expect(await operator.ask("compare-lsn")).toMatchObject({ status: 0 });
      const before = allSettings(cluster);
      for (const words of [["quiesce"], ["repoint", "n3", "--to", "n2"]]) {
        const refused = await operator.change(...words);
        expect([words, refused.status]).toEqual([words, 5]);
        expect(refused.report.findings[0]).toMatchObject({
          code: "missing-right",
          message: expect.stringMatching(/^the role lacks on n[23]: SUPERUSER$/) as string,
        });
      }
      await cluster.server("n1").kill();
      const failover = await operator.change("failover", "--primary-is-dead");
      expect([failover.status, alarmsIn(failover.report)]).toEqual([5, ["missing-right n2"]]);
      expect(allSettings(cluster)).toEqual(before);
    });
  },
);

describe.each(testMajors)("pg_monitor alone, PostgreSQL %d", (major) => {
  test("is enough to look, and what it cannot know is said", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await sql(
      cluster.server("n1"),
      `CREATE ROLE watcher LOGIN PASSWORD '${password}' IN ROLE pg_monitor`,
    );
    await untilSees(cluster, ["n2", "n3"], {
      statement: "SELECT count(*) FROM pg_authid WHERE rolname = 'watcher'",
      value: "1",
    });
    const operator = await operatorAs(cluster, "watcher");
    const { status, report } = await operator.ask("status");
    const unseen = ["missing-right n1", "missing-right n2", "missing-right n3"];
    expect([status, alarmsIn(report)]).toEqual([0, unseen]);
    expect(nodeIn(report, "n3")).toMatchObject({ upstream: "n1", streaming: true, timeline: 1 });
    const messages = report.findings.map(({ code, message }) => `${code}: ${message}`);
    expect(messages).toEqual([
      ...["n1", "n2", "n3"].map(
        (name) => `missing-right: without REPLICATION some of ${name} is not known`,
      ),
      expect.stringMatching(/^missing-right: verbs that change servers would be refused/),
    ]);

    // A standby that receives nothing does not say its timeline to this role.
    await cluster.cut("n3");
    await expect
      .poll(async () => nodeIn((await operator.ask("status")).report, "n3").position, {
        timeout: 20_000,
      })
      .toBeNull();
    const compared = await operator.ask("compare-lsn");
    const n3 = compared.report.comparison?.ranking.find(({ node }) => node === "n3");
    expect(n3?.reasons.join()).toContain("its position cannot be known without REPLICATION");
  });
});
