// Subscriptions of another server whose slots have the failover flag (17 and later), made with it and given it afterwards: the
// subscriber gets every row of whoever leads once, after a failover in the middle of the writes and after a switchover.

import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { alarmsIn, operatorOf } from "../support/cli.ts";
import { sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, testMajors, type TestServer } from "../support/cluster.ts";
import { writeRows } from "../support/ledger-consumer.ts";

/** Each from a table of its own, of which one is written with the other. */
const subscriptions = [
  { name: "made", table: "rows", failover: true },
  { name: "given", table: "twins", failover: false },
] as const;

function connectionOf(server: TestServer): string {
  const { host, port, user, password, database } = server.clientConfig();
  return `host=${host} port=${port} user=${user} password=${password} dbname=${database}`;
}

const numbers = (table: string): string =>
  `SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM ${table}`;

describe.each(testMajors.filter((major) => major >= 17))("PostgreSQL %d", (major) => {
  test("subscriptions get every row once, after a failover and after a switchover", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await using elsewhere = await startCluster({ major, standbys: 0 });
    const operator = operatorOf(cluster);
    const [n1, subscriber] = [cluster.server("n1"), elsewhere.server("n1")];
    await sql(
      n1,
      "CREATE TABLE rows (n int)",
      "CREATE TABLE twins (n int)",
      "CREATE RULE twin AS ON INSERT TO rows DO ALSO INSERT INTO twins VALUES (NEW.n)",
      ...subscriptions.map(({ name, table }) => `CREATE PUBLICATION ${name} FOR TABLE ${table}`),
    );
    for (const { name, table, failover } of subscriptions) {
      await sql(
        subscriber,
        `CREATE TABLE ${table} (n int)`,
        `CREATE SUBSCRIPTION ${name} CONNECTION '${connectionOf(n1)}' PUBLICATION ${name}
         WITH (copy_data = false, failover = ${failover})`,
      );
    }
    await using writer = writeRows(n1);

    // The flag of a slot that a subscription holds cannot be set; while it is disabled it can.
    const held = await operator.change("slot-failover", "n1", "--slot", "given");
    expect([held.status, alarmsIn(held.report)]).toEqual([7, ["step-failed n1"]]);
    await sql(subscriber, "ALTER SUBSCRIPTION given DISABLE");
    await untilSees(cluster, ["n1"], {
      statement: "SELECT active FROM pg_replication_slots WHERE slot_name = 'given'",
      value: "false",
    });
    const ready = async (...words: readonly string[]) => {
      const { status, report } = await operator.change("slot-sync", "--configure", ...words);
      expect([status, alarmsIn(report)]).toEqual([0, []]);
      const checked = await operator.ask("slot-sync", "--check");
      expect([checked.status, checked.report.findings]).toEqual([0, []]);
    };
    const { status: flagged } = await operator.change("slot-failover", "n1", "--slot", "given");
    expect(flagged).toBe(0);
    await sql(subscriber, "ALTER SUBSCRIPTION given ENABLE");
    await ready();

    /** What the table of the new primary has now must come to be at the subscriber, and nothing else. */
    const follow = async (to: string) => {
      const server = cluster.server(to);
      for (const { name } of subscriptions) {
        await sql(subscriber, `ALTER SUBSCRIPTION ${name} CONNECTION '${connectionOf(server)}'`);
      }
      writer.moveTo(server);
      await setTimeout(300);
    };
    const expectWhole = async (at: TestServer) => {
      for (const { table } of subscriptions) {
        const [value = ""] = await sql(at, numbers(table));
        const last = value.split(",").at(-1) ?? "";
        await untilSees(elsewhere, ["n1"], {
          statement: `SELECT string_agg(n::text, ',' ORDER BY n) FROM ${table} WHERE n <= ${last}`,
          value,
        });
      }
    };

    // In the middle of the writes: what n2 has not received, no subscriber got either.
    await n1.kill();
    const failed = await operator.change(
      ...["failover", "--primary-is-dead", "--to", "n2", "--accept-data-loss"],
    );
    expect([failed.status, alarmsIn(failed.report)]).toEqual([0, []]);
    await follow("n2");
    await expectWhole(cluster.server("n2"));
    await ready();
    const over = await operator.change("switchover", "--to", "n3");
    // n3 has nobody left to keep copies, and no setting that says so.
    expect([over.status, alarmsIn(over.report)]).toEqual([
      0,
      ["node-unreachable n1", "synchronized-slots-unfit n3"],
    ]);
    await follow("n3");
    await expectWhole(cluster.server("n3"));
    await sql(subscriber, ...subscriptions.map(({ name }) => `DROP SUBSCRIPTION ${name}`));
  });
});
