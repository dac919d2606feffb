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
const patienceMs = 2_000;

/** Of a run that waits and looks again and again: the first look and the last ones say it all. */
const mostLooks = 20;

export function createRecollection(options: RecollectionOptions): Recollection {
  const looks: (readonly Observation[])[] = [];
  let failed = false;

  const load = async () => {
    const [files, seen, topology, { name }] = await Promise.all([
      import("../execute/last-seen.ts"),
      import("../topology/last-seen.ts"),
      import("../topology/topology.ts"),
      options.cluster(),
    ]);
    return {
      ...files,
      ...seen,
      ...topology,
      place: { directory: options.directory, cluster: name },
    };
  };
  type Loaded = Awaited<ReturnType<typeof load>>;
  const known = async ({ readLastSeen, addLook, buildStructure, place }: Loaded) => {
    const before = await readLastSeen(place);
    return looks.reduce<LastSeen | null>(
      (seen, look) => addLook(seen, buildStructure(place.cluster, look)),
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
  const write = async (loaded: Loaded): Promise<void> => {
    const seen = await known(loaded);
    if (seen !== null) await loaded.writeLastSeen(loaded.place, seen, options.pid);
  };
  return {
    add: (observations) => {
      looks.push(observations);
      if (looks.length > mostLooks) looks.splice(1, 1);
    },
    recall: async () => patiently(known(await load()), null),
    keep: async () => {
      if (looks.length > 0) await patiently(write(await load()), undefined);
    },
  };
}
