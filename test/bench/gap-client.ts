// Clients that commit without end, and how long they were kept from it: the longest time between two commits that were
// acknowledged, to whichever of them. Each has its session to every node open beforehand, and they share one lookout that asks
// every node every millisecond who takes writes, so that the clients themselves add little to what is measured.

import { setTimeout } from "node:timers/promises";
import pg from "pg";

export type ClientConfig = pg.ClientConfig;

export interface Load {
  readonly clients: number;
  /** Between two commits of one client, milliseconds. */
  readonly pauseMs: number;
  readonly prepare: readonly string[];
  /** One transaction of client `index`, in one round trip. */
  readonly transaction: (index: number) => string;
}

export interface Gap {
  readonly ms: number;
  /** On the clock of performance.now(). */
  readonly endedAt: number;
}

/** Between two looks, and between two attempts to connect, milliseconds. */
const lookMs = 1;
const connectMs = 20;

const takesWritesSql = `SELECT NOT pg_is_in_recovery()
  AND current_setting('default_transaction_read_only') = 'off' AS writable`;

/** One client that commits a row every 2 ms. */
export const singleRows: Load = {
  clients: 1,
  pauseMs: 2,
  prepare: ["CREATE TABLE bench (n int)"],
  transaction: () => "INSERT INTO bench VALUES (1)",
};

const scale = 8;
const accounts = 1_000;
const below = (limit: number): string => String(1 + Math.floor(Math.random() * limit));

/** What pgbench does by default with eight clients, without its tool: a transaction takes one round trip here, not seven. */
export const pgbenchLike: Load = {
  clients: 8,
  pauseMs: 0,
  prepare: [
    "CREATE TABLE branches AS SELECT n AS bid, 0 AS balance FROM generate_series(1, 8) AS n",
    "CREATE TABLE tellers AS SELECT n AS tid, 0 AS balance FROM generate_series(1, 80) AS n",
    "CREATE TABLE accounts AS SELECT n AS aid, 0 AS balance, repeat('x', 84) AS filler FROM generate_series(1, 8000) AS n",
    "CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp)",
    ...["branches (bid)", "tellers (tid)", "accounts (aid)"].map(
      (key) => `CREATE UNIQUE INDEX ON ${key}`,
    ),
    "ANALYZE",
  ],
  transaction: () => {
    const [aid, tid, bid] = [below(scale * accounts), below(scale * 10), below(scale)];
    return `BEGIN;
      UPDATE accounts SET balance = balance + 1 WHERE aid = ${aid};
      SELECT balance FROM accounts WHERE aid = ${aid};
      UPDATE tellers SET balance = balance + 1 WHERE tid = ${tid};
      UPDATE branches SET balance = balance + 1 WHERE bid = ${bid};
      INSERT INTO history VALUES (${tid}, ${bid}, ${aid}, 1, CURRENT_TIMESTAMP);
      COMMIT`;
  },
};

/** A session to each node; those that were lost are opened again, at most every so often. */
class Connections {
  readonly #configs: ReadonlyMap<string, ClientConfig>;
  readonly #open = new Map<string, pg.Client>();
  readonly #triedAt = new Map<string, number>();

  constructor(configs: ReadonlyMap<string, ClientConfig>) {
    this.#configs = configs;
  }

  get(node: string): pg.Client | null {
    return this.#open.get(node) ?? null;
  }

  /** Null where there is none and none can be had now. */
  async reach(node: string): Promise<pg.Client | null> {
    const open = this.get(node);
    if (open !== null) return open;
    const now = performance.now();
    if (now - (this.#triedAt.get(node) ?? Number.NEGATIVE_INFINITY) < connectMs) return null;
    this.#triedAt.set(node, now);
    const made = new pg.Client(this.#configs.get(node));
    const forget = (): void => {
      if (this.#open.get(node) === made) this.#open.delete(node);
    };
    made.on("error", forget).on("end", forget);
    try {
      await made.connect();
    } catch {
      // Down, or on its way up.
      return null;
    }
    this.#open.set(node, made);
    return made;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((client) => client.end().catch(() => null)));
  }
}

export class GapClients implements AsyncDisposable {
  readonly #load: Load;
  readonly #nodes: readonly string[];
  readonly #lookout: Connections;
  readonly #each: readonly Connections[];
  readonly #commits: { readonly at: number; readonly node: string }[] = [];
  #writer: string | null = null;
  #stopping = false;
  readonly #running: Promise<unknown>;

  constructor(configs: ReadonlyMap<string, ClientConfig>, load: Load) {
    this.#load = load;
    this.#nodes = [...configs.keys()];
    this.#lookout = new Connections(configs);
    this.#each = Array.from({ length: load.clients }, () => new Connections(configs));
    const lookouts = this.#nodes.map((node) => this.#watch(node));
    const clients = this.#each.map((connections, index) => this.#write(connections, index));
    this.#running = Promise.all([...lookouts, ...clients]);
  }

  get #stopped(): boolean {
    return this.#stopping;
  }

  /** Forgets what was, and comes back after that many more commits, with every session open that can be. */
  async settle(commits: number): Promise<void> {
    const open = this.#each.flatMap((each) => this.#nodes.map((node) => each.reach(node)));
    await Promise.all(open);
    this.#commits.length = 0;
    while (this.#commits.length < commits) await setTimeout(2);
  }

  /** Until that many commits were acknowledged by this node. */
  async untilWriter(node: string): Promise<void> {
    while (this.#writer !== node) await setTimeout(2);
    const seen = this.#commits.length;
    while (this.#commits.length < seen + 20 * this.#load.clients) await setTimeout(2);
  }

  /** Since `settle`: the longest one, and the one between two nodes. */
  gaps(): { readonly longestMs: number; readonly handOver: Gap } {
    let longestMs = 0;
    let handOver = { ms: 0, endedAt: 0 };
    for (const [index, { at, node }] of this.#commits.entries()) {
      const before = this.#commits[index - 1];
      if (before === undefined) continue;
      const ms = at - before.at;
      longestMs = Math.max(longestMs, ms);
      if (node !== before.node) handOver = { ms, endedAt: at };
    }
    return { longestMs, handOver };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await Promise.all([this.#lookout, ...this.#each].map((each) => each.close()));
  }

  /** Asks a node whether it takes writes, for as long as nobody is known to. */
  async #watch(node: string): Promise<void> {
    while (!this.#stopped) {
      const client = await this.#lookout.reach(node);
      if (client !== null && this.#writer === null) {
        const found = await client.query<{ writable: boolean }>(takesWritesSql).catch(() => null);
        if (found?.rows[0]?.writable === true) this.#writer ??= node;
      }
      await setTimeout(this.#writer === null ? lookMs : connectMs);
    }
  }

  async #write(connections: Connections, index: number): Promise<void> {
    while (!this.#stopped) {
      const node = this.#writer;
      const client = node === null ? null : await connections.reach(node);
      if (node === null || client === null) {
        if (node !== null) this.#miss(node);
        await setTimeout(lookMs);
        continue;
      }
      try {
        await client.query(this.#load.transaction(index));
        this.#commits.push({ at: performance.now(), node });
        if (this.#load.pauseMs > 0) await setTimeout(this.#load.pauseMs);
      } catch {
        // Fenced, lost or gone: the lookout finds who takes writes now. A deadlock or the like costs a look.
        this.#miss(node);
        await client.query("ROLLBACK").catch(() => null);
      }
    }
  }

  #miss(node: string): void {
    if (this.#writer === node) this.#writer = null;
  }
}
