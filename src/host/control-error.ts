// What went wrong with a server's control, in one line with the end of the command's output. Output is the user's own
// and may quote a connection string, so what looks like a password is taken out of it.

import { keptCharacters as keptOutput } from "./command.ts";

export class ControlError extends Error {
  override readonly name = "ControlError";
}

const secrets: readonly (readonly [RegExp, string])[] = [
  [/(password\s*=\s*)('(?:[^'\\]|\\.)*'|"[^"]*"|(?:\\.|\S)+)/gi, "$1***"],
  [/(:\/\/[^\s:/@]*:)\S*@/g, "$1***@"],
];

const keptCharacters = 400;

function redact(line: string): string {
  return secrets.reduce((text, [pattern, by]) => text.replace(pattern, by), line);
}

/** An output as it came, without what looks like a password, and without those that are known. A line whose beginning was lost
 * may begin within one, and is left out. */
export function withoutSecrets(output: string, known: readonly string[]): string {
  const whole =
    output.length < keptOutput ? output : output.slice(output.indexOf("\n") + 1 || output.length);
  const longestFirst = known.toSorted((a, b) => b.length - a.length);
  const hidden = longestFirst
    .filter((secret) => secret !== "")
    .reduce((text, secret) => text.replaceAll(secret, "***"), whole);
  return hidden.split("\n").map(redact).join("\n");
}

/** The end of an output on one line, without what looks like a password. */
export function lastWords(output: string): string {
  const redacted = output
    .split("\n")
    .map((line) => redact(line).trim())
    .filter((line) => line !== "")
    .join("; ");
  return redacted.length > keptCharacters ? `...${redacted.slice(-keptCharacters)}` : redacted;
}
