// The checkout, also for files that run from a folder that they were compiled to.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function find(folder: string): string {
  return existsSync(join(folder, "package-lock.json")) ? folder : find(dirname(folder));
}

export const repository = find(dirname(fileURLToPath(import.meta.url)));
