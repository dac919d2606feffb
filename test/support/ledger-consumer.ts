// A client of test_decoding that writes what it gets to a ledger, and confirms it afterwards: at least once. It goes on where
// the slot is on another server, and tells rows that came once more from rows that never came.

import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import type { TestServer } from "./cluster.ts";

export interface LedgerConsumer extends AsyncDisposable {
  /** Every number that came, as it came. */
  readonly got: readonly number[];
  /** Reads from that server from now on. */
  moveTo(server: TestServer): void;
  /** Waits until it has got everything that the server has now. */
  untilLevel(server: TestServer): Promise<void>;
}

/** What no consumer can be quicker than is waited for on the servers' side: a turn that hangs is given up. */
const limits = { connectionTimeoutMillis: 2_000, query_timeout: 5_000 };

const turn = `SELECT data FROM pg_logical_slot_peek_changes($1, $2::pg_lsn, NULL, 'skip-empty-xacts', '1')`;

async function readOnce(server: TestServer, slot: string, got: number[]): Promise<string> {
  const client = new Client({ ...server.clientConfig(), ...limits });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const now = await client.query<{ lsn: string }>("SELECT pg_current_wal_flush_lsn() AS lsn");
    const upTo = now.rows[0]?.lsn ?? "0/0";
    const { rows } = await client.query<{ data: string }>(turn, [slot, upTo]);
    for (const { data } of rows) {
      const number = /^table public\.rows: INSERT: n\[integer\]:(\d+)/.exec(data)?.[1];
      if (number !== undefined) got.push(Number(number));
    }
    await client.query("SELECT pg_replication_slot_advance($1, $2::pg_lsn)", [slot, upTo]);
    return upTo;
  } finally {
    await client.end().catch(() => undefined);
  }
}

export function consume(first: TestServer, slot: string): LedgerConsumer {
  const got: number[] = [];
  let server = first;
  const end = new AbortController();
  let turns = 0;
  let why = "";
  const work = (async () => {
    while (!end.signal.aborted) {
      await readOnce(server, slot, got).then(
        () => {
          turns += 1;
        },
        (error: unknown) => {
          // Its server is gone, or has not got the slot: the next turn sees.
          why = error instanceof Error ? error.message : String(error);
        },
      );
      await setTimeout(20);
    }
  })();
  return {
    got,
    moveTo(next) {
      server = next;
    },
    async untilLevel(wanted) {
      server = wanted;
      // The one under way may have begun before.
      const enough = turns + 2;
      const until = performance.now() + 30_000;
      while (turns < enough) {
        if (performance.now() > until) throw new Error(`the consumer gets nothing: ${why}`);
        await setTimeout(20);
      }
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await work;
    },
  };
}

export interface RowWriter extends AsyncDisposable {
  moveTo(server: TestServer): void;
}

/** Inserts 1, 2, 3 ... into `rows`, a commit each; a number whose commit failed is not used again. */
export function writeRows(first: TestServer): RowWriter {
  let server = first;
  const end = new AbortController();
  const isMine = (mine: TestServer): boolean => !end.signal.aborted && server === mine;
  const work = (async () => {
    let number = 0;
    while (!end.signal.aborted) {
      const mine = server;
      const client = new Client({ ...mine.clientConfig(), ...limits });
      client.on("error", () => undefined);
      try {
        await client.connect();
        while (isMine(mine)) {
          number += 1;
          await client.query(`INSERT INTO public.rows VALUES (${String(number)})`);
          await setTimeout(10);
        }
      } catch {
        await setTimeout(50);
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  })();
  return {
    moveTo(next) {
      server = next;
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await work;
    },
  };
}

/** How a ledger compares with what is in the table. */
export interface Reckoning {
  readonly missing: readonly number[];
  /** Got, and in no table: whoever led took them along. */
  readonly strange: readonly number[];
  /** Came once more, as is a consumer's right to get them. */
  readonly repeated: number;
  readonly inOrder: boolean;
}

export function reckon(got: readonly number[], rows: readonly number[]): Reckoning {
  const seen = new Set<number>();
  const firsts = got.filter((number) => !seen.has(number) && seen.add(number));
  const table = new Set(rows);
  return {
    missing: rows.filter((number) => !seen.has(number)),
    strange: firsts.filter((number) => !table.has(number)),
    repeated: got.length - firsts.length,
    inOrder: firsts.every((number, index) => index === 0 || number > (firsts[index - 1] ?? 0)),
  };
}
