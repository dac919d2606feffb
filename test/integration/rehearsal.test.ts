import pg from "pg";
import { describe, expect, test } from "vitest";
import { acknowledgedNumbers, compareLedger, readNumbers } from "../../src/sandbox/ledger.ts";
import { rehearse, type RehearsalWish } from "../../src/sandbox/scenario.ts";
import { createLedger, longestGap, startWorkload } from "../../src/sandbox/workload.ts";
import { connect } from "../../src/postgres/connect.ts";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { serverPackage, startCluster, testMajors } from "../support/cluster.ts";
import { leftoversOf } from "../support/leftovers.ts";

const newest = testMajors.at(-1) ?? 18;
const limit = { timeoutMs: 30_000 };

const connection = { applicationName: "test", timeoutMs: 5_000 };

describe("a client that writes numbered rows", () => {
  test.each([
    ["one row a commit", 1],
    ["bulk inserts", 500],
  ])("survives a promotion and knows what it was told: %s", async (_, rowsPerCommit) => {
    await using cluster = await startCluster({
      major: newest,
      standbys: 1,
      settings: { synchronous_standby_names: "n2" },
    });
    const [n1, n2] = cluster.config.nodes;
    if (n1 === undefined || n2 === undefined) throw new Error("two nodes were asked for");
    await using primary = await connect(n1.conninfo, connection);
    await createLedger(primary);
    await primary.query("GRANT ALL ON app.ledger TO app");
    const nodes = [n1, n2].map(({ name, conninfo }) => ({
      name,
      conninfo: { ...conninfo, user: "app" },
    }));
    const client = startWorkload({ nodes, everyMs: 1, rowsPerCommit });
    await client.waitForMore(20, { ...limit, node: "n1" });
    await cluster.server("n1").kill();
    await using standby = await connect(n2.conninfo, connection);
    await standby.query("ALTER SYSTEM SET synchronous_standby_names = ''");
    await standby.query("SELECT pg_reload_conf(), pg_promote(true)");
    await client.waitForMore(20, { ...limit, node: "n2" });
    await client.stop();
    const acknowledged = acknowledgedNumbers(client.acknowledgements);
    const { missing, unacknowledged } = compareLedger(acknowledged, await readNumbers(standby));
    // n1 told nobody before n2 had it.
    expect(missing).toEqual([]);
    // At most the commit that was on its way when n1 died.
    expect(unacknowledged.length).toBeLessThanOrEqual(rowsPerCommit);
    expect(longestGap(client.acknowledgements)).toMatchObject({
      before: { node: "n1" },
      after: { node: "n2" },
    });
  });
});

describe("a rehearsal", () => {
  const wish = (
    failover: RehearsalWish["failover"],
  ): RehearsalWish & { readonly told: string[] } => {
    const told: string[] = [];
    return {
      directory: null,
      major: newest,
      resolveFrom: [serverPackage(newest)],
      keep: false,
      failover,
      tell: (event) => told.push(event.text),
      told,
    };
  };
  const directoryOf = (told: readonly string[]) => told[0]?.replace(/^in /, "") ?? "";

  test("does not pass when a standby that lacks rows is promoted as it is", async () => {
    const held = wish(async (configFile) => {
      await promote(configFile, "n2");
      return { done: true, summary: "n2 was promoted" };
    });
    const rehearsal = await rehearse(held);
    const failed = rehearsal.checks.filter((check) => !check.holds).map((check) => check.name);
    expect(failed).toEqual(["no-row-lost", "all-follow"]);
    expect(rehearsal).toMatchObject({ passed: false, newPrimary: "n2", directory: null });
    expect(rehearsal.missing).toBeGreaterThan(0);
    expect(rehearsal.events.map((event) => event.text)).toEqual(held.told);
    expect(await leftoversOf(directoryOf(held.told))).toEqual([]);
  });

  test("does not pass when the node that may never lead is promoted", async () => {
    const rehearsal = await rehearse(
      wish(async (configFile) => {
        await promote(configFile, "n4");
        return { done: true, summary: "n4 was promoted" };
      }),
    );
    const failed = rehearsal.checks.filter((check) => !check.holds).map((check) => check.name);
    expect(failed).toEqual(["one-primary", "all-follow"]);
  });

  test("does not pass when nothing was done", async () => {
    const rehearsal = await rehearse(
      wish(() => Promise.resolve({ done: false, summary: "refused" })),
    );
    const held = rehearsal.checks.filter((check) => check.holds).map((check) => check.name);
    expect(held).toEqual(["rows-on-one-alone"]);
    expect(rehearsal).toMatchObject({ passed: false, newPrimary: null, writesBackMs: null });
  });

  test("that is interrupted, or whose failover throws, leaves nothing behind", async () => {
    const abort = new AbortController();
    const interrupted = wish(() => Promise.reject(new Error("never reached")));
    await expect(
      rehearse({
        ...interrupted,
        signal: abort.signal,
        tell: (event) => {
          interrupted.tell(event);
          if (event.text.startsWith("a client writes")) abort.abort(new Error("interrupted"));
        },
      }),
    ).rejects.toThrow("interrupted");
    expect(await leftoversOf(directoryOf(interrupted.told))).toEqual([]);
    const broken = wish(() => Promise.reject(new Error("the failover broke")));
    await expect(rehearse(broken)).rejects.toThrow("the failover broke");
    expect(await leftoversOf(directoryOf(broken.told))).toEqual([]);
  });
});

/** Promotes a node, knowing no better. */
async function promote(configFile: string, name: string): Promise<void> {
  const port = new RegExp(`\\[nodes\\.${name}\\]\\ndsn = "host=127.0.0.1 port=(\\d+)"`).exec(
    readFileSync(configFile, "utf8"),
  )?.[1];
  const password = /:remaster:(.*)/.exec(
    readFileSync(join(dirname(configFile), "passfile"), "utf8"),
  )?.[1];
  const client = new pg.Client({
    host: "127.0.0.1",
    port: Number(port),
    user: "remaster",
    database: "postgres",
    password,
  });
  await client.connect();
  try {
    await client.query("SELECT pg_promote(false)");
    await expect
      .poll(
        async () =>
          (await client.query<{ r: boolean }>("SELECT pg_is_in_recovery() AS r")).rows[0]?.r,
        // A startup process may sleep wal_retrieve_retry_interval out before it acts on the request.
        { timeout: 20_000 },
      )
      .toBe(false);
  } finally {
    await client.end();
  }
}
