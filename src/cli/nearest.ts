// The known word that was probably meant, for hints of usage errors: a near miss, or a word typed half.

import { nearestWord } from "../conninfo/nearest.ts";

/** The closest of `known`, else the only one that begins with `word`, else null. */
export function nearest(word: string, known: readonly string[]): string | null {
  const begun = known.filter((candidate) => candidate.startsWith(word));
  if (word.length >= 2 && begun.length === 1) return begun[0] ?? null;
  return nearestWord(word, known);
}
