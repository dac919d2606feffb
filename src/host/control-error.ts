// What went wrong with a server's control, in one line with the end of the command's output. Output is the user's own
// and may quote a connection string, so what looks like a password is taken out of it.

export class ControlError extends Error {
  override readonly name = "ControlError";
}

const secrets: readonly (readonly [RegExp, string])[] = [
  [/(password\s*=\s*)('(?:[^'\\]|\\.)*'|"[^"]*"|(?:\\.|\S)+)/gi, "$1***"],
  [/(:\/\/[^\s:/@]*:)\S*@/g, "$1***@"],
];

const keptCharacters = 400;

/** The end of an output on one line, without what looks like a password. */
export function lastWords(output: string): string {
  const redact = (line: string) =>
    secrets.reduce((text, [pattern, by]) => text.replace(pattern, by), line);
  const redacted = output
    .split("\n")
    .map((line) => redact(line).trim())
    .filter((line) => line !== "")
    .join("; ");
  return redacted.length > keptCharacters ? `...${redacted.slice(-keptCharacters)}` : redacted;
}
