// standby.signal of a data directory on this machine: with it the server's next start is that of a standby. A crash is enough
// for a next start, so it is put there at the last moment and taken away at the first.

import { access } from "node:fs/promises";
import { join } from "node:path";
import { runAsOwner } from "./as-owner.ts";
import { openDataDirectory } from "./data-directory.ts";

/** Every function throws ControlError where its goal is not reached. */
export interface StandbySignal {
  isThere(): Promise<boolean>;
  put(): Promise<void>;
  remove(): Promise<void>;
}

export function standbySignal(data: string): StandbySignal {
  return {
    isThere: async () => {
      const { path } = await openDataDirectory(data);
      return access(join(path, "standby.signal")).then(
        () => true,
        () => false,
      );
    },
    put: async () => {
      const directory = await openDataDirectory(data);
      await runAsOwner(directory, "touch", [join(directory.path, "standby.signal")]);
    },
    remove: async () => {
      const directory = await openDataDirectory(data);
      await runAsOwner(directory, "rm", ["-f", join(directory.path, "standby.signal")]);
    },
  };
}
