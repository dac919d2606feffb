// Files of logical slots put into the data directory of a server that does not run: it loads them at its next start, and takes
// away a folder that ends in .tmp (13 to 15). What decoding needs comes first and the slot's folder last, whole or not at
// all: a slot without it would decode wrongly, and half a state file keeps the server from starting.

import { join } from "node:path";
import { mustSucceed, runProgram } from "./as-owner.ts";
import { ControlError } from "./control-error.ts";
import { type DataDirectory, livenessOf, openDataDirectory } from "./data-directory.ts";

export interface SlotFileSet {
  readonly states: readonly { readonly slotName: string; readonly bytes: Uint8Array }[];
  /** Files below pg_logical. */
  readonly decoding: readonly {
    readonly folder: string;
    readonly name: string;
    readonly bytes: Uint8Array;
  }[];
}

/** Every function throws ControlError where its goal is not reached, or where a process works in the directory. */
export interface SlotFiles {
  put(files: SlotFileSet): Promise<void>;
  /** The slots' folders, where they are there. */
  remove(slotNames: readonly string[]): Promise<void>;
}

/** By a name that no checkpoint takes for a file of its own: one of another form among the mappings makes it fail. */
const decodingScript = `umask 077 && base64 -d > "$2/remaster.tmp" && sync "$2/remaster.tmp" && mv "$2/remaster.tmp" "$1" && sync "$2"`;
const stateScript = `umask 077 && test ! -e "$1" && rm -rf "$1.tmp" && mkdir "$1.tmp" && base64 -d > "$1.tmp/state" \\
  && sync "$1.tmp/state" "$1.tmp" && mv "$1.tmp" "$1" && sync "$2"`;

export function slotFiles(data: string): SlotFiles {
  return {
    put: async ({ states, decoding }) => {
      const directory = await openStopped(data);
      for (const { folder, name, bytes } of decoding) {
        const path = join(directory.path, "pg_logical", plain(folder));
        await write(directory, [decodingScript, join(path, plain(name)), path], bytes);
      }
      const slots = join(directory.path, "pg_replslot");
      for (const { slotName, bytes } of states) {
        await write(directory, [stateScript, join(slots, plain(slotName)), slots], bytes);
      }
    },
    remove: async (slotNames) => {
      const directory = await openStopped(data);
      const slots = join(directory.path, "pg_replslot");
      const folders = slotNames.map((name) => join(slots, plain(name)));
      await run(directory, ["rm", "-rf", ...folders]);
      await run(directory, ["sync", slots]);
    },
  };
}

async function openStopped(data: string): Promise<DataDirectory> {
  const directory = await openDataDirectory(data);
  if ((await livenessOf(directory)).processes.length === 0) return directory;
  throw new ControlError(`a server works in ${data}`);
}

/** A name of a file, and no path. */
function plain(name: string): string {
  if (!/^[0-9A-Za-z_.-]+$/.test(name) || name.startsWith(".")) {
    throw new ControlError(`${name} is no name of a slot's file`);
  }
  return name;
}

async function write(
  directory: DataDirectory,
  [script, ...paths]: readonly [string, ...string[]],
  bytes: Uint8Array,
): Promise<void> {
  const input = Buffer.from(bytes).toString("base64");
  const args = ["-c", script, "sh", ...paths];
  const result = await runProgram(directory, { file: "/bin/sh", args, input });
  mustSucceed(`writing ${paths[0] ?? ""}`, result);
}

async function run(directory: DataDirectory, [file, ...args]: readonly [string, ...string[]]) {
  mustSucceed(file, await runProgram(directory, { file, args }));
}
