// Giving standbys another upstream, by the verb alone: what is kept of the old setting, who is refused, and what comes back
// when a standby does not reach where it was led.

import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { markQuiesced } from "../../src/conninfo/override.ts";
import { parseConninfo } from "../../src/conninfo/parse.ts";
import { alarmsIn, nodeIn, type Operator, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, makeRows, slotsOf, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";

async function setConninfo(server: TestServer, value: string): Promise<void> {
  const quoted = value.replaceAll("'", "''");
  await sql(server, `ALTER SYSTEM SET primary_conninfo = '${quoted}'`, "SELECT pg_reload_conf()");
}

async function conninfoOf(server: TestServer): Promise<Readonly<Record<string, string>>> {
  const parsed = parseConninfo((await sql(server, "SHOW primary_conninfo"))[0] ?? "");
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.conninfo;
}

describe.each(testMajors)("what a repoint leaves behind, PostgreSQL %d", (major) => {
  test("no mark that somebody's reload would bring to life", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const n2 = cluster.server("n2");
    const before = allSettings(cluster);
    const [shown = ""] = await sql(n2, "SHOW primary_conninfo");
    const marked = markQuiesced(shown);
    if (!marked.ok) throw new Error(marked.message);
    await sql(n2, `ALTER SYSTEM SET primary_conninfo = '${marked.value.replaceAll("'", "''")}'`);

    const operator = operatorOf(cluster);
    const repoint = async () =>
      stepsIn((await operator.change("repoint", "n2", "--to", "n1")).report);
    expect(await repoint()).toEqual(["done repoint n2 --to n1"]);
    expect(allSettings(cluster)).toEqual(before);
    expect(await sql(n2, "SHOW primary_conninfo")).toEqual([shown]);
    expect(await repoint()).toEqual(["already repoint n2 --to n1"]);
  });

  test("the slot that remaster made goes, once nobody uses it; one of somebody's own stays", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const slots = () => slotsOf(cluster, ["n1", "n2"]);
    expect(await slots()).toEqual({ n1: ["n2", "n3"], n2: [] });
    const move = async (to: string) =>
      stepsIn((await operator.change("repoint", "n3", "--to", to)).report);
    expect(await move("n2")).toEqual(["done repoint n3 --to n2"]);
    expect(await slots()).toEqual({ n1: ["n2", "n3"], n2: ["n3"] });

    const n3 = cluster.server("n3");
    await sql(n3, "ALTER SYSTEM SET primary_slot_name = ''", "SELECT pg_reload_conf()");
    await untilSees(cluster, ["n3"], { statement: "SHOW primary_slot_name", value: "" });
    expect(await move("n1")).toEqual(["done repoint n3 --to n1"]);
    expect(await slots()).toEqual({ n1: ["n2", "n3", "remaster_n3"], n2: ["n3"] });
    expect(await move("n2")).toEqual([
      "done repoint n3 --to n2",
      "done drop-slot n1 --slot remaster_n3",
    ]);
    expect(await slots()).toEqual({ n1: ["n2", "n3"], n2: ["n3", "remaster_n3"] });
    const { status, report } = await operator.ask("repoint", "n3", "--to", "n1", "--dry-run");
    expect([status, report.plan?.stages.map(({ steps }) => steps[0]?.verb)]).toEqual([
      0,
      ["repoint", "drop-slot"],
    ]);

    // Gone for good, it cannot be asked.
    await cluster.server("n2").kill();
    const last = await operator.change("repoint", "n3", "--to", "n1");
    expect([last.status, stepsIn(last.report)]).toEqual([0, ["done repoint n3 --to n1"]]);
    expect(last.report.findings).toMatchObject([
      {
        code: "slot-left",
        severity: "note",
        node: "n2",
        hint: "`remaster drop-slot n2 --slot remaster_n3`",
      },
    ]);
  });
});

describe.each(testMajors)("repoint, PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let operator: Operator;
  beforeAll(async () => {
    // A first attempt that fails would be the last one for an hour.
    cluster = await startCluster({ major, settings: { wal_retrieve_retry_interval: "1h" } });
    operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 10);
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });
  const server = (name: string): TestServer => cluster.server(name);

  /** Standby to its upstream, where WAL flows. */
  async function edges(): Promise<Readonly<Record<string, string | null>>> {
    const { report } = await operator.ask("status");
    expect(alarmsIn(report)).toEqual([]);
    return Object.fromEntries(
      ["n2", "n3", "n4"].map((name) => {
        const { upstream, streaming } = nodeIn(report, name);
        return [name, streaming === true ? upstream : null];
      }),
    );
  }

  /** Nothing is changed, and the refusal names its reasons. */
  async function expectRefused(words: readonly string[], alarms: readonly string[]): Promise<void> {
    const before = allSettings(cluster);
    const slots = await slotsOf(cluster, ["n1", "n2", "n3", "n4"]);
    const { status, report } = await operator.change(...words);
    expect([words, status, alarmsIn(report)]).toEqual([words, 5, alarms]);
    expect(allSettings(cluster)).toEqual(before);
    expect(await slotsOf(cluster, ["n1", "n2", "n3", "n4"])).toEqual(slots);
  }

  test("is not refused for what was written between two looks", async () => {
    const writer = new Client(server("n1").clientConfig());
    await writer.connect();
    await writer.query("CREATE TABLE busy (n int)");
    const stop = new AbortController();
    const writing = (async () => {
      while (!stop.signal.aborted) {
        await writer.query("INSERT INTO busy SELECT generate_series(1, 50)");
      }
    })();
    try {
      for (let round = 0; round < 8; round += 1) {
        for (const [node = "", to = ""] of [
          ["n2", "n1"],
          ["n3", "n2"],
        ]) {
          const { status, report } = await operator.ask("repoint", node, "--to", to, "--dry-run");
          expect([status, alarmsIn(report)]).toEqual([0, []]);
        }
      }
    } finally {
      stop.abort();
      await writing;
      await writer.query("DROP TABLE busy");
      await writer.end();
    }
  });

  test("tells one whose replay is held up, and takes nothing back", async () => {
    const n3 = server("n3");
    await sql(n3, "SELECT pg_wal_replay_pause()");
    await sql(server("n1"), "INSERT INTO rows VALUES (-1)");
    await untilSees(cluster, ["n3"], {
      statement: "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()",
      value: "true",
    });
    const told = await operator.change("repoint", "n3", "n4", "--to", "n2");
    expect(stepsIn(told.report)).toEqual([
      "done repoint n3 --to n2 --no-wait",
      "done repoint n4 --to n2",
    ]);
    expect([told.status, alarmsIn(told.report)]).toEqual([0, ["replay-held-up n3"]]);
    await sql(n3, "SELECT pg_wal_replay_resume()", "SELECT pg_reload_conf()");
    const settled = await operator.change("repoint", "n3", "--to", "n2");
    expect([settled.status, stepsIn(settled.report)]).toEqual([0, ["done repoint n3 --to n2"]]);
    expect(await edges()).toEqual({ n2: "n1", n3: "n2", n4: "n2" });
    expect((await operator.change("repoint", "n3", "n4", "--to", "n1")).status).toBe(0);
    await sql(server("n1"), "DELETE FROM rows WHERE n = -1");
  });

  test("keeps what still makes sense of a keyword string and of a URI, on an idle cluster", async () => {
    const { port = "", passfile = "", ...own } = await conninfoOf(server("n3"));
    await setConninfo(
      server("n3"),
      `host=nowhere.invalid hostaddr=127.0.0.1 port=${port} user=${own["user"] ?? ""} dbname=postgres passfile=${passfile} application_name=n3 sslmode=allow connect_timeout=3 options='-c wal_sender_timeout=70s' target_session_attrs=read-write`,
    );
    const n4User = (await conninfoOf(server("n4")))["user"] ?? "";
    await setConninfo(
      server("n4"),
      `postgresql://${n4User}@127.0.0.1:${port}/postgres?passfile=${encodeURIComponent(passfile)}&application_name=n4&sslmode=prefer&target_session_attrs=read-write`,
    );
    await untilSees(cluster, ["n3", "n4"], {
      statement: "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'",
      value: "1",
    });

    const { status, report } = await operator.change("repoint", "n3", "n4", "--to", "n2");

    expect(stepsIn(report)).toEqual(["done repoint n3 --to n2", "done repoint n4 --to n2"]);
    expect(status).toBe(0);
    expect(await edges()).toEqual({ n2: "n1", n3: "n2", n4: "n2" });
    const [toN2, kept] = [String(server("n2").port), { dbname: "postgres", passfile }];
    expect(await conninfoOf(server("n3"))).toEqual({
      ...kept,
      host: "127.0.0.1",
      port: toN2,
      user: own["user"],
      application_name: "n3",
      sslmode: "allow",
      connect_timeout: "3",
      options: "-c wal_sender_timeout=70s",
    });
    expect(await conninfoOf(server("n4"))).toEqual({
      ...kept,
      host: "127.0.0.1",
      port: toN2,
      user: n4User,
      application_name: "n4",
      sslmode: "prefer",
    });
    for (const name of ["n3", "n4"]) {
      expect(await server(name).log()).not.toMatch(/replication slot .* does not exist/);
    }
    expect(await slotsOf(cluster, ["n2"])).toEqual({ n2: ["n3", "n4"] });
    const again = await operator.change("repoint", "n3", "--to", "n2");
    expect(stepsIn(again.report)).toEqual(["already repoint n3 --to n2"]);
  });

  test("moves everybody, but nobody above the upstream", async () => {
    expect((await operator.change("repoint", "--all", "--to", "n3")).status).toBe(0);
    expect(await edges()).toEqual({ n2: "n1", n3: "n2", n4: "n3" });
    expect((await operator.change("repoint", "--all", "--to", "n1")).status).toBe(0);
    expect(await edges()).toEqual({ n2: "n1", n3: "n1", n4: "n1" });
  });

  test("refuses a node below itself, directly or not", async () => {
    await expectRefused(["repoint", "n3", "--to", "n3"], ["cannot-follow-itself n3"]);
    await expectRefused(["repoint", "n1", "--to", "n3"], ["not-a-standby n1"]);
    expect((await operator.change("repoint", "n3", "--to", "n2")).status).toBe(0);
    await expectRefused(["repoint", "n2", "--to", "n3"], ["cannot-follow-itself n2"]);
    expect((await operator.change("repoint", "n3", "--to", "n1")).status).toBe(0);
  });

  test.runIf(major >= 17)("refuses a node whose settings ALTER SYSTEM may not change", async () => {
    const conf = join(server("n3").dataDir, "postgresql.conf");
    const before = readFileSync(conf, "utf8");
    appendFileSync(conf, "allow_alter_system = off\n");
    await sql(server("n3"), "SELECT pg_reload_conf()");
    await expectRefused(["repoint", "n3", "--to", "n2"], ["setting-out-of-reach n3"]);
    await expectRefused(["quiesce"], ["setting-out-of-reach n3"]);
    writeFileSync(conf, before);
    await sql(server("n3"), "SELECT pg_reload_conf()");
  });

  test("a standby that is turned away where it was led streams from where it was, as before", async () => {
    const hba = join(server("n2").dataDir, "pg_hba.conf");
    const rules = readFileSync(hba, "utf8");
    writeFileSync(hba, `host replication repl_n3 127.0.0.1/32 reject\n${rules}`);
    await sql(server("n2"), "SELECT pg_reload_conf()");
    const before = allSettings(cluster);
    const slots = await slotsOf(cluster, ["n2"]);

    const { status, report } = await operator.change(
      "repoint",
      "n3",
      "--to",
      "n2",
      "--timeout",
      "3",
    );

    expect([status, stepsIn(report)]).toEqual([7, ["undone repoint n3 --to n2"]]);
    expect(allSettings(cluster)).toEqual(before);
    expect(await slotsOf(cluster, ["n2"])).toEqual(slots);

    // One that followed, and whose setting was settled, comes back with it.
    const both = await operator.change("repoint", "n3", "n4", "--to", "n2", "--timeout", "3");
    expect([both.status, stepsIn(both.report)]).toEqual([
      7,
      ["undone repoint n3 --to n2", "undone repoint n4 --to n2"],
    ]);
    expect(allSettings(cluster)).toEqual(before);
    expect(await slotsOf(cluster, ["n2"])).toEqual(slots);
    await expect.poll(edges, { timeout: 15_000 }).toEqual({ n2: "n1", n3: "n1", n4: "n1" });

    // Under a mark that it bore before stands what it named before, also where the run had settled it elsewhere.
    expect((await operator.change("quiesce", "n4")).status).toBe(0);
    const marked = allSettings(cluster);
    const again = await operator.change("repoint", "n3", "n4", "--to", "n2", "--timeout", "3");
    expect([again.status, stepsIn(again.report)]).toEqual([7, stepsIn(both.report)]);
    expect(allSettings(cluster)).toEqual(marked);
    expect(await slotsOf(cluster, ["n2"])).toEqual(slots);
    expect((await operator.change("unquiesce", "n4")).status).toBe(0);
    expect(allSettings(cluster)).toEqual(before);
    await expect.poll(edges, { timeout: 15_000 }).toEqual({ n2: "n1", n3: "n1", n4: "n1" });
    writeFileSync(hba, rules);
    await sql(server("n2"), "SELECT pg_reload_conf()");
  });

  test("refuses who went another way; and a promotion of a node that lacks what is required", async () => {
    expect((await operator.change("repoint", "n4", "--to", "n3")).status).toBe(0);
    await sql(server("n3"), "SELECT pg_promote()");
    await untilSees(cluster, ["n4"], {
      statement: "SELECT max(received_tli) FROM pg_stat_wal_receiver",
      value: "2",
    });
    await sql(server("n3"), "INSERT INTO rows VALUES (0)");
    await untilSees(cluster, ["n4"], { statement: "SELECT count(*) FROM rows", value: "11" });
    await sql(server("n1"), "INSERT INTO rows VALUES (0)", "INSERT INTO rows VALUES (0)");
    await untilSees(cluster, ["n2"], { statement: "SELECT count(*) FROM rows", value: "12" });
    const repoint = ["repoint", "n4", "--to", "n2"];
    await expectRefused(repoint, ["several-primaries"]);

    await server("n3").kill();
    const parted = await operator.change(...repoint);
    expect([parted.status, alarmsIn(parted.report)]).toEqual([5, ["diverged n4"]]);
    await server("n4").kill();
    await server("n1").kill();
    await untilSees(cluster, ["n2"], {
      statement: "SELECT count(*) FROM pg_stat_wal_receiver",
      value: "0",
    });
    const at = nodeIn((await operator.ask("status")).report, "n2").position ?? "";
    expect(at).toMatch(/^1@/);
    for (const beyond of ["1@FF/0", at.replace("1@", "2@")]) {
      const refused = await operator.change("promote", "n2", "--require", beyond);
      expect([beyond, refused.status, alarmsIn(refused.report)]).toEqual([
        beyond,
        5,
        ["position-not-held n2"],
      ]);
    }
    const promoted = await operator.change("promote", "n2", "--require", at);
    expect([promoted.status, stepsIn(promoted.report)]).toEqual([
      0,
      [`done promote n2 --require ${at}`],
    ]);
  });
});
