// The open consoles of one run, one per pooler: a look opens them, so that a connection stands before anybody is made to
// wait; a lost one is opened again when it is next asked for. Ends all of them when closed.

import type { PoolerConfig, PoolerState } from "../topology/pooler.ts";
import { ConnectFailure } from "./connect-failure.ts";
import { isPaused, lookAtPooler, openConsole, type PoolerLook } from "./pooler.ts";
import type { Session } from "./session.ts";

export class Poolers {
  readonly #configs: readonly PoolerConfig[];
  readonly #timeoutMs: number;
  readonly #open = new Map<string, Session>();

  constructor(configs: readonly PoolerConfig[], timeoutMs: number) {
    this.#configs = configs;
    this.#timeoutMs = timeoutMs;
  }

  /** All of them at once. Never throws for a pooler's sake. */
  observe(signal: AbortSignal | null): Promise<readonly PoolerState[]> {
    return Promise.all(this.#configs.map((config) => this.#look(config, signal)));
  }

  /** An open console; throws ConnectFailure where it does not let us in. */
  async console(name: string, signal: AbortSignal | null = null): Promise<Session> {
    const open = this.#open.get(name);
    if (open?.alive === true) return open;
    const opened = await this.another(name, signal);
    this.#open.set(name, opened);
    return opened;
  }

  /** One beside that; closed by whoever asked for it. */
  async another(name: string, signal: AbortSignal | null = null): Promise<Session> {
    const limits = { timeoutMs: this.#timeoutMs, ...(signal === null ? {} : { signal }) };
    return await openConsole(this.#config(name), limits);
  }

  async close(): Promise<void> {
    const consoles = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(consoles.map((console) => console.close()));
  }

  #config(name: string): PoolerConfig {
    const found = this.#configs.find((config) => config.name === name);
    if (found === undefined) throw new Error(`no pooler ${name} in the topology file`);
    return found;
  }

  async #look(config: PoolerConfig, signal: AbortSignal | null): Promise<PoolerState> {
    const { name } = config;
    try {
      const look = await lookAtPooler(config, await this.console(name, signal));
      const against = reasonAgainst(config, look);
      return { name, reachable: true, paused: isPaused(config, look), against };
    } catch (error) {
      signal?.throwIfAborted();
      const reason = error instanceof ConnectFailure ? error.reason : null;
      return { name, reachable: false, reason: reason ?? textOf(error) };
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Why a PAUSE would fail for certain. */
function reasonAgainst({ databases, conninfo }: PoolerConfig, look: PoolerLook): string | null {
  if (!look.mayPause) return `${conninfo["user"] ?? "our user"} is none of its admin_users`;
  if (databases.length > 0 && look.whole) return "the whole of it is paused, by another hand";
  return null;
}
