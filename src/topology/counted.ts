// A count with its noun, as people read it. Regular plurals alone.

/** `1 node`, `2 nodes`, `0 nodes`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
