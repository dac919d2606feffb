// Text as roff, for the man macros that every man(1) knows (groff's and mandoc's). Backticks in a definition become bold.

import { fold } from "../ui/line.ts";

/** Running text: escapes what roff would read as a request, a macro or a special character. */
export function roffText(text: string): string {
  const escaped = text
    .split("`")
    .map((part, index) => (index % 2 === 1 ? bold(part) : escapeText(part)))
    .join("");
  // Short source lines: the formatter fills them again.
  return fold(escaped, 80).map(guarded).join("\n");
}

/** A line that begins with a dot or a quote would be a request. */
function guarded(line: string): string {
  return line.replace(/^(?=[.'])/, "\\&");
}

export function bold(text: string): string {
  return text === "" ? "" : `\\fB${escapeText(text)}\\fR`;
}

export function italic(text: string): string {
  return text === "" ? "" : `\\fI${escapeText(text)}\\fR`;
}

/** `\\-` keeps a hyphen a hyphen that can be copied to a shell. */
function escapeText(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti");
}

export function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
}

/** A tagged paragraph: the tag is roff already. */
export function tagged(tag: string, paragraphs: readonly string[]): readonly string[] {
  const [first = "", ...more] = paragraphs;
  return [".TP", tag, roffText(first), ...more.flatMap((text) => [".IP", roffText(text)])];
}

export function paragraphs(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text, index) => (index === 0 ? [roffText(text)] : [".PP", roffText(text)]));
}

/** Lines as they are typed, in the middle of running text. */
export function verbatim(lines: readonly string[]): readonly string[] {
  return [".RS 4", ".nf", ...lines.map((text) => guarded(escapeText(text))), ".fi", ".RE"];
}
