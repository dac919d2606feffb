// Values of options and arguments: the grammar that usage checks, help and verbs share. Text in, value or null out.

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

/** A count from decimal digits; null where the text is none. */
export function count(text: string): number | null {
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/** PostgreSQL's majors that this release speaks to. */
export const majors = [13, 14, 15, 16, 17, 18] as const;

/** A supported major from its decimal digits; null where the text is none. */
export function major(text: string): (typeof majors)[number] | null {
  return majors.find((known) => String(known) === text) ?? null;
}
