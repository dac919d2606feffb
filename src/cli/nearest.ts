// The known word that was probably meant, for hints of usage errors: a near miss, or a word typed half.

import { nearestWord } from "../conninfo/nearest.ts";

/** The closest of `known`, else the only one that begins with `word`, else null. The first letter is rarely mistyped. */
export function nearest(word: string, known: readonly string[]): string | null {
  const begun = known.filter((candidate) => candidate.startsWith(word));
  if (word.length >= 2 && begun.length === 1) return begun[0] ?? null;
  const initial = /^-*./.exec(word)?.[0] ?? "";
  const alike = known.filter((candidate) => candidate.startsWith(initial));
  return nearestWord(word, alike) ?? nearestWord(word, known);
}
