// Polling of one server for a condition, with an end: a time limit and a signal. Used where an act of this room must
// see its own effect before it may return; the waits of a plan belong to its executor.

export interface Patience {
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  /** An abort ends the wait as if the time were up. */
  readonly signal?: AbortSignal;
}

/** Looks until the look gives something else than null; null when the time is up. Looks at least once. */
export async function pollFor<T>(
  look: () => Promise<T | null>,
  options: Patience & { readonly everyMs: number },
): Promise<T | null> {
  const end = performance.now() + options.timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (options.signal?.aborted === true || performance.now() >= end) return null;
    await pause(options.everyMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
