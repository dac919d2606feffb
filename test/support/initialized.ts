// Data directories as initdb makes them, one of each installation for a test process: its clusters start as copies, which costs a
// tenth. Those of one installation then have one system identifier; servers of different majors never do.

import { mkdtempSync } from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import type { SandboxState } from "../../src/sandbox/state.ts";
import { initialize, type Programs } from "../../src/sandbox/template.ts";
import { clearAwayAtEnd } from "./end.ts";
import { fastDirectory } from "./fast-directory.ts";

const made = new Map<string, Promise<string>>();

/** The directory that initdb made for the major of these programs; nobody starts a server on it. */
export function initialized(programs: SandboxState): Promise<string> {
  const found = made.get(programs.version) ?? make(programs);
  made.set(programs.version, found);
  return found;
}

async function make(programs: Programs): Promise<string> {
  const directory = mkdtempSync(join(fastDirectory, "remaster-test-"));
  clearAwayAtEnd(directory);
  await chmod(directory, 0o755);
  const { account } = programs;
  if (account !== null) await chown(directory, account.uid, account.gid);
  const dataDir = join(directory, "initialized");
  await initialize(programs, dataDir);
  return dataDir;
}
