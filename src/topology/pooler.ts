// What a pooler is: as the topology file says (PoolerConfig), and as a look at its console showed (PoolerState). It stands
// between clients and the primary and is no node: it has no log, no lock and no mark.

import type { Conninfo } from "../conninfo/conninfo.ts";

/** A pgbouncer of the topology file. */
export interface PoolerConfig {
  readonly name: string;
  /** Of its admin console. */
  readonly conninfo: Conninfo;
  /** The user's command that gives the pooler the address of a new primary; null: RELOAD alone does. */
  readonly reconfigure: string | null;
  /** Those that lead to this cluster; empty: all. */
  readonly databases: readonly string[];
  /** How long a PAUSE waits for the transactions that are under way, milliseconds. */
  readonly pauseTimeoutMs: number;
}

export type PoolerState =
  | {
      readonly name: string;
      readonly reachable: true;
      /** What the topology file names of it, or a part of that, is paused: its clients wait. */
      readonly paused: boolean;
      /** Why it cannot be paused, where that is known beforehand. */
      readonly against: string | null;
    }
  | {
      readonly name: string;
      readonly reachable: false;
      /** One line, without secrets. */
      readonly reason: string;
    };
