// Values of options and arguments: the grammar that usage checks, help and verbs share. Text in, value or null out.

export { durationMs } from "../topology/duration.ts";

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
