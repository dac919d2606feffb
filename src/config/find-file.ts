// Where the topology file is: --config, REMASTER_CONFIG, ./remaster.toml, then the user's and the machine's directories.
// With a cluster name a file that stands there for another cluster is passed over; without one, a directory with a
// single topology file needs none.

import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Surroundings {
  readonly env: Environment;
  readonly cwd: string;
  readonly home: string;
}

export interface TopologyFile {
  readonly path: string;
  readonly text: string;
  /** Somebody besides the owner may read it. */
  readonly readableByOthers: boolean;
}

export interface FileWish {
  readonly config?: string | undefined;
  readonly cluster?: string | undefined;
}

/** The file to read. `names` tells which cluster a text describes, for files that were not named on the command line. */
export async function findTopologyFile(
  wish: FileWish,
  around: Surroundings,
  names: (text: string) => string | null,
): Promise<TopologyFile> {
  if (wish.config !== undefined) return await mustRead(resolve(around.cwd, wish.config));
  const wanted = wish.cluster;
  const fits = (file: TopologyFile): boolean => wanted === undefined || names(file.text) === wanted;
  const named = around.env["REMASTER_CONFIG"] ?? "";
  if (named !== "") {
    const file = await mustRead(resolve(around.cwd, named), " (REMASTER_CONFIG)");
    if (fits(file)) return file;
  }
  const local = await readIfThere(join(around.cwd, "remaster.toml"));
  if (local !== null && fits(local)) return local;
  const directories = [join(userDirectory(around), "remaster"), "/etc/remaster"];
  for (const directory of directories) {
    const file =
      wanted === undefined
        ? await onlyFileOf(directory)
        : await readIfThere(join(directory, `${wanted}.toml`));
    if (file !== null) return file;
  }
  throw nothingFound(wanted, directories);
}

/** $XDG_CONFIG_HOME, which counts only when it is absolute (XDG Base Directory Specification). */
function userDirectory({ env, home }: Surroundings): string {
  const given = env["XDG_CONFIG_HOME"] ?? "";
  return given.startsWith("/") ? given : join(home, ".config");
}

function nothingFound(wanted: string | undefined, directories: readonly string[]): ConfigError {
  const name = wanted ?? "NAME";
  const places = ["./remaster.toml", ...directories.map((one) => join(one, `${name}.toml`))];
  return new ConfigError(
    `no topology file${wanted === undefined ? "" : ` for cluster "${wanted}"`}: looked for ${places.join(", ")}`,
    "give --config FILE, or --dsn with the hosts, or write a remaster.toml",
  );
}

/** The one topology file of a directory; several want a choice. */
async function onlyFileOf(directory: string): Promise<TopologyFile | null> {
  const entries = await readdir(directory).catch(() => []);
  const files = entries.filter((name) => name.endsWith(".toml")).sort();
  const [first, ...others] = files;
  if (first === undefined) return null;
  if (others.length > 0) {
    const names = files.map((name) => name.replace(/\.toml$/, ""));
    throw new ConfigError(
      `several clusters in ${directory}: ${names.join(", ")}`,
      "choose one with --cluster NAME",
    );
  }
  return await mustRead(join(directory, first));
}

async function mustRead(path: string, origin = ""): Promise<TopologyFile> {
  const file = await readIfThere(path);
  if (file !== null) return file;
  throw new ConfigError(
    `topology file ${path}${origin} does not exist`,
    "check the path, or leave it out to look in the usual places",
  );
}

/** Null where there is no such file. Any other obstacle is named: a file that is there is meant. */
async function readIfThere(path: string): Promise<TopologyFile | null> {
  try {
    const text = await readFile(path, "utf8");
    const { mode } = await stat(path);
    const readableByOthers = process.platform !== "win32" && (mode & 0o044) !== 0;
    return { path, text, readableByOthers };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new ConfigError(
      `topology file ${path} cannot be read (${code})`,
      code === "EACCES" ? "check its permissions" : undefined,
    );
  }
}
