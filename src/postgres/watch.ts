// Watches the log for what a fence should have kept out: records that belong to a transaction. What the server writes of its
// own (checkpoints, running transactions, the traces of vacuum) belongs to none.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { type Lsn, lsn } from "../wal/lsn.ts";
import type { Position } from "../wal/position.ts";
import { belongsToTransaction, readRecord, recordStart } from "../wal/record.ts";
import { defaultSegmentSize } from "../wal/segment.ts";
import { pollFor } from "./poll.ts";
import { streamWal } from "./wal-stream.ts";

const blockSize = 8192;

/** Where the first such record begins behind `from`; null where there is none up to `until`. Throws where the log cannot be
 * read. */
export async function findForeignWrites(
  conninfo: Conninfo,
  wish: {
    /** The end of a record. */
    readonly from: Position;
    readonly until: Lsn;
    readonly timeoutMs: number;
    readonly segmentSize?: bigint;
  },
): Promise<Position | null> {
  const layout = { blockSize, segmentSize: wish.segmentSize ?? defaultSegmentSize };
  const { timeline, lsn: start } = wish.from;
  const pieces: Uint8Array[] = [];
  await using stream = await streamWal({
    conninfo,
    from: start,
    timeline,
    timeoutMs: wish.timeoutMs,
    onWal: ({ bytes }) => pieces.push(bytes),
  });
  const ended: string[] = [];
  void stream.end.then((end) => {
    ended.push(end.kind === "lost" ? end.why : "the server was shut down");
  });
  await pollFor(() => Promise.resolve(stream.at >= wish.until || ended.length > 0 ? true : null), {
    timeoutMs: wish.timeoutMs,
    everyMs: 1,
  });
  if (stream.at < wish.until) {
    throw new Error(`the log could not be read: ${ended[0] ?? "it did not come in time"}`);
  }
  const wal = { at: start, bytes: new Uint8Array(Buffer.concat(pieces)) };
  for (let next = recordStart(start, layout); next < wish.until; ) {
    const reading = readRecord(wal, next, layout);
    if (reading.kind === "more") return null;
    if (reading.kind === "broken") throw new Error(`the log could not be read: ${reading.why}`);
    if (reading.kind === "record" && belongsToTransaction(reading.record)) {
      return { timeline, lsn: lsn(next) };
    }
    next = reading.next;
  }
  return null;
}
