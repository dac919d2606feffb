// The open sessions of one run, one per node: a look opens them, the performers act on them, a lost one is opened again
// when it is next asked for. Two askers at the same moment share one attempt. Ends all of them when disposed of.

import type { ClusterConfig, NodeConfig, Observation } from "../topology/node.ts";
import { type ClusterLock, LockLost } from "./cluster-lock.ts";
import { connect } from "./connect.ts";
import { ownApplicationName } from "./observe-sql.ts";
import { observeNode } from "./observe.ts";
import type { Session } from "./session.ts";

export interface SessionsOptions {
  readonly config: ClusterConfig;
  /** For each node on its own, milliseconds. */
  readonly timeoutMs: number;
  /** Milliseconds since 1970. */
  now(): number;
  /** Where the run takes the lock of its cluster: every session is one that holds it. */
  readonly lock: ClusterLock | null;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #open = new Map<string, Session>();
  readonly #opening = new Map<string, Promise<Session>>();
  readonly #seen = new Map<string, Observation>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** All nodes at once, or the named ones; through the open session where there is one. */
  observe(
    names: readonly string[] | null,
    signal: AbortSignal | null,
  ): Promise<readonly Observation[]> {
    const nodes = this.#options.config.nodes.filter(
      (node) => names === null || names.includes(node.name),
    );
    return Promise.all(nodes.map((node) => this.#look(node, signal)));
  }

  /** An open session; throws ConnectFailure where the node does not let us in, LockLost where nothing may be done any more. */
  async session(name: string): Promise<Session> {
    const session = await this.#session(name);
    const lost = this.#options.lock?.lost ?? null;
    if (lost !== null) throw new LockLost(lost);
    return session;
  }

  /** One to a database of the node's, beside that; closed by whoever asked for it. */
  async sessionIn(name: string, database: string): Promise<Session> {
    const { conninfo } = this.#config(name);
    return await connect(
      { ...conninfo, dbname: database },
      { timeoutMs: this.#options.timeoutMs, applicationName: ownApplicationName },
    );
  }

  async #session(name: string): Promise<Session> {
    const open = this.#live(name);
    if (open !== null) return open;
    const opening = this.#opening.get(name) ?? this.#connect(name);
    this.#opening.set(name, opening);
    try {
      const session = await opening;
      this.#open.set(name, session);
      return session;
    } finally {
      this.#opening.delete(name);
    }
  }

  /** Names of the nodes with an open session, in the order of the topology file. */
  reached(): readonly string[] {
    const { nodes } = this.#options.config;
    return nodes.map((node) => node.name).filter((name) => this.#live(name) !== null);
  }

  /** The last look at each node, oldest knowledge included. */
  lastSeen(name: string): Observation | null {
    return this.#seen.get(name) ?? null;
  }

  async close(): Promise<void> {
    const sessions = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(sessions.map((session) => session.close()));
  }

  #live(name: string): Session | null {
    const session = this.#open.get(name);
    return session?.alive === true ? session : null;
  }

  #connect(name: string): Promise<Session> {
    return this.#openTo(this.#config(name), null);
  }

  #config(name: string): NodeConfig {
    const node = this.#options.config.nodes.find((each) => each.name === name);
    if (node === undefined) throw new Error(`no node ${name} in the topology file`);
    return node;
  }

  #openTo(node: NodeConfig, signal: AbortSignal | null): Promise<Session> {
    const { lock, timeoutMs } = this.#options;
    const limits = { timeoutMs, ...(signal === null ? {} : { signal }) };
    if (lock !== null) return lock.connect(node, limits);
    return connect(node.conninfo, { ...limits, applicationName: ownApplicationName });
  }

  async #look(node: NodeConfig, signal: AbortSignal | null): Promise<Observation> {
    const open = this.#live(node.name);
    const { observation, session } = await observeNode(node, {
      timeoutMs: this.#options.timeoutMs,
      now: () => this.#options.now(),
      ...(signal === null ? {} : { signal }),
      ...(open === null ? { open: () => this.#openTo(node, signal) } : { session: open }),
    });
    this.#seen.set(node.name, observation);
    if (session === null) this.#open.delete(node.name);
    else this.#open.set(node.name, session);
    return observation;
  }
}
