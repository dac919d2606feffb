// A client that writes numbered rows and remembers each acknowledgement: what it was told is durable is what a failover
// must keep. A commit whose answer was lost is neither: its number is never written again, so nothing is counted twice.
// It looks for the node that takes writes on sessions that stay open, which survive a promotion (13 to 18).

import { setTimeout as delay } from "node:timers/promises";
import type { Conninfo } from "../conninfo/conninfo.ts";
import { connect } from "../postgres/connect.ts";
import type { Session } from "../postgres/session.ts";

export interface WorkloadNode {
  readonly name: string;
  readonly conninfo: Conninfo;
}

export interface WorkloadOptions {
  readonly nodes: readonly WorkloadNode[];
  /** Pause between two commits, milliseconds. */
  readonly everyMs: number;
  /** Rows in one commit; more than a few make bulk inserts of about 1 kB each. Default 1. */
  readonly rowsPerCommit?: number;
}

/** Numbers `first` to `last` were committed, and we were told so. */
export interface Acknowledgement {
  readonly first: number;
  readonly last: number;
  readonly node: string;
  /** Milliseconds since the client began. */
  readonly atMs: number;
}

export interface Gap {
  readonly ms: number;
  /** The acknowledgements on both sides. */
  readonly before: Acknowledgement;
  readonly after: Acknowledgement;
}

export interface WorkloadLimit {
  readonly timeoutMs: number;
  /** Counts what this node acknowledges, and nothing else. */
  readonly node?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Workload {
  /** In order. Grows while the client runs. */
  readonly acknowledgements: readonly Acknowledgement[];
  /** The highest number that was sent. */
  readonly attempted: number;
  /** The clock of `atMs`. */
  now(): number;
  /** Waits until that many more commits are acknowledged. */
  waitForMore(commits: number, limit: WorkloadLimit): Promise<void>;
  /** Ends the client and gives its sessions back. */
  stop(): Promise<void>;
}

export const ledgerTable = "app.ledger";
const reconnectMs = 20;
const pollMs = 2;
const statementMs = 2_000;

/** Makes the table, as the client's own role on the node that takes writes. */
export async function createLedger(session: Session): Promise<void> {
  await session.query(
    `CREATE TABLE IF NOT EXISTS ${ledgerTable} (number bigint PRIMARY KEY, payload text)`,
  );
}

/** Starts writing at once. */
export function startWorkload(options: WorkloadOptions): Workload {
  const client = new Client(options);
  const running = client.run();
  return {
    acknowledgements: client.acknowledgements,
    get attempted() {
      return client.attempted;
    },
    now: () => client.now(),
    waitForMore: async (commits, limit) => {
      const { node, timeoutMs } = limit;
      const count = () =>
        node === undefined
          ? client.acknowledgements.length
          : client.acknowledgements.filter((one) => one.node === node).length;
      const wanted = count() + commits;
      const until = performance.now() + timeoutMs;
      while (count() < wanted) {
        limit.signal?.throwIfAborted();
        if (performance.now() > until) {
          throw new Error(
            `the client did not see ${commits} more commits acknowledged within ${timeoutMs} ms`,
          );
        }
        await delay(2);
      }
    },
    stop: async () => {
      client.stopping = true;
      await running;
    },
  };
}

/** The longest time between two acknowledgements; null before the second. */
export function longestGap(acknowledgements: readonly Acknowledgement[]): Gap | null {
  let longest: Gap | null = null;
  for (const [index, after] of acknowledgements.entries()) {
    const before = acknowledgements[index - 1];
    if (before === undefined) continue;
    const ms = after.atMs - before.atMs;
    if (longest === null || ms > longest.ms) longest = { ms, before, after };
  }
  return longest;
}

/** States: looking for the node that takes writes, writing to it, stopped. */
class Client {
  readonly acknowledgements: Acknowledgement[] = [];
  attempted = 0;
  stopping = false;
  readonly #options: WorkloadOptions;
  readonly #began = performance.now();
  readonly #sessions = new Map<string, Session>();
  readonly #triedAt = new Map<string, number>();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    while (!this.#isStopping()) {
      const writer = await this.#findWriter();
      if (writer !== null) await this.#writeTo(writer);
    }
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }

  now(): number {
    return performance.now() - this.#began;
  }

  // A function, because the compiler takes a property for unchanged over an await.
  #isStopping(): boolean {
    return this.stopping;
  }

  async #writeTo(node: WorkloadNode): Promise<void> {
    const session = this.#sessions.get(node.name);
    if (session === undefined) return;
    const rows = this.#options.rowsPerCommit ?? 1;
    while (!this.#isStopping()) {
      const first = this.attempted + 1;
      const last = this.attempted + rows;
      this.attempted = last;
      try {
        await session.query(
          `INSERT INTO ${ledgerTable} (number, payload)
           SELECT n, CASE WHEN $2::bigint > $1::bigint THEN repeat(md5(n::text), 32) END
           FROM generate_series($1::bigint, $2::bigint) AS n`,
          [first, last],
          { timeoutMs: statementMs },
        );
      } catch {
        // Fenced, lost or gone: what came of this commit is unknown. Look again who takes writes.
        return;
      }
      const atMs = this.now();
      this.acknowledgements.push({ first, last, node: node.name, atMs });
      if (this.#options.everyMs > 0) await delay(this.#options.everyMs);
    }
  }

  /** Every node is looked at on its own: one that hangs holds nobody up. */
  async #findWriter(): Promise<WorkloadNode | null> {
    const looking = new Set<string>();
    const found: WorkloadNode[] = [];
    const look = async (node: WorkloadNode): Promise<void> => {
      looking.add(node.name);
      if (await this.#takesWrites(node)) found.push(node);
      looking.delete(node.name);
    };
    while (!this.#isStopping()) {
      for (const node of this.#options.nodes) if (!looking.has(node.name)) void look(node);
      await delay(pollMs);
      const writer = found[0];
      if (writer !== undefined) return writer;
    }
    return null;
  }

  async #takesWrites(node: WorkloadNode): Promise<boolean> {
    const session = await this.#sessionTo(node);
    if (session === null) return false;
    try {
      const [row] = await session.query(
        `SELECT NOT pg_is_in_recovery()
           AND current_setting('default_transaction_read_only') = 'off' AS writable`,
        [],
        { timeoutMs: 500 },
      );
      return row?.["writable"] === "t";
    } catch {
      // Lost: the next look opens another.
      return false;
    }
  }

  async #sessionTo(node: WorkloadNode): Promise<Session | null> {
    const open = this.#sessions.get(node.name);
    if (open?.alive === true) return open;
    const now = performance.now();
    if (now - (this.#triedAt.get(node.name) ?? Number.NEGATIVE_INFINITY) < reconnectMs) return null;
    this.#triedAt.set(node.name, now);
    try {
      const session = await connect(node.conninfo, { applicationName: "ledger", timeoutMs: 500 });
      this.#sessions.set(node.name, session);
      return session;
    } catch {
      // Down, or on its way up.
      return null;
    }
  }
}
