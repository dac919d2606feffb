// Standbys whose WAL ends in the middle of a record, exactly between two segments: made on real servers, by relays that
// forward a primary's stream up to a byte. The primary is dead afterwards, and every setting is what it was.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { sql } from "./cluster-state.ts";
import type { TestCluster, TestServer } from "./cluster.ts";
import { relayWal } from "./wal-relay.ts";

const segmentSize = 16n * 1024n * 1024n;

/** `torn`: up to the boundary, with the rows 1 and 2 of `rows`. `behind`: a little before, with row 1 alone. */
export type Ending = "torn" | "behind";

async function lsnOf(server: TestServer, expression: string): Promise<bigint> {
  const [value = ""] = await sql(server, `SELECT ((${expression}) - '0/0')::text`);
  return BigInt(value);
}

const insertLsn = "pg_current_wal_insert_lsn()";
const receiveLsn = "pg_last_wal_receive_lsn()";
const replayLsn = "pg_last_wal_replay_lsn()";

async function emit(server: TestServer, bytes: number): Promise<void> {
  await sql(server, `SELECT pg_logical_emit_message(true, 'fill', repeat('x', ${bytes}))`);
}

/** Brings the end of the log to within some 100 kB before the end of a segment; gives that end. */
async function approachBoundary(primary: TestServer): Promise<bigint> {
  for (;;) {
    const at = await lsnOf(primary, insertLsn);
    const left = Number(segmentSize - (at % segmentSize));
    if (left < 120_000) await emit(primary, left + 1000);
    else if (left <= 220_000) return at + BigInt(left);
    else await emit(primary, Math.min(left - 170_000, 4_000_000));
  }
}

async function reroute(server: TestServer, port: number): Promise<void> {
  const [conninfo = ""] = await sql(server, "SELECT current_setting('primary_conninfo')");
  const changed = conninfo.replace(/port=\d+/, `port=${port}`);
  await sql(server, `ALTER SYSTEM SET primary_conninfo = '${changed}'`, "SELECT pg_reload_conf()");
}

async function until(
  server: TestServer,
  statement: string,
  wanted: (value: string) => boolean,
): Promise<void> {
  const end = performance.now() + 15_000;
  for (;;) {
    const [value = ""] = await sql(server, statement);
    if (wanted(value)) return;
    if (performance.now() > end) throw new Error(`${server.name}: ${statement}: ${value}`);
    await setTimeout(10);
  }
}

/** Tears the named standbys' WAL and kills the primary n1, whose row 3 nobody has. Every standby of n1 must be named. */
export async function tearTails(
  cluster: TestCluster,
  endings: Readonly<Record<string, Ending>>,
): Promise<void> {
  const primary = cluster.server("n1");
  const standbys = Object.entries(endings).map(([name, ending]) => ({
    server: cluster.server(name),
    ending,
  }));
  await sql(primary, "CREATE TABLE rows (n int)", "INSERT INTO rows VALUES (1)", "CHECKPOINT");
  const before = new Map(
    standbys.map(({ server }) => [server, readFileSync(autoConf(server), "utf8")]),
  );
  const relayed = await Promise.all(
    standbys.map(async ({ server, ending }) => {
      const relay = await relayWal(primary);
      await reroute(server, relay.port);
      const streams =
        "SELECT max(sender_port) FROM pg_stat_wal_receiver WHERE status = 'streaming'";
      await until(server, streams, (port) => port === String(relay.port));
      return { server, ending, relay };
    }),
  );
  const boundary = await approachBoundary(primary);
  const behind = await lsnOf(primary, insertLsn);
  for (const { server } of relayed) {
    await until(server, `SELECT ${replayLsn} - '0/0'`, (at) => BigInt(at) >= behind);
  }
  for (const { relay, ending } of relayed) relay.stopAt(ending === "torn" ? boundary : behind);
  // A whole record that the torn ones have, then one that begins before the boundary and ends behind it.
  await sql(primary, "INSERT INTO rows VALUES (2)");
  await emit(primary, 400_000);
  await sql(primary, "INSERT INTO rows VALUES (3)");
  for (const { server, ending } of relayed) {
    if (ending === "behind") continue;
    await until(server, `SELECT ${receiveLsn} - '0/0'`, (at) => BigInt(at) === boundary);
  }
  await primary.kill();
  for (const { relay } of relayed) await relay[Symbol.asyncDispose]();
  for (const [server, text] of before) {
    writeFileSync(autoConf(server), text);
    await sql(server, "SELECT pg_reload_conf()");
    await until(server, "SELECT count(*) FROM pg_stat_wal_receiver", (count) => count === "0");
  }
  for (const { server, ending } of relayed) {
    if (ending === "behind") continue;
    const [received, replayed] = [await lsnOf(server, receiveLsn), await lsnOf(server, replayLsn)];
    if (received === boundary && replayed < boundary) continue;
    throw new Error(`${server.name} received ${received} and replayed ${replayed} of ${boundary}`);
  }
}

function autoConf(server: TestServer): string {
  return join(server.dataDir, "postgresql.auto.conf");
}
