// Holds the table of CONTRIBUTING.md that names a test for each promise: a test that is renamed or goes must not leave a
// promise without one.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** Rows of the section's table: file and name of the test, out of their code spans. */
function namedTests(): readonly (readonly [file: string, name: string])[] {
  const text = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const section = /^## Promises and their tests$([^]*?)^## /m.exec(text)?.[1] ?? "";
  const rows = section.matchAll(/^\| .* \| `(test\/.*)` \| (`+) ?(.*?) ?\2 \|$/gm);
  return [...rows].map(([, file = "", , name = ""]) => [file, name] as const);
}

test("every line of the table of promises is read", () => {
  const text = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const section = text.split("## Promises and their tests")[1]?.split("\n## ")[0] ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  expect(namedTests()).toHaveLength(lines.length - 2);
  expect(namedTests().length).toBeGreaterThan(10);
});

test.each(namedTests())("%s has the test: %s", (file, name) => {
  expect(existsSync(join(root, file))).toBe(true);
  // As the first argument of a test, not in a comment.
  expect(readFileSync(join(root, file), "utf8")).toContain(`"${name}", `);
});
