// Reads a connection string as libpq does: keyword strings here, URIs in uri.ts.
// Touches no environment and no file, and its messages name places, never values: after a mistake
// anything in the text may be part of a password. Source: conninfo_parse in fe-connect.c, same in 13 to 18.

import type { Conninfo } from "./conninfo.ts";
import { isKeyword, isSecretKeyword, unknownWord } from "./keywords.ts";
import { keepingAnswers } from "./known.ts";
import { isUri, parseUri } from "./uri.ts";

/** What a text turned out to be: parameters, or a one-line message without any of its values. */
export type ParsedConninfo =
  | { readonly ok: true; readonly conninfo: Conninfo }
  | { readonly ok: false; readonly message: string };

/** One `keyword = value` of a keyword string; offsets into the text, `valueStart` at the opening quote if there is one. */
export interface KeywordSpan {
  readonly keyword: string;
  readonly value: string;
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

type Scanned =
  | { readonly ok: true; readonly spans: readonly KeywordSpan[] }
  | { readonly ok: false; readonly message: string };

/** Parses a URI or a keyword string. Of duplicates the last one wins, as in libpq. */
export const parseConninfo = keepingAnswers((text: string): ParsedConninfo => {
  if (text.includes("\0")) return { ok: false, message: "connection string holds a zero byte" };
  if (isUri(text)) {
    const parsed = parseUri(text);
    if (!parsed.ok) return parsed;
    return { ok: true, conninfo: withoutAliases(parsed.pairs) };
  }
  const scanned = scanKeywords(text);
  if (!scanned.ok) return scanned;
  let afterSecret = false;
  for (const span of scanned.spans) {
    if (!isKeyword(span.keyword) && span.keyword !== "requiressl") {
      // Behind a secret the word may be the rest of it, which wanted quotes.
      const place = `unknown keyword at character ${span.start + 1}`;
      return {
        ok: false,
        message: `connection string: ${afterSecret ? place : (unknownWord("keyword", span.keyword) ?? place)}`,
      };
    }
    afterSecret ||= isSecretKeyword(span.keyword);
  }
  return {
    ok: true,
    conninfo: withoutAliases(scanned.spans.map((span) => [span.keyword, span.value])),
  };
});

/** Splits a keyword string without asking whether the keywords exist. */
export function scanKeywords(text: string): Scanned {
  const spans: KeywordSpan[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const start = at;
    while (at < text.length && text[at] !== "=" && !isSpace(text[at])) at += 1;
    const keyword = text.slice(start, at);
    at = skipSpace(text, at);
    if (text[at] !== "=") {
      return {
        ok: false,
        message: `connection string: no "=" after the word at character ${start + 1} (a value with spaces wants quotes)`,
      };
    }
    const valueStart = skipSpace(text, at + 1);
    const value = text[valueStart] === "'" ? quoted(text, valueStart) : bare(text, valueStart);
    if (value === null) {
      return {
        ok: false,
        message: `connection string: the quote at character ${valueStart + 1} is not closed`,
      };
    }
    spans.push({ keyword, value: value.text, start, valueStart, valueEnd: value.end });
    at = skipSpace(text, value.end);
  }
  return { ok: true, spans };
}

function bare(text: string, start: number): { text: string; end: number } {
  let value = "";
  let at = start;
  while (at < text.length && !isSpace(text[at])) {
    // A backslash keeps the next character as it is; one at the very end is dropped.
    if (text[at] === "\\") at += 1;
    value += text[at] ?? "";
    at += 1;
  }
  return { text: value, end: Math.min(at, text.length) };
}

function quoted(text: string, start: number): { text: string; end: number } | null {
  let value = "";
  let at = start + 1;
  while (at < text.length && text[at] !== "'") {
    if (text[at] === "\\") at += 1;
    value += text[at] ?? "";
    at += 1;
  }
  return at < text.length ? { text: value, end: at + 1 } : null;
}

/** isspace() of the C locale. */
function isSpace(character: string | undefined): boolean {
  return character !== undefined && " \t\n\v\f\r".includes(character);
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text[at])) at += 1;
  return at;
}

/** `requiressl` is libpq's oldest name for sslmode: 1 is require, anything else prefer. */
function withoutAliases(pairs: readonly (readonly [string, string])[]): Conninfo {
  const conninfo: Record<string, string> = {};
  for (const [keyword, value] of pairs) {
    if (keyword === "requiressl")
      conninfo["sslmode"] = value.startsWith("1") ? "require" : "prefer";
    else conninfo[keyword] = value;
  }
  return conninfo;
}
