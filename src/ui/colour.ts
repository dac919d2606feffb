// Styles as a terminal shows them. Sixteen colours, sparingly, so that they hold on light and dark grounds; text never
// says with a colour what it does not also say with a word. chalk is loaded with the first colour: a cron job needs none.

import type { Line, Style } from "./line.ts";
import type { Look } from "./look.ts";

export type Styles = Readonly<Record<Style, (text: string) => string>>;

const asItIs = (text: string): string => text;

export const plainStyles: Styles = {
  plain: asItIs,
  strong: asItIs,
  faint: asItIs,
  good: asItIs,
  warning: asItIs,
  bad: asItIs,
};

export async function stylesFor(look: Pick<Look, "colour">): Promise<Styles> {
  if (!look.colour) return plainStyles;
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: 1 });
  return {
    plain: asItIs,
    strong: chalk.bold,
    faint: chalk.dim,
    good: chalk.green,
    warning: chalk.yellow,
    bad: chalk.red,
  };
}

/** Lines as one text, each ended by a newline. */
export function paint(lines: readonly Line[], styles: Styles): string {
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
