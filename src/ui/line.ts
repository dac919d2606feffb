// Lines for people: spans of text with a style. Text that came from a server, a file or the command line passes through
// `printable` on its way out, so that an application_name with escape sequences cannot drive the terminal.

export type Style = "plain" | "strong" | "faint" | "good" | "warning" | "bad";

export interface Span {
  readonly text: string;
  readonly style: Style;
}

export type Line = readonly Span[];

export function span(text: string, style: Style = "plain"): Span {
  return { text: printable(text), style };
}

export function line(...spans: readonly (Span | string)[]): Line {
  return spans.map((each) => (typeof each === "string" ? span(each) : each));
}

/** Columns that a line takes. */
export function widthOf(spans: Line): number {
  return spans.reduce((width, each) => width + textWidth(each.text), 0);
}

/** Control characters (C0, C1, DEL), direction overrides and unpaired surrogates as visible escapes; all else as it is. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    (character) => {
      const code = character.codePointAt(0) ?? 0;
      return code <= 0xff
        ? `\\x${code.toString(16).padStart(2, "0")}`
        : `\\u${code.toString(16).padStart(4, "0")}`;
    },
  );
}

/** Columns of a text on a terminal: marks that combine take none, wide East Asian letters and emoji take two. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  if (/^[\p{Mn}\p{Me}\u200b-\u200d]$/u.test(character)) return 0;
  return /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u.test(
    character,
  )
    ? 2
    : 1;
}

const breakable = /(?<!\d) | (?!(?:[kMGTPE]?B|ms|s|min|h)\b)/;

/** Breaks a text into lines of at most `width` columns at its spaces, but not between a number and its unit; a longer word
 * stands alone and is not cut. */
export function fold(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(breakable).filter((part) => part !== "")) {
    if (current !== "" && textWidth(current) + 1 + textWidth(word) > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === "" ? word : `${current} ${word}`;
    }
  }
  return current === "" ? lines : [...lines, current];
}

/** The same for a line of spans; further lines are indented by two. */
export function foldLine(spans: Line, width: number): readonly Line[] {
  const lines: Span[][] = [[]];
  let used = 0;
  for (const { text, style } of spans) {
    for (const piece of text.split(/(?<= )/)) {
      const columns = textWidth(piece.trimEnd());
      if (used > 2 && used + columns > width) {
        lines.push([{ text: "  ", style: "plain" }]);
        used = 2;
      }
      lines.at(-1)?.push({ text: piece, style });
      used += textWidth(piece);
    }
  }
  return lines;
}
