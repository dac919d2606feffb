// Makes data directories without pg_basebackup: initdb once, roles and slots in single-user mode (no server listens, so
// there is no moment at which it would take a known password), then plain copies of the stopped directory.

import { join } from "node:path";
import { type Account, runCommand } from "../host/command.ts";
import { serverEnvironment } from "./account.ts";
import { operatorRole } from "./layout.ts";

export interface Programs {
  readonly bindir: string;
  readonly account: Account | null;
}

/** initdb into a directory that does not exist yet. */
export async function initialize(programs: Programs, dataDir: string): Promise<void> {
  // trust until the sandbox writes its own pg_hba.conf: no server listens before that.
  await runAs(programs, join(programs.bindir, "initdb"), [
    "-D",
    dataDir,
    "-U",
    operatorRole,
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
  ]);
}

/** A copy of a stopped server's directory, owned by the account. */
export async function copyDataDirectory(
  programs: Programs,
  from: string,
  to: string,
): Promise<void> {
  try {
    // A fresh WAL segment is 16 MB of which most are zeros: holes cost neither time nor memory. GNU cp alone does it.
    await runAs(programs, "cp", ["-R", "-p", "--sparse=always", from, to]);
  } catch {
    await runAs(programs, "rm", ["-rf", to]);
    await runAs(programs, "cp", ["-R", "-p", from, to]);
  }
}

// No statement may reach a log, and none may wait for a standby that is not there yet.
const singleUserSettings = [
  "logging_collector=off",
  "log_statement=none",
  "log_min_error_statement=panic",
  "synchronous_standby_names=",
].flatMap((setting) => ["-c", setting]);

/** Runs statements in single-user mode; they may hold passwords, so they go by standard input alone. */
export async function runSingleUser(
  programs: Programs,
  dataDir: string,
  statements: readonly string[],
): Promise<void> {
  const output = await runAs(
    programs,
    join(programs.bindir, "postgres"),
    // -j: a statement ends with a semicolon and an empty line.
    ["--single", "-j", "-D", dataDir, ...singleUserSettings, "postgres"],
    statements.map((statement) => `${statement};\n\n`).join(""),
  );
  const error = /^.*(?:ERROR|FATAL|PANIC): .*$/m.exec(output);
  if (error !== null) throw new Error(`preparing ${dataDir} failed: ${error[0]}`);
}

async function runAs(
  programs: Programs,
  file: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const result = await runCommand({
    file,
    args,
    account: programs.account,
    cwd: "/",
    environment: serverEnvironment(programs.account),
    deadlineMs: 120_000,
    ...(input === undefined ? {} : { input }),
  });
  if (result.exitCode === 0) return result.output;
  throw new Error(
    `${file} ${args[0] ?? ""} failed: ${result.spawnError ?? result.output.trim().slice(-2_000)}`,
  );
}
