// Logical slots that a standby keeps by decoding for itself (16 and later): ready only where that is proven, and nothing missing
// after a failover. A consumer's ledger tells, under continuous writes, changes of the catalogues and vacuum.

import { Client, type ClientConfig } from "pg";
import { describe, expect, test } from "vitest";
import { type CliReport, type Operator, operatorOf } from "../support/cli.ts";
import { slotsOf, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";
import { Consumer, writeOn } from "../support/decoding.ts";
import { level, valueOf } from "../support/observing.ts";

const majors = testMajors.filter((major) => major >= 16);

const settings = { hot_standby_feedback: "on", max_replication_slots: "60" } as const;

function makeSlot(name: string, options = ""): string {
  return `SELECT pg_create_logical_replication_slot('${name}', 'test_decoding'${options})`;
}

/** Rows and vacuum go on while `work` does. */
async function underWrites(
  cluster: TestCluster,
  { on, first, consumer }: { on: string; first: number; consumer: Consumer },
  work: () => Promise<void>,
): Promise<number> {
  const stop = new AbortController();
  const server = cluster.server(on);
  const writing = writeOn(server, first, stop.signal);
  const reading = consumer.follow(server, stop.signal);
  try {
    await work();
  } finally {
    stop.abort();
    await reading;
  }
  return writing;
}

async function expectSynced(operator: Operator): Promise<void> {
  const { status, report } = await operator.change("slot-sync", "--no-physical");
  // That the slots could have the failover flag is a note.
  const told = report.findings.filter(({ severity }) => severity !== "note");
  expect([report.summary, told, status]).toEqual([expect.any(String), [], 0]);
  const checked = await operator.ask("slot-sync", "--check");
  expect([checked.report.findings, checked.status]).toEqual([[], 0]);
}

/** The first major that has them is covered in any case. */
describe.each([...new Set([16, ...majors])])("slots on standbys, PostgreSQL %d", (major) => {
  test("keep every row over two failovers", async () => {
    await using cluster = await startCluster({ major, standbys: 2, settings });
    const operator = operatorOf(cluster);
    const consumer = new Consumer("c1");
    const server = (name: string) => cluster.server(name);
    await sql(server("n1"), "CREATE TABLE ledger (n int)", makeSlot("c1"));
    let last = await underWrites(cluster, { on: "n1", first: 1, consumer }, async () => {
      await expectSynced(operator);
      await expectSynced(operator);
    });
    for (const [from, to, left] of [
      ["n1", "n2", ["n3"]],
      ["n2", "n3", []],
    ] as const) {
      await level(cluster, from, to, ...left);
      await server(from).kill();
      const done = await operator.change("failover", "--primary-is-dead", "--to", to);
      expect([done.report.summary, done.status]).toEqual([expect.anything(), 0]);
      last = await underWrites(cluster, { on: to, first: last + 1, consumer }, async () => {
        if (left.length === 0) return;
        const checked = await operator.ask("slot-sync", "--check", "--standby", ...left);
        expect(checked.status).toBe(1);
        await expectSynced(operator);
      });
      await consumer.take(server(to));
      const written = Array.from({ length: last }, (_, index) => index + 1);
      expect(consumer.ledger.rows).toEqual(written);
    }
    expect(consumer.ledger.repeats.length).toBeLessThan(last);
  });
});

describe.each(majors)("slots on standbys, PostgreSQL %d", (major) => {
  test("are judged, mended and left alone one by one", async () => {
    await using cluster = await startCluster({
      major,
      standbys: 2,
      cascade: { n3: "n2" },
      settings: { ...settings, max_replication_slots: "8" },
    });
    const operator = operatorOf(cluster);
    const [n1, n2, n3] = ["n1", "n2", "n3"].map((name) => cluster.server(name));
    if (n1 === undefined || n2 === undefined || n3 === undefined) throw new Error("no servers");
    await sql(n1, "CREATE TABLE ledger (n int)", "CREATE DATABASE other", makeSlot("a"));
    const consumer = new Consumer("a");
    await consumer.take(n1);
    await level(cluster, "n1", "n2", "n3");

    // Nothing there yet; a temporary slot is nobody's loss.
    const temporary = new Client(n1.clientConfig());
    await temporary.connect();
    await temporary.query(makeSlot("passing", ", true"));
    const before = await operator.ask("slot-sync", "--check");
    expect([before.status, lostIn(before.report)]).toEqual([
      1,
      ["a n2: n2 has no copy of it", "a n3: n3 has no copy of it"],
    ]);
    await temporary.end();

    // Made; its consumer has yet to come past the beginning of the copy. The standby of a standby as well.
    const made = await operator.change("slot-sync", "--no-physical");
    expect([made.status, lostIn(made.report)]).toEqual([
      8,
      [
        expect.stringMatching(/^a n2: its copy on n2 begins at .*, ahead of its consumer$/),
        expect.stringMatching(/^a n3: its copy on n3 begins at .*, ahead of its consumer$/),
      ],
    ]);
    await consumer.take(n1);
    await expectReady(operator);
    await expectSynced(operator);

    // Restarted, with what it has.
    await sql(n1, "INSERT INTO ledger VALUES (1)");
    await consumer.take(n1);
    await expectSynced(operator);
    await n2.stop();
    await n2.start();
    await untilSees(cluster, ["n1"], {
      statement: "SELECT count(*) FROM pg_stat_replication",
      value: "1",
    });
    await expectReady(operator);

    // Another slot, dropped again while its copies are there; one that a user has on the standby stays.
    await sql(n1, makeSlot("b"));
    const later = await operator.ask("slot-sync", "--check");
    expect([later.status, lostIn(later.report)]).toEqual([
      1,
      ["b n2: n2 has no copy of it", "b n3: n3 has no copy of it"],
    ]);
    await operator.change("slot-sync", "--no-physical");
    expect(await slotsOf(cluster, ["n2", "n3"])).toEqual({ n2: ["a", "b", "n3"], n3: ["a", "b"] });
    await makeOnStandby(cluster, "n2", "users");
    await sql(n1, "SELECT pg_drop_replication_slot('b')");
    const dropped = await operator.change("slot-sync", "--no-physical", "--slot", "b");
    expect([dropped.report.findings, dropped.status]).toEqual([[], 0]);
    expect(await slotsOf(cluster, ["n2", "n3"])).toEqual({ n2: ["a", "n3", "users"], n3: ["a"] });
    expect(await valueOf(cluster, "n3", "SHOW remaster.slots")).toMatch(/^a=1@[0-9A-F/]+$/);

    // Of the same name on the primary, of another kind: not touched, and no other one is held up by it.
    await sql(n1, "SELECT pg_create_logical_replication_slot('users', 'pgoutput')", makeSlot("c"));
    const mixed = await operator.change("slot-sync", "--no-physical", "--standby", "n2");
    expect(lostIn(mixed.report)).toEqual([
      expect.stringMatching(/^c n2: its copy on n2 begins at/),
      "users n2: n2 has another slot of that name (test_decoding in postgres)",
    ]);
    await sql(n1, "SELECT pg_drop_replication_slot('users')");
    await sql(n2, "SELECT pg_drop_replication_slot('users')");
    await operator.change("slot-sync", "--no-physical");
    await new Consumer("c").take(n1);
    await expectSynced(operator);

    // Dropped and made anew under its name: the copy goes with the new one.
    await sql(n1, "SELECT pg_drop_replication_slot('c')", makeSlot("c"));
    await new Consumer("c").take(n1);
    await expectSynced(operator);

    // Broken by a removal that nothing held up.
    await sql(n2, "ALTER SYSTEM SET hot_standby_feedback = off", "SELECT pg_reload_conf()");
    await untilSees(cluster, ["n1"], {
      statement: "SELECT catalog_xmin IS NULL FROM pg_replication_slots WHERE slot_name = 'n2'",
      value: "true",
    });
    const isBroken = "SELECT bool_or(conflicting)::text FROM pg_replication_slots";
    await expect
      .poll(
        async () => {
          await sql(n1, "CREATE TABLE gone (i int)", "DROP TABLE gone");
          for (const each of [consumer, new Consumer("c")]) {
            await sql(n1, "SELECT pg_log_standby_snapshot()");
            await each.take(n1);
          }
          await sql(n1, "VACUUM pg_class", "VACUUM pg_attribute", "VACUUM pg_type");
          return valueOf(cluster, "n2", isBroken);
        },
        { timeout: 20_000 },
      )
      .toBe("true");
    const off = await operator.change("slot-sync", "--no-physical", "--standby", "n2");
    expect([...new Set(lostIn(off.report))]).toEqual([
      "a n2: hot_standby_feedback is off on n2",
      "c n2: hot_standby_feedback is off on n2",
    ]);
    await sql(n2, "ALTER SYSTEM SET hot_standby_feedback = on", "SELECT pg_reload_conf()");
    await operator.change("slot-sync", "--no-physical");
    await consumer.take(n1);
    await new Consumer("c").take(n1);
    await expectSynced(operator);

    // No room left on one of them.
    await makeOnStandby(cluster, "n2", "u1", "u2", "u3", "u4", "u5");
    await sql(n1, makeSlot("d"));
    const full = await operator.change("slot-sync", "--no-physical", "--standby", "n2");
    expect(full.report.findings.map(({ message }) => message)).toContain(
      "slot d could not be brought level on n2: all its replication slots are in use (max_replication_slots)",
    );
    await sql(n1, "SELECT pg_drop_replication_slot('d')");

    // A database with its slots.
    await sql(n2, "SELECT pg_drop_replication_slot('u1')", "SELECT pg_drop_replication_slot('u2')");
    const other = new Client({ ...n1.clientConfig(), database: "other" });
    await other.connect();
    await other.query(makeSlot("o"));
    await operator.change("slot-sync", "--no-physical", "--slot", "o");
    expect((await slotsOf(cluster, ["n3"]))["n3"]).toContain("o");
    await other.query("SELECT pg_drop_replication_slot('o')");
    await other.end();
    await sql(n1, "DROP DATABASE other");
    await consumer.take(n1);
    await expectSynced(operator);
    expect(await slotsOf(cluster, ["n3"])).toEqual({ n3: ["a", "c"] });
  });

  test("that cannot come to be are told of in good time, and nothing stays of them", async () => {
    await using cluster = await startCluster({ major, standbys: 1, settings });
    const operator = operatorOf(cluster);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    await sql(n1, "CREATE TABLE ledger (n int)", makeSlot("a"));
    await new Consumer("a").take(n1);

    const long = new Client(n1.clientConfig());
    await long.connect();
    await long.query("BEGIN");
    await long.query("INSERT INTO ledger VALUES (1)");
    const waited = await operator.change("slot-sync", "--no-physical", "--timeout", "8");
    expect(waited.status).toBe(8);
    expect(notSynced(waited.report)).toMatch(
      /^slot a could not .*: time was up before it became consistent; it waits for the end of the transaction of process \d+ /,
    );
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: [] });
    await long.query("COMMIT");
    await long.end();

    await sql(n2, "SELECT pg_wal_replay_pause()");
    const began = performance.now();
    const paused = await operator.change("slot-sync", "--no-physical");
    expect(notSynced(paused.report)).toMatch(/: replay is paused on n2, /);
    expect(performance.now() - began).toBeLessThan(15_000);
    await sql(n2, "SELECT pg_wal_replay_resume()");

    await operator.change("slot-sync", "--no-physical");
    await new Consumer("a").take(n1);
    await expectSynced(operator);
    // A standby that lags keeps its copy where its replay is: ready, and more would come again.
    await sql(n2, "SELECT pg_wal_replay_pause()");
    await sql(n1, "INSERT INTO ledger VALUES (2)");
    await new Consumer("a").take(n1);
    const lagging = await operator.change("slot-sync", "--no-physical");
    expect([lagging.status, lagging.report.findings]).toEqual([0, []]);
    await sql(n2, "SELECT pg_wal_replay_resume()");

    // Somebody reads from it there.
    await level(cluster, "n1", "n2");
    const reader = new Client({ ...n2.clientConfig(), replication: "database" } as ClientConfig);
    reader.on("error", () => undefined);
    await reader.connect();
    const reading = reader.query("START_REPLICATION SLOT a LOGICAL 0/0").catch(() => undefined);
    await untilSees(cluster, ["n2"], {
      statement: "SELECT active::text FROM pg_replication_slots",
      value: "true",
    });
    const used = await operator.change("slot-sync", "--no-physical");
    expect(used.report.findings.map(({ message }) => message)).toContain(
      "slot a could not be brought level on n2: somebody uses the slot of that name on n2",
    );
    await Promise.all([reader.end(), reading]);

    // A standby that is late on purpose: ready once it has replayed what is held.
    const alter = "ALTER SYSTEM SET recovery_min_apply_delay =";
    await sql(n2, `${alter} '2s'`, "SELECT pg_reload_conf()");
    await sql(n1, makeSlot("e"), "INSERT INTO ledger VALUES (3)");
    const late = await operator.change("slot-sync", "--no-physical", "--slot", "e");
    expect(late.report.findings.map(({ code }) => code)).toContain("slot-would-be-lost");
    await new Consumer("e").take(n1);
    await sql(n1, "INSERT INTO ledger VALUES (4)");
    await level(cluster, "n1", "n2");
    await expectReady(operator);
  });

  test("of subscriptions, with two-phase commit and without", async () => {
    const prepared = { max_prepared_transactions: "10" };
    await using cluster = await startCluster({
      major,
      standbys: 1,
      settings: { ...settings, ...prepared },
    });
    await using elsewhere = await startCluster({ major, standbys: 0, settings: prepared });
    const operator = operatorOf(cluster);
    const [n1, n2] = [cluster.server("n1"), cluster.server("n2")];
    const subscriber = elsewhere.server("n1");
    const kinds = ["one", "two"];
    for (const kind of kinds) {
      await sql(subscriber, `CREATE TABLE ${kind} (n int PRIMARY KEY)`);
      await sql(
        n1,
        `CREATE TABLE ${kind} (n int PRIMARY KEY)`,
        `CREATE PUBLICATION ${kind} FOR TABLE ${kind}`,
      );
      await sql(
        subscriber,
        `CREATE SUBSCRIPTION ${kind} CONNECTION '${connectionOf(n1)}' PUBLICATION ${kind}
         WITH (copy_data = false, two_phase = ${kind === "two"})`,
      );
    }
    await sql(n1, "BEGIN", "INSERT INTO two VALUES (0)", "PREPARE TRANSACTION 'old'");
    const stop = new AbortController();
    const writing = prepareOn(n1, kinds, stop.signal);
    // No copy of a two-phase slot comes to be while an older prepared transaction stands: it would be sent twice.
    const barred = await operator.change(
      "slot-sync",
      "--no-physical",
      "--slot",
      "two",
      "--timeout",
      "7",
    );
    expect(barred.status).toBe(8);
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: [] });
    await sql(n1, "COMMIT PREPARED 'old'");
    await operator.change("slot-sync", "--no-physical");
    await untilReady(operator);
    await operator.change("slot-sync", "--no-physical");
    stop.abort();
    const last = await writing;
    // Prepared under one primary, committed under the next.
    for (const kind of kinds) {
      await sql(
        n1,
        "BEGIN",
        `INSERT INTO ${kind} VALUES (${last})`,
        `PREPARE TRANSACTION '${kind}'`,
      );
    }
    // An empty transaction is sent as well when it is prepared.
    await untilSees(elsewhere, ["n1"], {
      statement: "SELECT count(*) FROM pg_prepared_xacts",
      value: "2",
    });
    await level(cluster, "n1", "n2");
    await n1.kill();
    const done = await operator.change("failover", "--primary-is-dead", "--to", "n2");
    expect([done.report.summary, done.status]).toEqual([expect.anything(), 0]);
    for (const kind of kinds) {
      await sql(subscriber, `ALTER SUBSCRIPTION ${kind} CONNECTION '${connectionOf(n2)}'`);
      await sql(n2, `COMMIT PREPARED '${kind}'`, `INSERT INTO ${kind} VALUES (${last + 1})`);
    }
    for (const kind of kinds) {
      const statement = `SELECT string_agg(n::text, ',' ORDER BY n) FROM ${kind}`;
      const [value = ""] = await sql(n2, statement);
      await untilSees(elsewhere, ["n1"], { statement, value });
    }
    await sql(subscriber, ...kinds.map((kind) => `DROP SUBSCRIPTION ${kind}`));
  });

  test("fifty of them on three standbys", async () => {
    await using cluster = await startCluster({ major, standbys: 3, settings });
    const operator = operatorOf(cluster);
    const n1 = cluster.server("n1");
    const names = Array.from({ length: 50 }, (_, index) => `s${String(index).padStart(2, "0")}`);
    await sql(n1, ...names.map((name) => makeSlot(name)));
    const made = await operator.change("slot-sync", "--no-physical", "--timeout", "60");
    expect(made.report.findings.filter(({ code }) => code === "slot-not-synced")).toEqual([]);
    for (const name of names) {
      await sql(n1, `SELECT count(*) FROM pg_logical_slot_get_changes('${name}', NULL, NULL)`);
    }
    await expectSynced(operator);
  });
});

/** Slots that a failover would lose, with the reason: `slot standby: reason`. */
function notSynced({ findings }: CliReport): string | undefined {
  return findings.find(({ code }) => code === "slot-not-synced")?.message;
}

function lostIn({ findings }: CliReport): readonly string[] {
  return findings
    .filter(({ code }) => code === "slot-would-be-lost")
    .map(({ message }) =>
      message.replace(/^logical slot (\w+) .* by a failover to (\w+): /, "$1 $2: "),
    );
}

async function expectReady(operator: Operator): Promise<void> {
  const checked = await operator.ask("slot-sync", "--check");
  expect([checked.report.findings, checked.status]).toEqual([[], 0]);
}

/** As a user does it, who decodes on the standby. */
async function makeOnStandby(
  cluster: TestCluster,
  name: string,
  ...slots: readonly string[]
): Promise<void> {
  for (const slot of slots) {
    const made = sql(cluster.server(name), makeSlot(slot));
    const logging = setInterval(() => {
      void sql(cluster.server("n1"), "SELECT pg_log_standby_snapshot()");
    }, 100);
    await made.finally(() => {
      clearInterval(logging);
    });
  }
}

/** Waits until the consumers have confirmed enough. */
async function untilReady(operator: Operator): Promise<void> {
  await expect
    .poll(async () => (await operator.ask("slot-sync", "--check")).report.findings, {
      timeout: 30_000,
    })
    .toEqual([]);
}

function connectionOf(server: TestServer): string {
  const { host, port, user, password, database } = server.clientConfig();
  return `host=${host} port=${port} user=${user} password=${password} dbname=${database}`;
}

/** Writes to these tables, every third row by a two-phase commit, and changes the catalogues; gives the next number. */
async function prepareOn(
  server: TestServer,
  tables: readonly string[],
  stop: AbortSignal,
): Promise<number> {
  const client = new Client(server.clientConfig());
  await client.connect();
  let n = 1;
  for (; !stop.aborted; n += 1) {
    for (const table of tables) {
      const insert = `INSERT INTO ${table} VALUES (${n})`;
      if (n % 3 > 0) await client.query(insert);
      else await client.query(`BEGIN; ${insert}; PREPARE TRANSACTION 'g${n}'`);
      if (n % 3 === 0) await client.query(`COMMIT PREPARED 'g${n}'`);
    }
    if (n % 10 === 0) await client.query(`CREATE TABLE side_${n} (i int)`);
    if (n % 25 === 0) await client.query("VACUUM FULL pg_attribute");
  }
  await client.end();
  return n;
}
