// The log over a stream of our own: what was written comes, and an end in order tells where it ended.

import { describe, expect, test } from "vitest";
import { streamWal, type WalStream } from "../../src/postgres/wal-stream.ts";
import { formatLsn, type Lsn, lsn, parseLsn } from "../../src/wal/lsn.ts";
import { isShutdownCheckpoint, readRecord, recordStart } from "../../src/wal/record.ts";
import { defaultSegmentSize } from "../../src/wal/segment.ts";
import { sql } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { nodeOf } from "../support/observing.ts";

const layout = { blockSize: 8192, segmentSize: defaultSegmentSize } as const;

async function flushed(server: TestServer): Promise<Lsn> {
  const [text = ""] = await sql(server, "SELECT pg_current_wal_flush_lsn()");
  return parseLsn(text) ?? lsn(0n);
}

interface Read extends AsyncDisposable {
  readonly stream: WalStream;
  bytes(): Uint8Array;
}

async function readFrom(cluster: TestCluster, node: string, from: Lsn): Promise<Read> {
  const parts: Uint8Array[] = [];
  const stream = await streamWal({
    conninfo: nodeOf(cluster, node).conninfo,
    from,
    timeline: 1,
    timeoutMs: 5_000,
    onWal: ({ bytes }) => parts.push(bytes),
  });
  return {
    stream,
    bytes: () => Buffer.concat(parts),
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("a clean stop ends it in order, and the shutdown checkpoint is the last record", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const n1 = cluster.server("n1");
    const from = await flushed(n1);
    await using read = await readFrom(cluster, "n1", from);
    await sql(n1, "CREATE TABLE t AS SELECT generate_series(1, 20000) AS i");
    await n1.stop();
    const end = await read.stream.end;
    expect(end).toEqual({ kind: "in-order", at: read.stream.at });
    const wal = { at: from, bytes: read.bytes() };
    let last = null;
    for (let next = recordStart(from, layout); next < read.stream.at; ) {
      const reading = readRecord(wal, next, layout);
      if (reading.kind !== "record") throw new Error(`${reading.kind} at ${formatLsn(next)}`);
      last = reading.record;
      next = reading.next;
    }
    if (last === null) throw new Error("no record");
    expect([isShutdownCheckpoint(last), formatLsn(last.end)]).toEqual([
      true,
      formatLsn(read.stream.at),
    ]);
    const [replayed] = await sql(cluster.server("n2"), "SELECT pg_last_wal_replay_lsn()");
    expect(replayed).toBe(formatLsn(last.end));
  });

  test("a server that is killed, and one that will not stream, end it otherwise", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const n1 = cluster.server("n1");
    const from = await flushed(n1);
    await using read = await readFrom(cluster, "n1", from);
    await using gone = await readFrom(cluster, "n1", lsn(from + 0x100000000n));
    expect(await gone.stream.end).toEqual({
      kind: "lost",
      why: expect.stringContaining("is ahead of the WAL flush position") as string,
    });
    await n1.kill();
    expect(await read.stream.end).toMatchObject({ kind: "lost" });
  });
});
