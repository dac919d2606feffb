// The log of a server as it is written, over a replication connection of our own. Confirms all that comes at once: a server
// that shuts down keeps its WAL senders until their clients have everything, so a slow client would hold it up.
// An end in order is the server's own: it sends the end of the command when all is sent, the shutdown checkpoint included
// (13 to 18). A connection that merely goes away is none.

import { setTimeout } from "node:timers/promises";
import type { Conninfo } from "../conninfo/conninfo.ts";
import { formatLsn, type Lsn, lsn } from "../wal/lsn.ts";
import type { TimelineId } from "../wal/timeline.ts";
import { connect } from "./connect.ts";
import { ownApplicationName } from "./observe-sql.ts";
import { identifySystem } from "./replication.ts";
import {
  formatStatusRequest,
  formatStatusUpdate,
  readReplicationMessage,
} from "./replication-messages.ts";
import type { StreamingSession } from "./session.ts";

export interface WalStreamWish {
  readonly conninfo: Conninfo;
  readonly from: Lsn;
  readonly timeline: TimelineId;
  /** For connecting, milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Told of each piece, without gaps. */
  readonly onWal: (piece: { readonly at: Lsn; readonly bytes: Uint8Array }) => void;
}

export type WalStreamEnd =
  | { readonly kind: "in-order"; readonly at: Lsn }
  | { readonly kind: "lost"; readonly why: string };

export interface WalStream extends AsyncDisposable {
  /** How far the log has come. */
  readonly at: Lsn;
  /** Never throws. */
  readonly end: Promise<WalStreamEnd>;
}

/** After which the same word is worth saying again, milliseconds; servers wait for it for seconds (wal_sender_timeout). */
const repeatMs = 500;

/** Begins to stream, and has seen the server do so: a sender that has not begun when its server is asked to shut down ends at
 * once (13 to 18). Throws where the server does not let us in. That it refuses to stream shows in the end. */
export async function streamWal(wish: WalStreamWish): Promise<WalStream> {
  const session = await openStream(wish);
  const stream = follow(session, wish);
  if (await begins(stream, wish)) return stream;
  await session.close();
  throw new Error(`the log did not begin to come within ${wish.timeoutMs} ms`);
}

/** False when the time is up. */
async function begins(
  { begun, end }: FollowedStream,
  { timeoutMs, signal }: WalStreamWish,
): Promise<boolean> {
  const over = new AbortController();
  const late = setTimeout(timeoutMs, false, {
    signal: signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]),
  }).catch(() => false);
  try {
    return await Promise.race([begun, end.then(() => true), late]);
  } finally {
    over.abort();
  }
}

async function openStream(wish: WalStreamWish): Promise<StreamingSession> {
  const session = await connect(
    { ...wish.conninfo, application_name: ownApplicationName },
    {
      applicationName: ownApplicationName,
      timeoutMs: wish.timeoutMs,
      // A line of pg_hba.conf for `replication` is for a connection without a database: this one needs none (13 to 18).
      replication: "database",
      greeting: "none",
      ...(wish.signal === undefined ? {} : { signal: wish.signal }),
    },
  );
  try {
    // 13 and 14 want it before they stream.
    await identifySystem(session);
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}

interface FollowedStream extends WalStream {
  /** The server's first word. */
  readonly begun: Promise<true>;
}

function follow(session: StreamingSession, wish: WalStreamWish): FollowedStream {
  let begin: (value: true) => void = () => undefined;
  const begun = new Promise<true>((resolve) => {
    begin = resolve;
  });
  let at = wish.from;
  const confirmed = { at: lsn(0n), when: 0 };
  const confirm = (): Uint8Array => {
    confirmed.at = at;
    confirmed.when = performance.now();
    return formatStatusUpdate(at);
  };
  /** What was said a moment ago is not said again: a server that ends leaves it unread, and the connection is reset. */
  const isFresh = (): boolean =>
    confirmed.at === at && performance.now() - confirmed.when < repeatMs;
  const onData = (message: Uint8Array): Uint8Array | null => {
    begin(true);
    const read = readReplicationMessage(message);
    if (read === null) return null;
    if (read.kind === "wal") {
      if (read.at !== at) throw new Error(`the log goes on at ${formatLsn(read.at)}`);
      at = lsn(at + BigInt(read.bytes.length));
      // The driver uses its buffer again.
      wish.onWal({ at: read.at, bytes: new Uint8Array(read.bytes) });
      return confirm();
    }
    return read.replyWanted && !isFresh() ? confirm() : null;
  };
  const command = `START_REPLICATION PHYSICAL ${formatLsn(wish.from)} TIMELINE ${wish.timeline.toFixed(0)}`;
  const end = session.copyBoth(command, onData, formatStatusRequest(at)).then(
    (): WalStreamEnd => ({ kind: "in-order", at }),
    (error: unknown): WalStreamEnd => ({
      kind: "lost",
      why: error instanceof Error ? error.message : String(error),
    }),
  );
  return {
    get at() {
      return at;
    },
    begun,
    end,
    [Symbol.asyncDispose]: () => session.close(),
  };
}
