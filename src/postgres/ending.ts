// Sees a primary to its end: its log over a stream of our own, up to the shutdown checkpoint. A clean end is a stream that the
// server itself ended, with that record as the last one (13 to 18). Crash recovery writes the same record and then opens for
// writes, but no stream outlives a crash: what ends in order was shut down.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { formatLsn, type Lsn } from "../wal/lsn.ts";
import { formatPosition, type Position } from "../wal/position.ts";
import { isShutdownCheckpoint, readRecord, recordStart, type WalRecord } from "../wal/record.ts";
import { pollFor } from "./poll.ts";
import type { Session } from "./session.ts";
import { streamWal } from "./wal-stream.ts";

export type Ending =
  /** `at`: the end of the shutdown checkpoint, behind which nothing was written. */
  | { readonly kind: "clean"; readonly at: Position }
  | { readonly kind: "unclean"; readonly why: string };

export interface EndingWatch extends AsyncDisposable {
  /** Never throws. */
  readonly ending: Promise<Ending>;
}

const blockSize = 8192;

/** Begins to watch; throws where the server does not let us in. `from` is the end of a record that the server has flushed. */
export async function watchEnding(
  conninfo: Conninfo,
  wish: {
    readonly from: Position;
    readonly segmentSize: bigint;
    readonly timeoutMs: number;
    readonly signal?: AbortSignal;
  },
): Promise<EndingWatch> {
  const { from, segmentSize } = wish;
  const pieces: Uint8Array[] = [];
  const stream = await streamWal({
    conninfo,
    from: from.lsn,
    timeline: from.timeline,
    timeoutMs: wish.timeoutMs,
    ...(wish.signal === undefined ? {} : { signal: wish.signal }),
    onWal: ({ bytes }) => pieces.push(bytes),
  });
  const ending = stream.end.then((end): Ending => {
    if (end.kind === "lost") return { kind: "unclean", why: end.why };
    const bytes = new Uint8Array(Buffer.concat(pieces));
    return judgeEnd({ at: from.lsn, bytes }, { from, until: end.at, segmentSize });
  });
  return { ending, [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose]() };
}

function judgeEnd(
  wal: { readonly at: Lsn; readonly bytes: Uint8Array },
  log: { readonly from: Position; readonly until: Lsn; readonly segmentSize: bigint },
): Ending {
  const { from, until, segmentSize } = log;
  const layout = { blockSize, segmentSize };
  let last: WalRecord | null = null;
  for (let next = recordStart(from.lsn, layout); next < until; ) {
    const reading = readRecord(wal, next, layout);
    if (reading.kind === "more") break;
    if (reading.kind === "broken") {
      return {
        kind: "unclean",
        why: `the log cannot be read at ${formatLsn(reading.at)}: ${reading.why}`,
      };
    }
    if (reading.kind === "record") last = reading.record;
    next = reading.next;
  }
  const at = { timeline: from.timeline, lsn: until };
  if (last === null || !isShutdownCheckpoint(last) || last.end !== until) {
    return {
      kind: "unclean",
      why: `the log ends at ${formatPosition(at)} without a shutdown checkpoint`,
    };
  }
  return { kind: "clean", at };
}

const replayedSql = /* sql */ `
SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS has`;

/** Until a standby has replayed everything up to there; false when the time is up. */
export async function untilReplayed(
  standby: Session,
  at: Lsn,
  patience: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<boolean> {
  const has = async (): Promise<true | null> => {
    const [row] = await standby.query(replayedSql, [formatLsn(at)]);
    return row?.["has"] === "t" ? true : null;
  };
  return (await pollFor(has, { ...patience, everyMs: 1 })) === true;
}
