// Writes man/ and completions/ from the definitions: `npm run generate`. What it writes is committed, and a test fails
// when it is stale. The same sources give the same bytes.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { completionFiles, completionLines, type Shell } from "./completion.ts";
import { tomlPage } from "./man-toml.ts";
import { programPage, verbPage } from "./man.ts";
import { loadVerbs } from "./verbs.ts";
import { readVersion } from "./version.ts";

/** Every generated file by its path from the package's root. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const verbs = await loadVerbs();
  const version = readVersion();
  const shells = Object.keys(completionFiles) as Shell[];
  return new Map([
    ["man/remaster.1", programPage(verbs, version)],
    ["man/remaster.toml.5", tomlPage(version)],
    ...verbs.map((verb) => [`man/remaster-${verb.name}.1`, verbPage(verb, version)] as const),
    ...shells.map(
      (shell) =>
        [
          `completions/${completionFiles[shell]}`,
          `${completionLines(shell, verbs).join("\n")}\n`,
        ] as const,
    ),
  ]);
}

/** Writes them below `root`, and removes pages and scripts that are no longer made. */
export async function generate(root: string): Promise<void> {
  const made = await generatedFiles();
  for (const folder of ["man", "completions"]) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const name of readdirSync(join(root, folder))) {
      if (!made.has(`${folder}/${name}`)) rmSync(join(root, folder, name));
    }
  }
  for (const [path, text] of made) writeFileSync(join(root, path), text);
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self) await generate(dirname(dirname(dirname(self))));
