// Picks TCP ports for a sandbox, below the ephemeral range (Linux: 32768 and up), where no outgoing connection of
// another program can sit on the port of a server that is down for a moment. A port is claimed by a file that names its
// sandbox: the port of a server that was killed must not go to another sandbox's server in the meantime.

import { randomInt } from "node:crypto";
import { chmod, mkdir, open, readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const first = 22_000;
const last = 31_999;

const registry = () => join(tmpdir(), "remaster-sandbox-ports");

/** Claims that many free ports for the sandbox in `directory`. */
export async function claimPorts(directory: string, count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  let port = randomInt(first, last + 1);
  for (let tried = 0; ports.length < count && tried <= last - first; tried += 1) {
    port = port === last ? first : port + 1;
    if (!(await claim(port, directory))) continue;
    if (await isFree(port)) ports.push(port);
    else await rm(join(registry(), String(port)), { force: true });
  }
  if (ports.length < count) throw new Error(`no ${count} free ports from ${first} to ${last}`);
  return ports;
}

/** Gives back every port that the sandbox in `directory` claimed. */
export async function releasePorts(directory: string): Promise<void> {
  const names = await readdir(registry()).catch(() => []);
  for (const name of names) {
    const file = join(registry(), name);
    const owner = await readFile(file, "utf8").catch(() => null);
    if (owner === directory) await rm(file, { force: true });
  }
  // Nothing is left behind: whoever claims next makes the directory again. Refused while a claim is in it.
  await rmdir(registry()).catch(() => undefined);
}

async function claim(port: number, directory: string): Promise<boolean> {
  const file = join(registry(), String(port));
  if (await claimExclusively(file, directory)) return true;
  const owner = await readFile(file, "utf8").catch(() => null);
  if (owner === null || owner === "") return false;
  const abandoned = await stat(owner).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === "ENOENT",
  );
  if (!abandoned) return false;
  await rm(file, { force: true }).catch(() => undefined);
  return claimExclusively(file, directory);
}

async function claimExclusively(file: string, directory: string): Promise<boolean> {
  for (;;) {
    try {
      const handle = await open(file, "wx", 0o644);
      await handle.writeFile(directory);
      await handle.close();
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") {
        if (code === "EEXIST" || code === "EACCES") return false;
        throw error;
      }
      await makeRegistry();
    }
  }
}

async function makeRegistry(): Promise<void> {
  const made = await mkdir(registry(), { recursive: true });
  // Shared by all users, as the directory for temporary files itself is.
  if (made !== undefined) await chmod(registry(), 0o1777);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => {
      resolve(false);
    });
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
