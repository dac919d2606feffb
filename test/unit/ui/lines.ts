// Rendered lines as the plain text that a terminal without colours shows.

import { paint, plainStyles } from "../../../src/ui/colour.ts";
import type { Line } from "../../../src/ui/line.ts";
import type { Look } from "../../../src/ui/look.ts";

export const plainLook: Look = { isTTY: true, colour: false, utf8: true, columns: 80 };
export const asciiLook: Look = { ...plainLook, utf8: false };
export const colourLook: Look = { ...plainLook, colour: true };

/** With a newline before it, so that inline snapshots align. */
export function shown(lines: readonly Line[]): string {
  return `\n${paint(lines, plainStyles)}`;
}
