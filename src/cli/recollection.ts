// What this run sees of the cluster, added to what was seen before, and kept for the next run when this one ends. Costs a
// file that is read and one that is written; neither is waited for longer than a moment, and neither can fail a verb.

import { setTimeout } from "node:timers/promises";
import type { LastSeen } from "../topology/last-seen.ts";
import type { Observation } from "../topology/node.ts";

export interface Recollection {
  /** A look at all nodes of the topology file. */
  add(observations: readonly Observation[]): void;
  /** What is known by now; null where nothing is. Never throws. */
  recall(): Promise<LastSeen | null>;
  /** Writes it down. Never throws. */
  keep(): Promise<void>;
}

export interface RecollectionOptions {
  readonly directory: string;
  cluster(): Promise<{ readonly name: string }>;
  readonly pid: number;
  /** Told once when nothing can be kept. */
  onFailure(reason: string): void;
}

/** A home directory may be on a file server that does not answer. Milliseconds. */
const patienceMs = 1_000;

/** Of a run that waits and looks again and again: the first look and the last ones say it all. */
const mostLooks = 20;

export function createRecollection(options: RecollectionOptions): Recollection {
  const looks: (readonly Observation[])[] = [];
  let failed = false;

  const place = async () => ({
    directory: options.directory,
    cluster: (await options.cluster()).name,
  });
  const known = async (): Promise<LastSeen | null> => {
    const [{ readLastSeen }, { addLook }, { buildTopology }] = await Promise.all([
      import("../execute/last-seen.ts"),
      import("../topology/last-seen.ts"),
      import("../topology/topology.ts"),
    ]);
    const where = await place();
    const before = await readLastSeen(where);
    return looks.reduce<LastSeen | null>(
      (seen, look) => addLook(seen, buildTopology(where.cluster, look)),
      before,
    );
  };
  const patiently = async <T>(work: Promise<T>, otherwise: T): Promise<T> => {
    const over = new AbortController();
    const late = setTimeout(patienceMs, undefined, { signal: over.signal, ref: false }).then(
      () => {
        throw new Error(`no answer within ${patienceMs} ms`);
      },
      // Over before its time: the work was done.
      () => otherwise,
    );
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      if (!failed) options.onFailure(error instanceof Error ? error.message : String(error));
      failed = true;
      return otherwise;
    } finally {
      over.abort();
    }
  };
  const write = async (): Promise<void> => {
    const seen = await known();
    if (seen === null) return;
    const { writeLastSeen } = await import("../execute/last-seen.ts");
    await writeLastSeen(await place(), seen, options.pid);
  };
  return {
    add: (observations) => {
      looks.push(observations);
      if (looks.length > mostLooks) looks.splice(1, 1);
    },
    recall: () => patiently(known(), null),
    keep: async () => {
      if (looks.length > 0) await patiently(write(), undefined);
    },
  };
}
