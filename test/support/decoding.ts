// A test_decoding consumer that keeps a ledger of what it got, and a writer whose every row must come to be in it. Rows of
// `ledger (n int)` are numbered without gaps by one session, so order and loss can be read off the numbers.

import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import type { TestServer } from "./cluster.ts";

export interface Ledger {
  /** The numbers as they first came. */
  readonly rows: readonly number[];
  /** Those that came again. */
  readonly repeats: readonly number[];
}

export class Consumer {
  readonly slotName: string;
  readonly #seen = new Set<number>();
  readonly #rows: number[] = [];
  readonly #repeats: number[] = [];

  constructor(slotName: string) {
    this.slotName = slotName;
  }

  get ledger(): Ledger {
    return { rows: this.#rows, repeats: this.#repeats };
  }

  /** Takes what the slot has, and confirms it. */
  async take(server: TestServer): Promise<void> {
    const rows = await ask(
      server,
      `SELECT data FROM pg_logical_slot_get_changes('${this.slotName}', NULL, NULL)`,
    );
    for (const data of rows) {
      const [, digits] = /^table public\.ledger: INSERT: n\[integer\]:(\d+)/.exec(data) ?? [];
      if (digits === undefined) continue;
      const n = Number(digits);
      (this.#seen.has(n) ? this.#repeats : this.#rows).push(n);
      this.#seen.add(n);
    }
  }

  /** Takes again and again until told to stop. */
  async follow(server: TestServer, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.take(server);
      await setTimeout(20);
    }
  }
}

/** Writes numbered rows, and changes and vacuums the catalogues, until told to stop; gives the last number. */
export async function writeOn(
  server: TestServer,
  first: number,
  stop: AbortSignal,
): Promise<number> {
  const [writer, vacuumer] = [await open(server), await open(server)];
  const vacuuming = (async () => {
    while (!stop.aborted) {
      await vacuumer.query("VACUUM FULL pg_attribute");
      await vacuumer.query("VACUUM (FREEZE) pg_class");
      await vacuumer.query("VACUUM pg_type");
      await vacuumer.query("CHECKPOINT");
      await setTimeout(50);
    }
  })();
  // Told by the writer, where the server ends both.
  vacuuming.catch(() => undefined);
  let n = first;
  try {
    for (; !stop.aborted; n += 1) {
      await writer.query(`INSERT INTO ledger VALUES (${n})`);
      if (n % 5 === 0) await writer.query(`CREATE TABLE side_${n} (a int, b text)`);
      if (n % 10 === 0) await writer.query(`DROP TABLE side_${n}`);
      if (n % 20 === 0) {
        await writer.query(`ALTER TABLE ledger ADD COLUMN c${n} text DEFAULT 'x'`);
        await writer.query(`ALTER TABLE ledger DROP COLUMN c${n}`);
      }
      await setTimeout(2);
    }
    await vacuuming;
  } finally {
    await Promise.all([writer.end(), vacuumer.end()]);
  }
  return n - 1;
}

async function open(server: TestServer): Promise<Client> {
  const client = new Client(server.clientConfig());
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function ask(server: TestServer, text: string): Promise<readonly string[]> {
  const client = await open(server);
  try {
    const { rows } = await client.query<string[]>({ text, rowMode: "array" });
    return rows.map(([value]) => value ?? "");
  } finally {
    await client.end();
  }
}
