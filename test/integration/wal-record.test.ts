// Records as real servers write them, of every major, held against what the servers say of them themselves.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatLsn, type Lsn, lsn, parseLsn } from "../../src/wal/lsn.ts";
import {
  isShutdownCheckpoint,
  readRecord,
  recordStart,
  type WalRecord,
} from "../../src/wal/record.ts";
import { defaultSegmentSize, formatSegmentName, segmentStart } from "../../src/wal/segment.ts";
import { sql } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";

const layout = { blockSize: 8192, segmentSize: defaultSegmentSize } as const;

describe.each(testMajors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 1 });
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  async function at(): Promise<Lsn> {
    const [text = ""] = await sql(cluster.server("n1"), "SELECT pg_current_wal_insert_lsn()");
    const found = parseLsn(text);
    if (found === null) throw new Error(`no LSN: ${text}`);
    return found;
  }

  /** The files from that of `from` on, as far as they are there. */
  function filesFrom(from: Lsn, until: Lsn): { readonly at: Lsn; readonly bytes: Uint8Array } {
    const directory = join(cluster.server("n1").dataDir, "pg_wal");
    const first = segmentStart(from, defaultSegmentSize);
    const parts: Buffer[] = [];
    for (let start = first; start < until; start = lsn(start + defaultSegmentSize)) {
      parts.push(readFileSync(join(directory, formatSegmentName(1, start, defaultSegmentSize))));
    }
    return { at: first, bytes: Buffer.concat(parts) };
  }

  function recordsIn(from: Lsn, until: Lsn): readonly WalRecord[] {
    const wal = filesFrom(from, until);
    const records: WalRecord[] = [];
    for (let next = recordStart(from, layout); next < until; ) {
      const reading = readRecord(wal, next, layout);
      if (reading.kind !== "record") throw new Error(`${reading.kind} at ${formatLsn(next)}`);
      records.push(reading.record);
      next = reading.next;
    }
    return records;
  }

  test("reads them over pages and segments, to the end that the server names", async () => {
    const n1 = cluster.server("n1");
    await sql(n1, "CREATE TABLE t (i int, x text)", "CHECKPOINT");
    const from = await at();
    await sql(
      n1,
      "INSERT INTO t SELECT g, repeat(md5(g::text), 20 + g % 300) FROM generate_series(1, 4000) g",
      "SELECT pg_switch_wal()",
      "INSERT INTO t SELECT g, string_agg(md5(random()::text), '') FROM generate_series(1, 5) g, generate_series(1, 3000) GROUP BY g",
      "UPDATE t SET i = i + 1",
      "SELECT pg_logical_emit_message(true, 'test', repeat('x', 3000000))",
    );
    const until = await at();
    const records = recordsIn(from, until);
    expect(records.length).toBeGreaterThan(8000);
    expect(formatLsn(records.at(-1)?.end ?? from)).toBe(formatLsn(until));
    expect(records.slice(1).map(({ previous }) => previous)).toEqual(
      records.slice(0, -1).map(({ start }) => start),
    );
    if (major < 15) return;
    await sql(n1, "CREATE EXTENSION pg_walinspect");
    const known = await sql(
      n1,
      `SELECT format('%s %s %s %s', start_lsn, end_lsn, xid, record_length)
       FROM pg_get_wal_records_info('${formatLsn(from)}', '${formatLsn(until)}')`,
    );
    expect(
      records.map(({ start, end, transaction, length }) =>
        [formatLsn(start), formatLsn(end), transaction, length].join(" "),
      ),
    ).toEqual(known);
  });

  test("knows a clean shutdown, and what is no record", async () => {
    const n1 = cluster.server("n1");
    const from = await at();
    await n1.stop();
    const wal = filesFrom(from, lsn(from + 1n));
    const seen: WalRecord[] = [];
    let next = recordStart(from, layout);
    for (;;) {
      const reading = readRecord(wal, next, layout);
      if (reading.kind !== "record") break;
      seen.push(reading.record);
      next = reading.next;
    }
    expect(seen.map(isShutdownCheckpoint)).toEqual([...seen.slice(1).map(() => false), true]);
    const start = seen.at(-1)?.start ?? from;
    const bytes = Uint8Array.from(wal.bytes);
    const offset = Number(start - wal.at);
    bytes[offset + 30] = (bytes[offset + 30] ?? 0) ^ 1;
    expect(readRecord({ at: wal.at, bytes }, start, layout)).toEqual({
      kind: "broken",
      at: start,
      why: "a wrong checksum",
    });
    const cut = { at: wal.at, bytes: wal.bytes.subarray(0, offset + 40) };
    expect(readRecord(cut, start, layout)).toEqual({ kind: "more" });
    await n1.start();
  });
});
