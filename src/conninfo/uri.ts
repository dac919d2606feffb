// Reads libpq's connection URIs: postgresql://[user[:password]@][host[:port],...][/dbname][?keyword=value&...]
// Follows conninfo_uri_parse_options of fe-connect.c byte by byte, 18's rules for blanks included (before 18 they were
// taken as they stand). Messages never quote the text: where its parts lie is what went wrong.

import { isKeyword, isSecretKeyword, unknownWord } from "./keywords.ts";

export type UriPairs =
  | { readonly ok: true; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly ok: false; readonly message: string };

class UriError extends Error {}

const scheme = /^postgres(?:ql)?:\/\//;

/** Whether libpq takes the text for a URI: only when it begins with the scheme, in lower case. */
export function isUri(text: string): boolean {
  return scheme.test(text);
}

/** The keyword/value pairs of a URI in the order in which libpq stores them. */
export function parseUri(text: string): UriPairs {
  try {
    return { ok: true, pairs: readUri(text) };
  } catch (error) {
    if (error instanceof UriError)
      return { ok: false, message: `connection URI: ${error.message}` };
    throw error;
  }
}

/** Where the query of a URI begins, behind its `?`; null when it has none or does not parse. */
export function queryStart(text: string): number | null {
  try {
    const start = scheme.exec(text)?.[0].length ?? 0;
    const hosts = readHosts(text, readCredentials(text, start).end);
    const question = text.indexOf("?", hosts.end);
    return question < 0 ? null : question + 1;
  } catch (error) {
    if (error instanceof UriError) return null;
    throw error;
  }
}

function readUri(text: string): [string, string][] {
  const start = scheme.exec(text)?.[0].length ?? 0;
  const { pairs, end: hostsStart } = readCredentials(text, start);
  const hosts = readHosts(text, hostsStart);
  if (hosts.host !== "") pairs.push(["host", decodeUri(hosts.host)]);
  if (hosts.port !== "") pairs.push(["port", decodeUri(hosts.port)]);
  let at = hosts.end;
  if (at < text.length && text[at] !== "?") {
    const end = upTo(text, at + 1, "?");
    const dbname = text.slice(at + 1, end);
    if (dbname !== "") pairs.push(["dbname", decodeUri(dbname)]);
    at = end;
  }
  if (at < text.length) pairs.push(...readQuery(text.slice(at + 1)));
  return pairs;
}

/** Credentials are there when an `@` comes before the first `/`. */
function readCredentials(text: string, start: number): { pairs: [string, string][]; end: number } {
  const stop = upTo(text, start, "@/");
  if (text[stop] !== "@") return { pairs: [], end: start };
  const pairs: [string, string][] = [];
  const userEnd = upTo(text, start, ":@");
  if (userEnd > start) pairs.push(["user", decodeUri(text.slice(start, userEnd))]);
  if (userEnd < stop) {
    const password = text.slice(userEnd + 1, stop);
    if (password !== "") pairs.push(["password", decodeUri(password)]);
  }
  return { pairs, end: stop + 1 };
}

function readHosts(text: string, start: number): { host: string; port: string; end: number } {
  let host = "";
  let port = "";
  let at = start;
  for (;;) {
    const one = text[at] === "[" ? readIpv6(text, at) : readHost(text, at);
    host += one.host;
    at = one.end;
    if (text[at] === ":") {
      const end = upTo(text, at + 1, "/?,");
      port += text.slice(at + 1, end);
      at = end;
    }
    if (text[at] !== ",") return { host, port, end: at };
    host += ",";
    port += ",";
    at += 1;
  }
}

function readHost(text: string, start: number): { host: string; end: number } {
  const end = upTo(text, start, ":/?,");
  return { host: text.slice(start, end), end };
}

function readIpv6(text: string, start: number): { host: string; end: number } {
  const close = text.indexOf("]", start);
  if (close < 0) throw new UriError('no matching "]" for an IPv6 address');
  if (close === start + 1) throw new UriError("IPv6 address is empty");
  const next = text[close + 1];
  if (next !== undefined && !":/?,".includes(next)) {
    throw new UriError(`unexpected character after the IPv6 address, at character ${close + 2}`);
  }
  return { host: text.slice(start + 1, close), end: close + 1 };
}

/**
 * An unknown word is not repeated where it may be a password's own: behind one whose "&" was not written as %26, or before an
 * "@", when a password with a bare "/" and "?" was taken for host and query.
 */
function readQuery(query: string): [string, string][] {
  const pairs: [string, string][] = [];
  // A trailing "&" is allowed, an empty parameter between two is not.
  const parts = query.endsWith("&") ? query.slice(0, -1).split("&") : query.split("&");
  if (query === "") return pairs;
  for (const part of parts) {
    const [rawKeyword = "", rawValue, extra] = part.split("=");
    if (rawValue === undefined) throw new UriError('no "=" in a query parameter');
    if (extra !== undefined) throw new UriError('more than one "=" in a query parameter');
    const keyword = decodeUri(rawKeyword);
    const value = decodeUri(rawValue);
    if (keyword === "ssl" && value === "true") {
      pairs.push(["sslmode", "require"]);
    } else if (isKeyword(keyword) || keyword === "requiressl") {
      pairs.push([keyword, value]);
    } else {
      const maybeSecret = query.includes("@") || pairs.some(([word]) => isSecretKeyword(word));
      const named = maybeSecret ? null : unknownWord("query parameter", keyword);
      throw new UriError(named ?? "unknown query parameter");
    }
  }
  return pairs;
}

/** Percent-decoding as in conninfo_uri_decode of 18: blanks around are dropped, blanks within refused. */
export function decodeUri(text: string): string {
  const trimmed = text.replace(/^ +| +$/g, "");
  if (trimmed.includes(" ")) {
    throw new UriError("unexpected space (write it as %20)");
  }
  const bytes: number[] = [];
  const source = Buffer.from(trimmed, "utf8");
  for (let at = 0; at < source.length; at += 1) {
    const byte = source[at] ?? 0;
    if (byte !== 0x25) {
      bytes.push(byte);
      continue;
    }
    const hex = source.subarray(at + 1, at + 3).toString("latin1");
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) throw new UriError("invalid percent-encoded character");
    if (hex === "00") throw new UriError("forbidden %00 in a percent-encoded value");
    bytes.push(Number.parseInt(hex, 16));
    at += 2;
  }
  return Buffer.from(bytes).toString("utf8");
}

/** Index of the first of `stops` at or after `from`, or the end. */
function upTo(text: string, from: number, stops: string): number {
  let at = from;
  while (at < text.length && !stops.includes(text[at] ?? "")) at += 1;
  return at;
}
