// The same few connection strings are read again and again in one run, each time with everything that libpq allows in them.

/** How many answers are kept; then all are forgotten. */
const most = 64;

/** A pure function of a text that keeps its answers. */
export function keepingAnswers<T extends object>(answer: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const found = answer(text);
    if (known.size >= most) known.clear();
    known.set(text, found);
    return found;
  };
}
