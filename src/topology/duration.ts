// The one grammar of durations: the command line's and the topology file's. Text in, milliseconds or null out.

/** A duration in milliseconds from `500ms`, `10s`, `2m`, `1h` or bare seconds (`30`, `0.5`); null where the text is none. */
export function durationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) return null;
  const factor = unitMs[match[2] ?? "s"] ?? Number.NaN;
  const ms = Math.round(Number(match[1]) * factor);
  return ms <= longestMs ? ms : null;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The longest delay that a timer of the runtime takes (2^31 - 1 ms): longer ones would fire at once. */
const longestMs = 2_147_483_647;
