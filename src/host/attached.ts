// Runs one command of the user's in our own place at the terminal: with our standard input, outputs and process group, for
// as long as it likes. Refuses to end it by force: it is told by signals, and decides itself.

import { constants } from "node:os";

export interface AttachedEnd {
  /** As a shell tells it: 128 and the number of the signal that ended it, 127 where it is not there, 126 where it is no program. */
  readonly exitStatus: number;
  /** Why it could not be run: ENOENT, EACCES and the like. */
  readonly notRun: string | null;
}

export interface Attached {
  readonly ended: Promise<AttachedEnd>;
  /** Does nothing once it has ended. */
  signal(name: NodeJS.Signals): void;
}

export async function runAttached(request: {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
}): Promise<Attached> {
  const { execa } = await import("execa");
  const child = execa(request.file, request.args, {
    reject: false,
    stdio: "inherit",
    env: { ...request.environment },
    extendEnv: false,
  });
  const ended = Promise.resolve(child).then((end): AttachedEnd => {
    if (child.pid === undefined) {
      const code = end.code ?? "unknown";
      return { exitStatus: code === "ENOENT" ? 127 : 126, notRun: code };
    }
    const signal = end.signal === undefined ? 0 : constants.signals[end.signal];
    return { exitStatus: end.exitCode ?? 128 + signal, notRun: null };
  });
  return { ended, signal: (name) => void child.kill(name) };
}
