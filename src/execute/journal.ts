// The journal: one file of JSON lines per run, for people and `history`. Nothing needs it to go on: what a run left is
// legible on the nodes. So a journal that cannot be written never stops a failover; it is noted and done without.
// Mode 0600; lines are written at once and synced without holding the run up; close waits for the last sync, for a moment.

import { open, mkdir, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { formatLsn, type Lsn } from "../wal/lsn.ts";

export type JournalEntry = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Journal {
  write(entry: JournalEntry): void;
  /** Waits until all is on disk, or gives up. Never throws. */
  close(): Promise<void>;
  /** Closes it, and takes its file away. Never throws. */
  discard(): Promise<void>;
  /** Null when nothing is recorded. */
  readonly file: string | null;
  /** The run's name for `history`; null when nothing is recorded. */
  readonly run: string | null;
}

export const noJournal: Journal = {
  write: () => undefined,
  close: () => Promise.resolve(),
  discard: () => Promise.resolve(),
  file: null,
  run: null,
};

/** Positions hold bigints, which JSON does not know: the only bigints in a plan are LSNs. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? formatLsn(value as Lsn) : value;
}

export interface JournalOptions {
  /** `$XDG_STATE_HOME/remaster` or its default. */
  readonly directory: string;
  readonly cluster: string;
  readonly verb: string;
  readonly pid: number;
  now(): number;
  /** Told once when the journal cannot be kept. */
  onFailure(reason: string): void;
}

/** `20260802T031112120Z`: with the process it names the run. */
function stampOf(startedAt: number): string {
  return new Date(startedAt).toISOString().replaceAll(/[-:]/g, "").replace(".", "");
}

async function openFile(options: JournalOptions, startedAt: number): Promise<[FileHandle, string]> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const stamp = stampOf(startedAt);
  const cluster = options.cluster.replaceAll(/[^A-Za-z0-9_.-]/g, "_");
  const file = join(
    options.directory,
    `${cluster}-${stamp}-${options.verb}-${String(options.pid)}.jsonl`,
  );
  return [await open(file, "ax", 0o600), file];
}

/** A home on a share that is gone answers never: the end of a run waits no longer than this for it. Milliseconds. */
const closeMs = 2_000;

/** Starts a journal; its file is made at the first entry. */
export function openJournal(options: JournalOptions): Journal {
  const startedAt = options.now();
  let file: string | null = null;
  let failed = false;
  let handle: Promise<FileHandle | null> | null = null;
  let pending = "";
  let flushing: Promise<void> | null = null;

  const fail = (error: unknown): null => {
    if (!failed) options.onFailure(error instanceof Error ? error.message : String(error));
    failed = true;
    return null;
  };
  const opened = (): Promise<FileHandle | null> =>
    openFile(options, startedAt).then(([opening, path]) => {
      file = path;
      return opening;
    }, fail);
  // What is written while a sync is under way goes out with the next one.
  const flush = async (): Promise<void> => {
    handle ??= opened();
    const target = await handle;
    while (pending !== "") {
      const lines = pending;
      pending = "";
      if (failed || target === null) continue;
      try {
        await target.appendFile(lines);
        await target.datasync();
      } catch (error) {
        fail(error);
      }
    }
    flushing = null;
  };
  const finish = async (): Promise<void> => {
    await flushing;
    await (await handle)?.close().catch(fail);
  };
  const giveUp = (): void => {
    fail(new Error(`${options.directory} does not answer`));
  };

  const close = async (): Promise<void> => {
    const timer = new AbortController();
    const closed = finish().finally(() => {
      timer.abort();
    });
    await Promise.race([closed, setTimeout(closeMs, null, timer).then(giveUp, () => undefined)]);
  };

  return {
    write(entry) {
      const line = JSON.stringify({ at: new Date(options.now()).toISOString(), ...entry }, plain);
      pending += `${line}\n`;
      flushing ??= flush();
    },
    close,
    async discard() {
      await close();
      if (file !== null && !failed) await rm(file, { force: true }).catch(fail);
    },
    get file() {
      return file;
    },
    get run() {
      return failed ? null : `${stampOf(startedAt)}-${String(options.pid)}`;
    },
  };
}
