// The page on the topology library: its example runs and prints what the page says, and every name in it is exported.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import * as library from "../../../src/topology/index.ts";
import { repository } from "../../support/repository.ts";

const page = readFileSync(join(repository, "docs", "topology.md"), "utf8");

/** The fenced blocks of a language, in order. */
function blocks(language: string): readonly string[] {
  const fenced = page.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  return [...fenced].filter(([, name]) => name === language).map(([, , text]) => text ?? "");
}

test("its example prints what it says", async () => {
  const example = blocks("js").find((block) => block.includes("console.log")) ?? "";
  const directory = mkdtempSync(join(tmpdir(), "remaster-docs-"));
  try {
    const outfile = join(directory, "example.mjs");
    await build({
      stdin: { contents: example, loader: "js", resolveDir: repository },
      alias: { "pg-remaster/topology": join(repository, "src", "topology", "index.ts") },
      bundle: true,
      format: "esm",
      platform: "node",
      outfile,
    });
    const printed = execFileSync(process.execPath, [outfile], { encoding: "utf8" });
    expect(printed).toBe(blocks("console")[0]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the functions that it names are exported", () => {
  const called = [...page.matchAll(/`([a-z]+[A-Z]\w+)(?:\([^`]*\))?`/g)].map(
    ([, name]) => name ?? "",
  );
  const functions = called.filter((name) =>
    /^(build|rank|compare|parse|find|format|up|down|direct|confirm)/.test(name),
  );
  expect(functions.length).toBeGreaterThan(8);
  expect(functions.filter((name) => !(name in library))).toEqual([]);
});
