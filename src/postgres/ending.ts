// Sees a primary to its end: its log over a stream of our own, up to the shutdown checkpoint. A clean end is that record as the
// last one of a stream that began before (13 to 18): a running server writes none, and crash recovery, which writes one and
// then opens for writes, comes only when the stream has ended, since none outlives a crash.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { formatLsn, type Lsn, lsn } from "../wal/lsn.ts";
import type { WalLayout } from "../wal/page.ts";
import { formatPosition, type Position } from "../wal/position.ts";
import { isShutdownCheckpoint, readRecord, recordStart, type WalRecord } from "../wal/record.ts";
import type { TimelineId } from "../wal/timeline.ts";
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
  const walk = new Walk(wish.from, { blockSize, segmentSize: wish.segmentSize });
  const stream = await streamWal({
    conninfo,
    from: wish.from.lsn,
    timeline: wish.from.timeline,
    timeoutMs: wish.timeoutMs,
    ...(wish.signal === undefined ? {} : { signal: wish.signal }),
    onWal: ({ bytes }) => {
      walk.take(bytes);
    },
  });
  const ending = stream.end.then((end): Ending => {
    const judged = walk.judge(wish.from.timeline);
    // A server that ends may reset the connection before its last word is read. The record itself tells as much.
    return end.kind === "lost" && judged.kind === "unclean" ? { ...judged, why: end.why } : judged;
  });
  return { ending, [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose]() };
}

/** Reads the records as they come: what a busy server writes while it shuts down takes longer to read than the rest of a
 * switchover, and nobody takes writes meanwhile. */
class Walk {
  readonly #layout: WalLayout;
  /** What is not read yet begins here; `#next` may lie behind it. */
  #at: Lsn;
  #bytes: Uint8Array = new Uint8Array();
  #next: Lsn;
  #last: WalRecord | null = null;
  #broken: string | null = null;

  constructor(from: Position, layout: WalLayout) {
    this.#layout = layout;
    this.#at = from.lsn;
    this.#next = recordStart(from.lsn, layout);
  }

  take(piece: Uint8Array): void {
    this.#bytes = new Uint8Array(Buffer.concat([this.#bytes, piece]));
    while (this.#broken === null) {
      const wal = { at: this.#at, bytes: this.#bytes };
      const reading = readRecord(wal, this.#next, this.#layout);
      if (reading.kind === "more") break;
      if (reading.kind === "broken") {
        this.#broken = `the log cannot be read at ${formatLsn(reading.at)}: ${reading.why}`;
        break;
      }
      if (reading.kind === "record") this.#last = reading.record;
      this.#next = reading.next;
    }
    const read = Math.min(Number(this.#next - this.#at), this.#bytes.length);
    this.#bytes = this.#bytes.subarray(read);
    this.#at = lsn(this.#at + BigInt(read));
  }

  /** How it ended, when nothing more comes. */
  judge(timeline: TimelineId): Ending {
    if (this.#broken !== null) return { kind: "unclean", why: this.#broken };
    const at = { timeline, lsn: lsn(this.#at + BigInt(this.#bytes.length)) };
    if (this.#last === null || !isShutdownCheckpoint(this.#last) || this.#last.end !== at.lsn) {
      return {
        kind: "unclean",
        why: `the log ends at ${formatPosition(at)} without a shutdown checkpoint`,
      };
    }
    return { kind: "clean", at };
  }
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
