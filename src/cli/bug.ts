// What a bug prints: version, the command line with its secrets taken out, and the stack. A report needs nothing more.

import { readVersion } from "./version.ts";

/** Lines for stderr. Connection strings are hidden whole: where a bug is at work, nothing is trusted to redact well. */
export function bugLines(error: unknown, argv: readonly string[]): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return [
    "remaster: this is a mistake in remaster itself",
    `version: ${readVersion()}, node ${process.version}, ${process.platform}`,
    `command: ${redactArgv(argv).join(" ")}`,
    hideSecrets(stack),
    "",
  ].join("\n");
}

/** The command line, every connection string hidden. */
export function redactArgv(argv: readonly string[]): readonly string[] {
  return [
    "remaster",
    ...argv.map((word, index) => {
      const before = argv[index - 1] ?? "";
      if (before === "--dsn" || /^-[a-zA-Z]*d$/.test(before)) return "****";
      if (word.startsWith("--dsn=")) return "--dsn=****";
      if (/^-[a-zA-Z]*d./.test(word)) return `${word.slice(0, word.indexOf("d") + 1)}****`;
      return hideSecrets(word);
    }),
  ];
}

/** Takes what looks like a password out of any text. A URI that was taken for a path may have lost a slash; its password
 * may hold an @. */
export function hideSecrets(text: string): string {
  return text
    .replace(/(password\s*=\s*)('(?:[^'\\]|\\.)*'|(?:\\.|[^\s&])+)/gi, "$1****")
    .replace(/((?:postgres(?:ql)?:\/|\/\/)[^\s/@:]*:)\S*@/g, "$1****@");
}
