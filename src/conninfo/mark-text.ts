// A mark in primary_conninfo as text: it overrides the setting and keeps the old value byte for byte in front of it.
// libpq lets a later keyword override an earlier one, in keyword strings and in the query of a URI (13, 15, 18).
// Refuses a value that does not read back as its own with the override in force: a mark that does nothing is a lie.

import type { Address, Conninfo } from "./conninfo.ts";
import { parseHosts } from "./hosts.ts";
import { parseConninfo } from "./parse.ts";
import { isUri, queryStart } from "./uri.ts";

/** A socket directory that nobody has: a receiver sent there gets "no such file" at once. */
export const quiescedHost = "/remaster/quiesced";

export const quiescedAddress: Address = { host: quiescedHost, hostaddr: null, port: 5432 };

export type Overridden =
  | { readonly ok: true; readonly value: string }
  /** One line without values: a conninfo may hold a password. */
  | { readonly ok: false; readonly message: string };

/** What leading a node elsewhere did about its slot: part of the mark, since nothing else tells whoever takes it back. */
export interface SlotMark {
  /** primary_slot_name was empty before. */
  readonly named: boolean;
  /** The slot on the upstream that the mark names was made for it. */
  readonly made: boolean;
  /** That upstream as its maker's topology file names it: somebody else's may know it by another address. */
  readonly on: string | null;
}

export const untouched: SlotMark = { named: false, made: false, on: null };

interface MarkForm extends SlotMark {
  readonly kind: "quiesce" | "repoint";
}

/** One mark. */
export interface Layer extends MarkForm {
  readonly address: Address;
}

/** The value with one more mark behind it. */
export function override(base: string, layer: Layer): Overridden {
  const { address, ...form } = layer;
  const parsed = parseConninfo(base);
  if (!parsed.ok) return { ok: false, message: `primary_conninfo: ${parsed.message}` };
  const value = base + (isUri(base) ? uriMark(base, address, form) : keywordMark(address, form));
  const reread = parseConninfo(value);
  const wanted = { ...parsed.conninfo, ...overriding(address, form) };
  if (!reread.ok || !sameConninfo(reread.conninfo, wanted)) {
    return {
      ok: false,
      message: "primary_conninfo cannot be overridden behind its end: does it end in a backslash?",
    };
  }
  if (takeOff(value)?.base !== base) {
    return { ok: false, message: "primary_conninfo cannot be overridden and restored exactly" };
  }
  return { ok: true, value };
}

function overriding(address: Address, form: MarkForm): Conninfo {
  const tag = slotTag(form);
  return {
    hostaddr: address.hostaddr ?? "",
    host: address.host,
    port: String(address.port),
    ...(form.kind === "repoint" ? { target_session_attrs: "any" } : {}),
    ...(tag === null ? {} : { [tagWord]: tag }),
  };
}

/** A WAL receiver gives a value of its own for this keyword behind the whole string, so what it says here is without
 * effect (13 to 18). */
const tagWord = "fallback_application_name";

function slotTag({ named, made, on }: SlotMark): string | null {
  if (!named && !made) return null;
  const makes = made ? `-made${on === null ? "" : `-on-${on}`}` : "";
  return `remaster${named ? "-named" : ""}${makes}`;
}

/** What a node name may be: nothing that would have to be quoted. */
const nodeName = "[A-Za-z0-9][A-Za-z0-9_.-]*";

const tagEnd = new RegExp(`[ &]${tagWord}=remaster(-named)?(?:(-made)(?:-on-(${nodeName}))?)?$`);

/** The end of a mark that speaks of the slot, taken off. */
function splitTag(value: string): { readonly rest: string } & SlotMark {
  const match = tagEnd.exec(value);
  if (match === null) return { rest: value, ...untouched };
  const [, named, made, on = null] = match;
  const rest = value.slice(0, match.index);
  return { rest, named: named !== undefined, made: made !== undefined, on };
}

/** The quiesce mark is always the same text; the order and quoting of a repoint mark are fixed. */
function keywordMark(address: Address, form: MarkForm): string {
  const tag = slotTag(form);
  const end = tag === null ? "" : ` ${tagWord}=${tag}`;
  if (form.kind === "quiesce") return `${quiesceText}${end}`;
  return ` hostaddr=${quoted(address.hostaddr ?? "")} host=${quoted(address.host)} port=${address.port} target_session_attrs=any${end}`;
}

const quiesceText = ` hostaddr='' host=${quiescedHost} port=${quiescedAddress.port}`;

function quoted(value: string): string {
  return `'${value.replace(/[\\']/g, "\\$&")}'`;
}

/** Behind a `?` or `&` that ends the base, port comes first: so the base's own separator is told from the mark's. */
function uriMark(base: string, address: Address, form: MarkForm): string {
  const tag = slotTag(form);
  const host = `host=${encodeURIComponent(address.host)}`;
  const port = `port=${address.port}`;
  const rest = `hostaddr=${encodeURIComponent(address.hostaddr ?? "")}${form.kind === "repoint" ? "&target_session_attrs=any" : ""}${tag === null ? "" : `&${tagWord}=${tag}`}`;
  const query = queryStart(base);
  if (query === null) return `?${host}&${port}&${rest}`;
  if (query === base.length || base.endsWith("&")) return `${port}&${host}&${rest}`;
  return `&${host}&${port}&${rest}`;
}

const quotedText = String.raw`'((?:[^'\\]|\\.)*)'`;
const keywordRepoint = new RegExp(
  ` hostaddr=${quotedText} host=${quotedText} port=(\\d+) target_session_attrs=any$`,
  "s",
);
const uriEnd = String.raw`&hostaddr=[^&=]*(&target_session_attrs=any)?$`;
const uriMarks = [
  new RegExp(String.raw`[?&]host=[^&=?]*&port=\d+${uriEnd}`),
  new RegExp(String.raw`(?<=[?&])port=\d+&host=[^&=?]*${uriEnd}`),
];

interface FoundMark extends MarkForm {
  readonly base: string;
}

/** A mark with the value as it was before. */
export interface TakenOff extends Layer {
  readonly base: string;
}

/** The outermost mark, seen as text and confirmed by what the whole value means. */
export function takeOff(value: string): TakenOff | null {
  const found = isUri(value) ? findUriMark(value) : findKeywordMark(value);
  if (found === null) return null;
  const parsed = parseConninfo(value);
  if (!parsed.ok) return null;
  const hosts = parseHosts(parsed.conninfo);
  if (!hosts.ok) return null;
  const [address, ...others] = hosts.addresses;
  if (address === undefined || others.length > 0) return null;
  const isQuiesced = address.host === quiescedHost && address.hostaddr === null;
  if (found.kind === "quiesce" && !isQuiesced) return null;
  // The text must be a mark of ours to the letter, or a user's own end of the string would be taken off.
  const mark = isUri(value) ? uriMark(found.base, address, found) : keywordMark(address, found);
  return found.base + mark === value ? { ...found, address } : null;
}

function findKeywordMark(value: string): FoundMark | null {
  const { rest, ...slot } = splitTag(value);
  if (rest.endsWith(quiesceText)) {
    return { base: rest.slice(0, -quiesceText.length), kind: "quiesce", ...slot };
  }
  const match = keywordRepoint.exec(rest);
  return match === null ? null : { base: rest.slice(0, match.index), kind: "repoint", ...slot };
}

function findUriMark(value: string): FoundMark | null {
  const { rest, ...slot } = splitTag(value);
  for (const pattern of uriMarks) {
    const match = pattern.exec(rest);
    if (match === null) continue;
    const base = rest.slice(0, match.index);
    return { base, kind: match[1] === undefined ? "quiesce" : "repoint", ...slot };
  }
  return null;
}

function sameConninfo(a: Conninfo, b: Conninfo): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
