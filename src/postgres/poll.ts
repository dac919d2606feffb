// Polling of one server for a condition, with an end: a time limit and a signal. Used where an act of this room must
// see its own effect before it may return; the waits of a plan belong to its executor.

export interface Patience {
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  /** An abort ends the wait as if the time were up. */
  readonly signal?: AbortSignal;
}

/** The longest pause between two looks, milliseconds. */
const longestMs = 250;

/** How long to wait for the next look, milliseconds: a twentieth of the wait so far at least. So a short wait ends at once, and a
 * long one keeps no server busy. */
export function nextPause(everyMs: number, waitedMs: number): number {
  return Math.max(everyMs, Math.min(waitedMs / 20, longestMs));
}

/** Looks until the look gives something else than null; null when the time is up. Looks at least once. */
export async function pollFor<T>(
  look: () => Promise<T | null>,
  options: Patience & { readonly everyMs: number },
): Promise<T | null> {
  const began = performance.now();
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    const waitedMs = performance.now() - began;
    if (options.signal?.aborted === true || waitedMs >= options.timeoutMs) return null;
    await pause(Math.min(nextPause(options.everyMs, waitedMs), options.timeoutMs - waitedMs));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
