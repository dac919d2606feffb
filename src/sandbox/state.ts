// The sandbox's own record: a marker written before anything else, so that `down` can clear up after an `up` that was
// killed half-way, and so that no directory is ever removed that is not a sandbox. Passwords are not in it.

import { lstat, readFile, rename, writeFile } from "node:fs/promises";
import { ConfigError } from "../errors.ts";
import type { Account } from "../host/command.ts";
import { layoutOf } from "./layout.ts";
import type { Server } from "./server.ts";

export interface SandboxNode {
  readonly name: string;
  readonly port: number;
  readonly promotable: boolean;
  /** The node that it was set up below; null for the first primary. */
  readonly upstream: string | null;
  /** Gets no WAL from anybody. */
  readonly cut: boolean;
}

export interface SandboxState {
  readonly sandbox: 1;
  readonly directory: string;
  /** `making`: an `up` has not finished; `made`: it has. */
  readonly phase: "making" | "made";
  /** The process that made it; its birth tells it from another with the same number. */
  readonly maker: { readonly pid: number; readonly birth: string | null };
  /** Whether `up` made the directory, so that `down` takes it away again. */
  readonly ownsDirectory: boolean;
  readonly version: string;
  readonly bindir: string;
  readonly account: Account | null;
  readonly nodes: readonly SandboxNode[];
}

/** The record of the sandbox in a directory; null when there is no sandbox. */
export async function readState(directory: string): Promise<SandboxState | null> {
  const file = layoutOf(directory).marker;
  let text: string;
  try {
    // What somebody else left in a public directory is no word of ours.
    const { uid } = await lstat(file);
    if (uid !== process.getuid?.()) {
      throw new ConfigError(
        `${file} belongs to user ${uid}`,
        "choose another directory with --dir",
      );
    }
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
  try {
    const state = JSON.parse(text) as Partial<SandboxState>;
    if (state.sandbox === 1 && state.directory === directory) return state as SandboxState;
  } catch {
    // Falls through: a file that is not ours.
  }
  throw new ConfigError(
    `${file} is no record of a sandbox in this directory`,
    "choose another directory with --dir",
  );
}

/** Replaces the record in one step. */
export async function writeState(state: SandboxState): Promise<void> {
  const file = layoutOf(state.directory).marker;
  await writeFile(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o644 });
  await rename(`${file}.new`, file);
}

/** The server of a node. Names are checked where they come in: an unknown one here is a bug. */
export function serverOf(state: SandboxState, name: string): Server {
  const node = state.nodes.find((entry) => entry.name === name);
  if (node === undefined) throw new Error(`the sandbox has no node ${name}`);
  const layout = layoutOf(state.directory);
  return {
    name,
    port: node.port,
    dataDir: layout.dataDir(name),
    logFile: layout.logFile(name),
    bindir: state.bindir,
    account: state.account,
  };
}
