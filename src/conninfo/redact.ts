// Takes secrets out of connection strings and out of any text that may have quoted one.
// Where a text does not parse, too much is hidden rather than too little.

import type { Conninfo } from "./conninfo.ts";
import { formatValue } from "./format.ts";
import { parseHosts } from "./hosts.ts";
import { isKeyword, isSecretKeyword, keywords, secretKeywords } from "./keywords.ts";
import { scanKeywords } from "./parse.ts";
import { isUri, parseUri } from "./uri.ts";

const hidden = "****";

/** The same text with the values of secret keywords replaced. */
export function redactConninfo(text: string): string {
  return isUri(text) ? redactUri(text) : redactKeywords(text);
}

function redactKeywords(text: string): string {
  const scanned = scanKeywords(text);
  const known = scanned.ok && scanned.spans.every(({ keyword }) => isKeyword(keyword));
  if (!known) return redactBroken(text);
  let out = "";
  let from = 0;
  for (const span of scanned.spans) {
    if (!isSecretKeyword(span.keyword)) continue;
    out += text.slice(from, span.valueStart) + hidden;
    from = span.valueEnd;
  }
  return out + text.slice(from);
}

/** A broken string, or one with words that are no keywords: from a secret keyword on, everything up to the next keyword that libpq knows. */
function redactBroken(text: string): string {
  const next = `(?=\\s(?:${keywords.join("|")})\\s*=|$)`;
  const names = secretKeywords.join("|");
  return text.replace(new RegExp(`((?:${names})\\s*=\\s*)[^]*?${next}`, "g"), `$1${hidden}`);
}

function redactUri(text: string): string {
  const at = text.indexOf("://") + 3;
  const question = text.indexOf("?", at);
  // In a URI that parses, the first "@" before a "/" ends the password. In a broken one it may be any later one.
  const end = parsesWell(text) ? /^[^/@]*@/.exec(text.slice(at))?.[0].length : lastAt(text, at);
  const credentialsEnd = end === undefined ? at : at + end - 1;
  const colon = text.slice(at, credentialsEnd).indexOf(":");
  const head =
    colon < 0 ? text.slice(0, credentialsEnd) : `${text.slice(0, at + colon + 1)}${hidden}`;
  const queryStart = question < credentialsEnd ? text.indexOf("?", credentialsEnd) : question;
  if (queryStart < 0) return head + text.slice(credentialsEnd);
  const query = text
    .slice(queryStart + 1)
    .split("&")
    .map(redactParameter)
    .join("&");
  return `${head}${text.slice(credentialsEnd, queryStart)}?${query}`;
}

/** Parses, and its hosts and ports are some: `user:pa/ss@host` parses too, as host `user` with port `pa`, and
 * `user:pa@ss@host` as host `ss@host`. */
function parsesWell(text: string): boolean {
  const parsed = parseUri(text);
  return parsed.ok && parseHosts(Object.fromEntries(parsed.pairs)).ok;
}

function lastAt(text: string, from: number): number | undefined {
  const last = text.lastIndexOf("@");
  return last < from ? undefined : last - from + 1;
}

function redactParameter(parameter: string): string {
  const equals = parameter.indexOf("=");
  if (equals < 0) return parameter;
  let keyword = parameter.slice(0, equals);
  try {
    keyword = decodeURIComponent(keyword).trim();
  } catch {
    // Not decodable, so no keyword that libpq would take for a secret one either.
  }
  return isSecretKeyword(keyword) ? `${parameter.slice(0, equals + 1)}${hidden}` : parameter;
}

/** Takes every secret of `conninfo` out of an arbitrary text, in each form in which it may have been quoted. */
export function withoutSecrets(text: string, conninfo: Conninfo): string {
  const forms = new Set<string>();
  for (const keyword of secretKeywords) {
    const value = conninfo[keyword];
    if (value === undefined || value === "") continue;
    forms.add(value);
    forms.add(formatValue(value));
    forms.add(value.replace(/[\\']/g, "\\$&"));
    forms.add(encodeURIComponent(value));
    forms.add(value.replaceAll("'", "''"));
  }
  let out = text;
  for (const form of [...forms].sort((a, b) => b.length - a.length)) {
    out = out.replaceAll(form, hidden);
  }
  return out;
}
