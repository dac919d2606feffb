// Who confirms a commit: synchronous_standby_names as a value, and whether the standbys that stream now can meet it.
// Source: syncrep_gram.y (`s1, s2`, `N (..)`, `FIRST N (..)`, `ANY N (..)`, `*`), SyncRepGetCandidateStandbys:
// names compare without case, and only senders in state streaming or stopping count.

import type { WalSender } from "./node.ts";

/** A parsed synchronous_standby_names. */
export interface SynchronousStandbys {
  readonly method: "first" | "any";
  /** How many standbys must confirm. */
  readonly count: number;
  /** As listed; `*` means every name. */
  readonly names: readonly string[];
}

const token = /\s*(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(\d+)|([*,()]))/y;

type Token =
  | { readonly kind: "quoted" | "word" | "number"; readonly text: string }
  | { readonly kind: "mark"; readonly text: string };

function tokenize(text: string): readonly Token[] | null {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  token.lastIndex = 0;
  while (token.lastIndex < end) {
    const match = token.exec(text);
    if (match === null) return null;
    const [, quoted, word, number, mark] = match;
    if (quoted !== undefined) tokens.push({ kind: "quoted", text: quoted.replaceAll('""', '"') });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else tokens.push({ kind: "mark", text: mark ?? "" });
  }
  return tokens;
}

/** Who must confirm commits; null where nobody must (empty), or the text is none that the server would take. */
export function parseSynchronousStandbyNames(text: string): SynchronousStandbys | null {
  const tokens = tokenize(text);
  if (tokens === null || tokens.length === 0) return null;
  const method = methodOf(tokens);
  const rest = method === null ? tokens : tokens.slice(1);
  const [count, opening] = rest;
  if (count?.kind !== "number" || opening?.text !== "(" || rest.at(-1)?.text !== ")") {
    const names = method === null ? namesOf(tokens) : null;
    return names === null ? null : { method: "first", count: 1, names };
  }
  const names = namesOf(rest.slice(2, -1));
  if (names === null || Number(count.text) < 1) return null;
  return { method: method ?? "first", count: Number(count.text), names };
}

/** FIRST and ANY are names too, unless a number follows. */
function methodOf(tokens: readonly Token[]): "first" | "any" | null {
  const [head, next, opening] = tokens;
  if (head?.kind !== "word" || next?.kind !== "number" || opening?.text !== "(") return null;
  const word = head.text.toLowerCase();
  return word === "first" || word === "any" ? word : null;
}

function namesOf(tokens: readonly Token[]): readonly string[] | null {
  const names: string[] = [];
  for (const [index, each] of tokens.entries()) {
    const separates = each.kind === "mark" && each.text === ",";
    if (separates !== (index % 2 === 1)) return null;
    if (separates) continue;
    if (each.kind === "mark" && each.text !== "*") return null;
    names.push(each.text);
  }
  return names.length > 0 && tokens.length % 2 === 1 ? names : null;
}

/** The senders that may confirm for `wanted`: listed, and streaming. */
export function confirmingSenders(
  wanted: SynchronousStandbys,
  senders: readonly WalSender[],
): readonly WalSender[] {
  const names = new Set(wanted.names.map((name) => name.toLowerCase()));
  return senders.filter(
    (row) =>
      (row.state === "streaming" || row.state === "stopping") &&
      (names.has("*") || names.has(row.applicationName.toLowerCase())),
  );
}
