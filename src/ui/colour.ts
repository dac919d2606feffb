// Styles as a terminal shows them. Sixteen colours, sparingly, so that they hold on light and dark grounds; text never
// says with a colour what it does not also say with a word.

import type { Line, Style } from "./line.ts";
import type { Look } from "./look.ts";

// Not before this module is asked for: the bundle would load it at every start.
const { Chalk } = await import("chalk");

/** Lines as one text, each ended by a newline. */
export function paint(lines: readonly Line[], look: Look): string {
  const styles = stylesFor(look);
  return lines
    .map((spans) =>
      spans
        .map(({ text, style }) => styles[style](text))
        .join("")
        .trimEnd(),
    )
    .map((text) => `${text}\n`)
    .join("");
}

export function stylesFor(look: Look): Readonly<Record<Style, (text: string) => string>> {
  const chalk = new Chalk({ level: look.colour ? 1 : 0 });
  return {
    plain: (text) => text,
    strong: chalk.bold,
    faint: chalk.dim,
    good: chalk.green,
    warning: chalk.yellow,
    bad: chalk.red,
  };
}
