// Runs pg_rewind on the data directory of a stopped server, as its owner, and keeps beside the directory what it takes away: the
// diverged WAL, and the node's own configuration, which it replaces by the source's (13 to 18) and which is put back.
// Refuses while a process works there. A server that crashed is recovered first in single-user mode, as pg_rewind would do by
// itself but not for a dry run (15): nobody can connect to that. A password goes into a file that lives as long as the program.

import { constants } from "node:fs";
import { access, chown, lstat, mkdir, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { mustSucceed, runAsOwner, runProgram } from "./as-owner.ts";
import { ControlError } from "./control-error.ts";
import { standbySignal } from "./standby-signal.ts";
import { type DataDirectory, livenessOf, openDataDirectory } from "./data-directory.ts";

export interface RewindSource {
  /** A connection string without secrets. */
  readonly conninfo: string;
  /** One line for a password file; null where no password is asked for. */
  readonly passfileLine: string | null;
  /** The directory that `keep` made. */
  readonly keptIn: string;
}

export interface Kept {
  readonly directory: string;
  /** Names of the WAL segments. */
  readonly files: readonly string[];
}

/** Every function throws ControlError where its goal is not reached. */
export interface Rewind {
  /** Path of pg_rewind; null where it is not there. */
  program(): Promise<string | null>;
  /** The directory that would keep what is taken away, and why it cannot be made, if so. */
  place(label: string): Promise<{ readonly directory: string; readonly cannot: string | null }>;
  /** Copies WAL segments and the node's configuration there. */
  keep(wanted: { readonly label: string; readonly files: readonly string[] }): Promise<Kept>;
  /** Ends the recovery of a server that was not shut down cleanly. */
  recover(limit: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<void>;
  /** Changes nothing. False: pg_rewind says that nothing has to be done. */
  tryOut(source: RewindSource, limit: { readonly timeoutMs: number }): Promise<boolean>;
  /** Let come to its end: a directory in which it was ended half-way is lost. */
  run(source: RewindSource): Promise<void>;
  /** Gives the node its own configuration back, wherever a run of ours kept it; does nothing where none is kept. */
  putBackConfiguration(): Promise<void>;
}

const wholeDayMs = 86_400_000;

export function rewind(pgCtl: { readonly bindir: string; readonly data: string }): Rewind {
  const program = join(pgCtl.bindir, "pg_rewind");
  const call = async (source: RewindSource, more: readonly string[], deadlineMs: number) => {
    const directory = await stopped(pgCtl.data);
    await using secret = await writePassfile(directory, source);
    const result = await runProgram(directory, {
      file: program,
      args: ["-D", directory.path, `--source-server=${source.conninfo}`, ...more],
      environment: secret.environment,
      deadlineMs,
    });
    return mustSucceed("pg_rewind", result);
  };
  return {
    program: () =>
      access(program, constants.X_OK).then(
        () => program,
        () => null,
      ),
    place: async (label) => {
      const { path } = await openDataDirectory(pgCtl.data);
      const directory = placeOf(path, label);
      const cannot = await access(dirname(path), constants.W_OK).then(
        () => null,
        () => `${dirname(path)} may not be written to`,
      );
      return { directory, cannot };
    },
    keep: async ({ label, files }) => {
      const directory = await stopped(pgCtl.data);
      const kept = placeOf(directory.path, label);
      await makeOwned(kept, directory);
      const names = files.map((name) => join(directory.path, "pg_wal", name));
      if (names.length > 0) await runAsOwner(directory, "cp", ["-p", ...names, kept]);
      await keepConfiguration(directory, kept);
      return { directory: kept, files };
    },
    recover: async (limit) => {
      const directory = await stopped(pgCtl.data);
      const signal = standbySignal(pgCtl.data);
      // Single-user mode knows no standby.
      const isStandby = await signal.isThere();
      await signal.remove();
      try {
        const result = await runProgram(directory, {
          file: join(pgCtl.bindir, "postgres"),
          args: ["--single", "-F", "-D", directory.path, "template1"],
          input: "",
          deadlineMs: limit.timeoutMs,
          ...(limit.signal === undefined ? {} : { signal: limit.signal }),
        });
        mustSucceed("crash recovery", result);
      } finally {
        if (isStandby) await signal.put();
      }
    },
    tryOut: async (source, { timeoutMs }) => {
      const { output } = await call(source, ["--dry-run"], timeoutMs);
      return !/no rewind required/.test(output);
    },
    // It leaves standby.signal, so that at no moment a start would be that of a primary.
    run: async (source) => {
      await call(source, ["--write-recovery-conf"], wholeDayMs);
    },
    putBackConfiguration: async () => putBack(await stopped(pgCtl.data)),
  };
}

function placeOf(path: string, label: string): string {
  return `${path}-diverged-${label}`;
}

async function stopped(data: string): Promise<DataDirectory> {
  const directory = await openDataDirectory(data);
  if ((await livenessOf(directory)).processes.length === 0) return directory;
  throw new ControlError(`the server in ${directory.path} runs: its files stay as they are`);
}

/** One that an earlier run made is taken again. */
async function makeOwned(path: string, { account }: DataDirectory): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    if (account !== null) await chown(path, account.uid, account.gid);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const found = await lstat(path).catch(() => null);
    const uid = account?.uid ?? process.getuid?.();
    if (code === "EEXIST" && found?.isDirectory() === true && found.uid === uid) return;
    throw new ControlError(
      `${path}, where the diverged WAL is to be kept, cannot be made: ${code}`,
    );
  }
}

/** What the server itself keeps in its directory: everything else there is the node's own. */
const serversOwn =
  /^(PG_VERSION|base|global|pg_(commit_ts|dynshmem|logical|multixact|notify|replslot|serial|snapshots|stat|stat_tmp|subtrans|tblspc|twophase|wal|xact)|postmaster\.(pid|opts)|(backup_label|tablespace_map)(\.old)?|backup_manifest|(standby|recovery)\.(signal|done)|current_logfiles|log|pg_log)$/;

const configuration = "configuration";
const passfile = "passfile";

/** Under its name only once it is whole. One that is there was taken before pg_rewind ran: it is the node's own. */
const keepScript = `kept=$1; shift; [ -d "$kept/${configuration}" ] && exit 0
cd "$kept" && rm -rf new && mkdir new && cp -a "$@" new && mv new ${configuration}`;

const putBackScript = `cd "$1" && for name in * .[!.]*; do
  [ -e "$name" ] || continue
  rm -rf "$2/$name" && cp -a "$name" "$2/" || exit 1
done; cd .. && rm -rf ${configuration}`;

async function keepConfiguration(directory: DataDirectory, kept: string): Promise<void> {
  const names = (await readdir(directory.path)).filter((name) => !serversOwn.test(name));
  const paths = names.map((name) => join(directory.path, name));
  await runAsOwner(directory, "/bin/sh", ["-c", keepScript, "sh", kept, ...paths]);
}

async function putBack(directory: DataDirectory): Promise<void> {
  const parent = dirname(directory.path);
  const prefix = `${basename(directory.path)}-diverged-`;
  const places = (await readdir(parent)).filter((name) => name.startsWith(prefix));
  for (const place of places) {
    const kept = join(parent, place, configuration);
    await runAsOwner(directory, "rm", ["-f", join(parent, place, passfile)]);
    const names = await readdir(kept).catch(() => []);
    if (names.length === 0) continue;
    await runAsOwner(directory, "/bin/sh", ["-c", putBackScript, "sh", kept, directory.path]);
  }
}

/** A password file that only the owner reads, for as long as it is used. Should we die meanwhile, the next one who comes here
 * clears it away. */
async function writePassfile(
  directory: DataDirectory,
  { passfileLine, keptIn }: RewindSource,
): Promise<AsyncDisposable & { readonly environment: Readonly<Record<string, string>> }> {
  const file = join(keptIn, passfile);
  const remove = async (): Promise<void> => {
    await runAsOwner(directory, "rm", ["-f", file]);
  };
  if (passfileLine === null) return { environment: {}, [Symbol.asyncDispose]: remove };
  const args = ["-c", `umask 077 && cat > "$1"`, "sh", file];
  const input = `${passfileLine}\n`;
  mustSucceed(
    "writing a password file",
    await runProgram(directory, { file: "/bin/sh", args, input }),
  );
  return { environment: { PGPASSFILE: file }, [Symbol.asyncDispose]: remove };
}
