// man/ and completions/ are generated and committed: `npm run generate` after a definition has changed.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { generatedFiles } from "../../../src/cli/generate.ts";
import { exitTable } from "../../../src/errors.ts";
import { findingCatalogue } from "../../../src/topology/finding.ts";

const root = new URL("../../../", import.meta.url);
const made = await generatedFiles();
const pages = [...made].filter(([path]) => path.startsWith("man/"));

test.each([...made.keys()])("%s is not stale", (path) => {
  expect(readFileSync(new URL(path, root), "utf8"), "run: npm run generate").toBe(made.get(path));
});

test("nothing else stands beside them", () => {
  const found = ["man", "completions"].flatMap((folder) =>
    readdirSync(new URL(folder, root)).map((name) => `${folder}/${name}`),
  );
  expect(found.toSorted()).toEqual([...made.keys()].toSorted());
});

test("package.json installs every page", () => {
  const { man } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
    readonly man: readonly string[];
  };
  expect(man.toSorted()).toEqual(pages.map(([path]) => `./${path}`).toSorted());
});

test("the program's page explains every exit status and every finding", () => {
  const page = made.get("man/remaster.1") ?? "";
  for (const code of Object.values(exitTable)) expect(page).toContain(`\\fB${String(code)}\\fR`);
  for (const code of Object.keys(findingCatalogue)) {
    expect(page).toContain(`\n\\fB${code.replaceAll("-", "\\-")}\\fR\n`);
  }
});

test("generating twice gives the same", async () => {
  expect(await generatedFiles()).toEqual(made);
});

/** A checker that is not installed is seen as skipped, not as passed. */
function has(program: string): boolean {
  return spawnSync(program, ["--version"]).error === undefined;
}

describe("what the formatters say", () => {
  test.runIf(has("mandoc")).each(pages)("mandoc of %s", (_, text) => {
    const { stdout } = spawnSync("mandoc", ["-T", "lint"], {
      input: text,
      encoding: "utf8",
    });
    // No date, so that pages are reproducible.
    const said = stdout.split("\n").filter((line) => !/^$|missing date/.test(line));
    expect(said).toEqual([]);
  });

  test.runIf(has("groff")).each(pages)("groff of %s", (_, text) => {
    const { stderr } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-z"], {
      input: text,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
  });

  test.runIf(has("shellcheck"))("shellcheck of the completion for bash", () => {
    const { stdout } = spawnSync("shellcheck", ["-"], {
      input: made.get("completions/remaster.bash"),
      encoding: "utf8",
    });
    expect(stdout).toBe("");
  });
});
