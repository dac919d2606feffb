// Ends the waits of a run whose lock was taken over: a wait that asks no server would not hear of it.

import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterLock } from "../postgres/cluster-lock.ts";

export interface LockWatch {
  /** Aborted once the lock is lost. */
  readonly signal: AbortSignal;
  stop(): Promise<void>;
}

const everyMs = 100;

export function watchLock(lock: ClusterLock): LockWatch {
  const over = new AbortController();
  const lost = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      if ((await lock.check()) !== null) {
        lost.abort();
        return;
      }
      await sleep(everyMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    signal: lost.signal,
    stop: async () => {
      over.abort();
      await watching;
    },
  };
}
