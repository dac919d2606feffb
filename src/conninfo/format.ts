// Writes parameters as a keyword string that libpq reads back as the same parameters.
// libpq's two escapes, \' and \\, are all it needs (13 to 18); a URI is never written.

import type { Conninfo } from "./conninfo.ts";

const plain = /^[A-Za-z0-9_.,:/@%+*~^-]+$/;

/** `host=a port=5432 application_name='it\'s'`: keywords in the order they stand in. */
export function formatConninfo(conninfo: Conninfo): string {
  return Object.entries(conninfo)
    .map(([keyword, value]) => `${keyword}=${formatValue(value)}`)
    .join(" ");
}

/** One value, quoted where it must be. */
export function formatValue(value: string): string {
  if (plain.test(value)) return value;
  return `'${value.replace(/[\\']/g, "\\$&")}'`;
}
