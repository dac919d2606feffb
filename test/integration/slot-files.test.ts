// Logical slots that survive a failover before 16: the slot's files on the standby, what vouches for them, and that no row is
// lost or out of order for a consumer that goes on from the copy, with DDL and vacuumed catalogues in between.

import { Client } from "pg";
import { describe, expect, test } from "vitest";
import {
  changedConfig,
  type CliResult,
  operatorOf,
  stepsIn,
  withNodeLines,
} from "../support/cli.ts";
import { sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";
import { holdStarts } from "../support/held-starts.ts";

const majors = testMajors.filter((major) => major < 16);

/** A consumer through SQL functions: what it got stands in its ledger. */
class Consumer {
  readonly ledger: number[] = [];
  readonly slot: string;

  constructor(slot: string) {
    this.slot = slot;
  }

  /** Gets what there is and confirms it. */
  async read(server: TestServer): Promise<void> {
    const rows = await sql(
      server,
      `SELECT data FROM pg_logical_slot_get_changes('${this.slot}', NULL, NULL, 'skip-empty-xacts', '1')`,
    );
    for (const row of rows) {
      const [, n] = /INSERT: n\[integer\]:(\d+)/.exec(row) ?? [];
      if (n !== undefined) this.ledger.push(Number(n));
    }
  }

  /** Every number up to `last` once and in order, apart from what came again. */
  expectWhole(last: number): void {
    const seen = new Set<number>();
    const first = this.ledger.filter((n) => !seen.has(n) && seen.add(n));
    expect(first).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  }
}

/** Writes rows with DDL between them, each table and column used by what is decoded. */
class Writer {
  last = 0;

  async write(server: TestServer, count: number): Promise<void> {
    const statements: string[] = [];
    for (let index = 0; index < count; index += 1) {
      this.last += 1;
      const column = `c${this.last}`;
      statements.push(
        `ALTER TABLE rows ADD COLUMN ${column} text DEFAULT 'x'`,
        `INSERT INTO rows (n, ${column}) VALUES (${this.last}, 'y')`,
        `ALTER TABLE rows DROP COLUMN ${column}`,
      );
    }
    await sql(server, ...statements);
  }
}

async function churn(server: TestServer): Promise<void> {
  await sql(
    server,
    ...Array.from({ length: 5 }, (_, n) => `CREATE TABLE churn_${n} (a int, b text)`),
    ...Array.from({ length: 5 }, (_, n) => `DROP TABLE churn_${n}`),
    "VACUUM FREEZE pg_catalog.pg_attribute",
    "VACUUM FREEZE pg_catalog.pg_class",
    "VACUUM FREEZE pg_catalog.pg_type",
    "VACUUM FREEZE pg_catalog.pg_attrdef",
    "CHECKPOINT",
  );
}

async function start(major: number, standbys = 1): Promise<TestCluster> {
  return startCluster({
    major,
    standbys,
    settings: { hot_standby_feedback: "on", max_replication_slots: "12" },
  });
}

const copyOn = "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'";
const holds =
  "SELECT slot_name || ' ' || (catalog_xmin IS NOT NULL) || ' ' || (restart_lsn IS NULL) FROM pg_replication_slots WHERE slot_name LIKE 'remasterhold%' ORDER BY 1";

/** Kills an operator who has stopped the standby, before he starts it. */
async function killBeforeStart(cluster: TestCluster, node: string): Promise<void> {
  const held = holdStarts(cluster, node);
  const words = ["slot-sync", "--allow-restart", "--yes"];
  const { signal } = await operatorOf(cluster, { config: held.config }).run(words, {
    onStart: (child) => void held.first().then(() => child.kill("SIGKILL")),
  });
  expect(signal).toBe("SIGKILL");
}

/** The exit status, and all that was told. */
function ending({ status, report }: CliResult): readonly [number | null, readonly string[]] {
  return [status, report.findings.map(({ code, message }) => `${code}: ${message}`)];
}

function slotFindings({ report }: CliResult): readonly string[] {
  return report.findings
    .filter(({ code }) => code.startsWith("slot-"))
    .map(({ message, hint }) => `${message} | ${hint ?? ""}`);
}

describe.each(majors)("PostgreSQL %d", (major) => {
  test("a consumer goes on from the copy: every row once and in order", async () => {
    await using cluster = await start(major, 2);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const operator = operatorOf(cluster);
    const [writer, consumer, late] = [new Writer(), new Consumer("ledger"), new Consumer("late")];
    await sql(
      n1,
      "CREATE TABLE rows (n int)",
      "SELECT pg_create_logical_replication_slot('ledger', 'test_decoding')",
      "SELECT pg_create_logical_replication_slot('late', 'test_decoding')",
    );
    await writer.write(n1, 3);
    await consumer.read(n1);
    await late.read(n1);

    // Without leave to restart: told, and nothing is changed.
    const told = await operator.change("slot-sync");
    expect(told.status).toBe(8);
    expect(slotFindings(told)[0]).toContain("--allow-restart");
    expect(await sql(n2, copyOn)).toEqual(["0"]);
    expect(await sql(n1, holds)).toEqual([]);

    // A transaction runs over several snapshots, and another begins while it does: neither may be passed over.
    const long = new Client(n1.clientConfig());
    const inner = new Client(n1.clientConfig());
    for (const client of [long, inner]) {
      client.on("error", () => undefined);
      await client.connect();
      await client.query("BEGIN");
      if (client === long) {
        writer.last += 1;
        await long.query(`INSERT INTO rows (n) VALUES (${writer.last})`);
        await sql(n1, "CHECKPOINT");
        await consumer.read(n1);
        await sql(n1, "CHECKPOINT");
      }
    }
    await inner.query(`INSERT INTO rows (n) VALUES (${writer.last + 1})`);
    await long.query("COMMIT");
    for (let round = 0; round < 3; round += 1) {
      await sql(n1, "CHECKPOINT");
      await consumer.read(n1);
    }
    const done = await operator.change("slot-sync", "--allow-restart");
    expect([stepsIn(done.report), slotFindings(done)]).toEqual([
      [
        "done slot-sync --standby n2 --slot late,ledger --allow-restart",
        "done slot-sync --standby n3 --slot late,ledger --allow-restart",
      ],
      [],
    ]);
    expect(done.status).toBe(0);
    expect(await sql(n1, holds)).toEqual([
      "remasterhold_n2_t1 true true",
      "remasterhold_n3_t1 true true",
    ]);
    expect((await operator.ask("slot-sync", "--check")).status).toBe(0);
    writer.last += 1;
    await inner.query("COMMIT");
    await long.end();
    await inner.end();

    // The copies go on with their consumers and need no restart for it; what is not read yet stays.
    for (let round = 0; round < 3; round += 1) {
      await writer.write(n1, 3);
      await churn(n1);
      await consumer.read(n1);
      const pass = await operator.change("slot-sync");
      expect(ending(pass)).toEqual([0, []]);
    }
    const [before] = await sql(
      n2,
      "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'ledger'",
    );
    await writer.write(n1, 2);
    await churn(n1);
    await consumer.read(n1);
    await operator.change("slot-sync");
    const [after] = await sql(
      n2,
      "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'ledger'",
    );
    expect(after).not.toBe(before);
    await writer.write(n1, 2);
    await churn(n1);
    // Between two passes: still proven.
    expect((await operator.ask("slot-sync", "--check")).status).toBe(0);
    const [end] = await sql(n1, "SELECT pg_current_wal_lsn()");
    await untilSees(cluster, ["n2", "n3"], {
      statement: `SELECT pg_last_wal_replay_lsn() >= '${end ?? ""}'`,
      value: "true",
    });
    await n1.kill();
    const failover = await operator.change("failover", "--to", "n2");
    expect(ending(failover)).toEqual([
      0,
      [expect.stringContaining("2 logical slots go on on n2 (late, ledger)")],
    ]);
    await writer.write(n2, 2);
    await churn(n2);
    await consumer.read(n2);
    await late.read(n2);
    consumer.expectWhole(writer.last);
    late.expectWhole(writer.last);

    // What vouched on the old timeline does not on the new one; one pass without a restart mends it.
    const stale = await operator.ask("slot-sync", "--check");
    expect(stale.status).toBe(1);
    const again = await operator.change("slot-sync");
    expect(ending(again)).toEqual([0, []]);
    expect(await sql(n2, holds)).toEqual(["remasterhold_n3_t2 true true"]);
  });

  test("what looks fine and is not proven is not ready, and the next pass mends it", async () => {
    await using cluster = await start(major);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const operator = operatorOf(cluster);
    const [writer, consumer] = [new Writer(), new Consumer("ledger")];
    const isReady = async (): Promise<string> => {
      const { status, report } = await operator.ask("slot-sync", "--check");
      return status === 0 ? "ready" : (report.findings[0]?.message ?? "").replace(/^.*?: /, "");
    };
    const goOn = async (): Promise<void> => {
      for (let round = 0; round < 3; round += 1) {
        await writer.write(n1, 1);
        await churn(n1);
        await consumer.read(n1);
      }
    };
    const slots = (server: TestServer) =>
      sql(server, "SELECT slot_name FROM pg_replication_slots ORDER BY 1");
    await sql(
      n1,
      "CREATE TABLE rows (n int)",
      "SELECT pg_create_logical_replication_slot('ledger', 'test_decoding')",
    );
    await goOn();

    // No room there: it would not start with the slot.
    const fill = Array.from({ length: 12 }, (_, n) => `full_${n}`);
    await sql(n2, ...fill.map((name) => `SELECT pg_create_physical_replication_slot('${name}')`));
    const [started] = await sql(n2, "SELECT pg_postmaster_start_time()");
    const full = await operator.change("slot-sync", "--allow-restart");
    expect([full.status, slotFindings(full)[0]]).toEqual([
      8,
      expect.stringContaining("max_replication_slots of n2 has room for 0 more slots"),
    ]);
    await sql(n2, ...fill.map((name) => `SELECT pg_drop_replication_slot('${name}')`));
    expect(await sql(n2, "SELECT pg_postmaster_start_time()")).toEqual([started]);

    // The topology file says of no data directory.
    const remote = changedConfig(cluster, "remote", (text) =>
      withNodeLines(text.replaceAll(/^control.*\n/gm, ""), "n2", 'control.stop = "true"'),
    );
    const far = operatorOf(cluster, { config: remote });
    const refused = await far.change("slot-sync", "--allow-restart");
    expect([refused.status, slotFindings(refused)[0]]).toEqual([
      8,
      expect.stringContaining("gives no control.pg_ctl of it"),
    ]);
    expect([await slots(n1), await slots(n2)]).toEqual([["ledger", "n2"], []]);

    // Killed where the standby is down: once it runs again its copy is there, and nothing vouches for it. What held WAL for it stays
    // for one pass.
    await killBeforeStart(cluster, "n2");
    await n2.start();
    const left = "remasterhold_n2_t1";
    expect([await slots(n1), await slots(n2)]).toEqual([
      ["ledger", "n2"],
      ["ledger", left],
    ]);
    const notHeld = "the catalogue rows that its copy on n2 needs are not held on the primary";
    expect(await isReady()).toBe(notHeld);
    await goOn();
    expect([(await operator.change("slot-sync")).status, await isReady()]).toEqual([0, "ready"]);
    expect([await slots(n1), await slots(n2)]).toEqual([["ledger", "n2", left], ["ledger"]]);

    // Feedback off and on again, vacuumed in between, and nobody's hold: what the physical slot shows looks fine.
    await sql(n1, "SELECT pg_drop_replication_slot('remasterhold_n2_t1')");
    await sql(n2, "ALTER SYSTEM SET hot_standby_feedback = off", "SELECT pg_reload_conf()");
    const held = "SELECT catalog_xmin IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'n2'";
    await untilSees(cluster, ["n1"], { statement: held, value: "false" });
    expect(await isReady()).toBe("hot_standby_feedback is off on n2");
    await goOn();
    await sql(n2, "ALTER SYSTEM SET hot_standby_feedback = on", "SELECT pg_reload_conf()");
    await untilSees(cluster, ["n1"], { statement: held, value: "true" });
    expect(await isReady()).toBe(notHeld);
    expect([(await operator.change("slot-sync")).status, await isReady()]).toEqual([0, "ready"]);

    const slotName = (name: string) => [
      `ALTER SYSTEM SET primary_slot_name = '${name}'`,
      "SELECT pg_reload_conf()",
    ];
    await sql(n2, ...slotName(""));
    expect(await isReady()).toBe("n2 streams without a physical slot (primary_slot_name)");
    await sql(n2, ...slotName("n2"));

    // Made anew under the same name: the copy is brought to it, and asks for no row twice from before.
    await consumer.read(n1);
    await sql(
      n1,
      "SELECT pg_drop_replication_slot('ledger')",
      "SELECT pg_create_logical_replication_slot('ledger', 'test_decoding')",
    );
    await goOn();
    expect([(await operator.change("slot-sync")).status, await isReady()]).toEqual([0, "ready"]);
    await goOn();
    const [end] = await sql(n1, "SELECT pg_current_wal_lsn()");
    await untilSees(cluster, ["n2"], {
      statement: `SELECT pg_last_wal_replay_lsn() >= '${end ?? ""}'`,
      value: "true",
    });
    await n1.kill();
    expect((await operator.change("failover", "--to", "n2")).status).toBe(0);
    await writer.write(n2, 1);
    await consumer.read(n2);
    consumer.expectWhole(writer.last);
  });
});
