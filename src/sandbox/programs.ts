// Sees to it that the servers' user can run the server programs. A checkout below /root, or one that was installed under
// umask 077, is closed to `postgres`; npm packages whose install script was not run lack the links among their
// libraries. Then the programs are copied into the sandbox (hard links where modes allow), which costs some 60 MB at most.

import {
  chmod,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
} from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { ConfigError } from "../errors.ts";
import { type Account, runCommand } from "../host/command.ts";
import { serverEnvironment } from "./account.ts";
import type { Installation } from "./installation.ts";

/** The directory of programs that the account can run: the installation's own, or a copy below `copyTo`. */
export async function runnablePrograms(
  installation: Installation,
  account: Account | null,
  copyTo: string,
): Promise<string> {
  const { bindir } = installation;
  if (!installation.lacksLinks && (await failureOf(bindir, account)) === null) return bindir;
  await copyTree(dirname(bindir), copyTo);
  if (installation.lacksLinks) await makeLinks(copyTo);
  const copied = join(copyTo, basename(bindir));
  const failure = await failureOf(copied, account);
  if (failure === null) return copied;
  throw new ConfigError(
    `the PostgreSQL programs in ${bindir} do not run as ${account?.user ?? "this user"}: ${failure}`,
    "name others with --bindir",
  );
}

/** Null when all programs run. */
async function failureOf(bindir: string, account: Account | null): Promise<string | null> {
  for (const name of ["postgres", "initdb"]) {
    const result = await runCommand({
      file: join(bindir, name),
      args: ["--version"],
      account,
      cwd: "/",
      environment: serverEnvironment(account),
      deadlineMs: 10_000,
    });
    if (result.exitCode !== 0) return result.spawnError ?? result.output.trim().slice(-300);
  }
  return null;
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o755 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (entry.isFile()) await copyProgram(source, target);
  }
}

async function copyProgram(source: string, target: string): Promise<void> {
  const { mode } = await stat(source);
  const executable = (mode & 0o100) !== 0;
  const open = executable ? 0o555 : 0o444;
  if ((mode & open) === open) {
    // Another file system, or one that has no hard links: a copy does as well.
    const linked = await link(source, target).then(
      () => true,
      () => false,
    );
    if (linked) return;
  }
  await copyFile(source, target);
  await chmod(target, executable ? 0o755 : 0o644);
}

/** The links that the package's install script would have made. */
async function makeLinks(root: string): Promise<void> {
  const list = JSON.parse(await readFile(join(root, "pg-symlinks.json"), "utf8")) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of list) {
    const file = join(root, relative("native", target));
    await symlink(relative(dirname(target), source), file).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    });
  }
}
