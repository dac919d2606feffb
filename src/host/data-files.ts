// The files of a data directory on this machine: what tells how far its server came, and the settings that ALTER SYSTEM would
// write, for a server that is down. Reads as ourselves, writes as the owner. `postgres -C` says what a setting would be
// at the next start, whichever file it stands in (13 to 18).

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { mustSucceed, runProgram } from "./as-owner.ts";
import { ControlError } from "./control-error.ts";
import { livenessOf, openDataDirectory } from "./data-directory.ts";

/** Every function throws ControlError where its goal is not reached. */
export interface DataFiles {
  /** A process works in the directory; throws where that is pg_rewind. */
  runs(): Promise<boolean>;
  controlFile(): Promise<Uint8Array>;
  /** The bytes of a WAL segment; null where there is no such file. */
  segment(name: string): Promise<Uint8Array | null>;
  /** The text of a timeline's history; null where there is no such file. */
  history(name: string): Promise<string | null>;
  /** What the setting would be at the next start. */
  setting(name: string): Promise<string>;
  /** Writes settings into postgresql.auto.conf, in place of those of the same names there. */
  writeSettings(settings: Readonly<Record<string, string>>): Promise<void>;
}

const walName = /^[0-9A-F]{24}$|^[0-9A-F]{8}\.history$/;

export function dataFiles(pgCtl: { readonly bindir: string; readonly data: string }): DataFiles {
  const { bindir, data } = pgCtl;
  return {
    runs: async () => {
      const { processes } = await livenessOf(await openDataDirectory(data));
      // Ended half-way it would leave a directory that nobody can start.
      if (processes.every(({ title }) => !title.includes("pg_rewind"))) return processes.length > 0;
      throw new ControlError(`pg_rewind works in ${data}: wait until it has ended`);
    },
    controlFile: async () => {
      const bytes = await readOptional(data, join("global", "pg_control"));
      if (bytes === null) throw new ControlError(`${data} holds no pg_control: no data directory`);
      return bytes;
    },
    segment: (name) => readWal(data, name),
    history: async (name) => (await readWal(data, name))?.toString("utf8") ?? null,
    setting: async (name) => {
      const directory = await openDataDirectory(data);
      const args = ["-C", name, "-D", directory.path];
      const result = await runProgram(directory, { file: join(bindir, "postgres"), args });
      // What it says of other settings may hold a password.
      if (result.exitCode !== 0) throw new ControlError(`postgres -C ${name} failed in ${data}`);
      return result.stdout.replace(/\n$/, "");
    },
    writeSettings: async (settings) => {
      const directory = await openDataDirectory(data);
      const file = join(directory.path, "postgresql.auto.conf");
      const before = (await readOptional(data, "postgresql.auto.conf"))?.toString("utf8") ?? "";
      const args = ["-c", writeScript, "sh", file];
      const input = withSettings(before, settings);
      mustSucceed(`writing ${file}`, await runProgram(directory, { file: "/bin/sh", args, input }));
    },
  };
}

/** Whole or not at all. */
const writeScript = `umask 077 && cat > "$1.remaster" && sync "$1.remaster" && mv "$1.remaster" "$1"`;

function readWal(data: string, name: string): Promise<Buffer | null> {
  if (!walName.test(name)) throw new ControlError(`${name} is no file of the log`);
  return readOptional(data, join("pg_wal", name));
}

async function readOptional(data: string, name: string): Promise<Buffer | null> {
  const { path } = await openDataDirectory(data);
  try {
    return await readFile(join(path, name));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === "ENOENT") return null;
    throw new ControlError(`${name} in ${data} cannot be read: ${code}`);
  }
}

/** The text of postgresql.auto.conf with these settings as the last word on each. */
export function withSettings(text: string, settings: Readonly<Record<string, string>>): string {
  const names = Object.keys(settings);
  const kept = text.split("\n").filter((line) => {
    const [, name = ""] = /^\s*([A-Za-z_.]+)\s*=?/.exec(line) ?? [];
    return line !== "" && !names.includes(name.toLowerCase());
  });
  const added = Object.entries(settings).map(([name, value]) => {
    if (/[\n\r]/.test(value)) throw new ControlError(`${name} would hold a line break`);
    return `${name} = '${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
  });
  return `${[...kept, ...added].join("\n")}\n`;
}
