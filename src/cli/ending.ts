// How a run ends that cannot end by itself: a signal, a second one, a crash, a stdout that cannot be written. Everything
// here is at hand at once: nothing is loaded or waited for any more.

import { DeclinedError, type ExitCode, exitTable, type Outcome } from "../errors.ts";
import { bugLines, hideSecrets } from "./bug.ts";

/** The last words of a run, and its exit status. */
export interface Ending {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: ExitCode;
}

/** What the process edge must know of a run that it cuts short. */
export interface RunState {
  verb: string | null;
  json: boolean;
  /** A plan is, or was, being carried out. */
  changing: boolean;
}

export function newRunState(): RunState {
  return { verb: null, json: false, changing: false };
}

/** Why the run ends after a first SIGINT or SIGTERM. */
export function interrupted(signal: string): DeclinedError {
  return new DeclinedError(`interrupted by ${signal}`);
}

/** A second signal: nothing is waited for. */
export function stoppedAtOnce(state: RunState): Ending {
  const outcome = state.changing ? "incomplete" : "declined";
  const summary = state.changing
    ? "stopped at once by a second signal: what was begun may be half done, nothing was undone"
    : "stopped at once by a second signal, before the first change";
  const hint = state.changing ? "see where it stands: remaster status" : null;
  return {
    stdout: lastReport(state, { outcome, summary, hint }),
    stderr: `remaster: ${summary}\n${hint === null ? "" : `hint: ${hint}\n`}`,
    exitCode: exitTable[outcome],
  };
}

/** An error that nobody caught. */
export function crashed(state: RunState, error: unknown, argv: readonly string[]): Ending {
  const summary = hideSecrets(error instanceof Error ? error.message : String(error));
  const hint = "version, command and stack are on stderr: please report them";
  return {
    stdout: lastReport(state, { outcome: "bug", summary, hint }),
    stderr: bugLines(error, argv),
    exitCode: exitTable.bug,
  };
}

interface LastWords {
  readonly outcome: Outcome;
  readonly summary: string;
  readonly hint: string | null;
}

/** The report that --json promises, as far as it is known now. */
function lastReport(state: RunState, { outcome, summary, hint }: LastWords): string {
  if (!state.json) return "";
  const report = {
    format: 1,
    command: state.verb,
    cluster: null,
    outcome,
    exitCode: exitTable[outcome],
    summary,
    hint,
    findings: [],
    next: [],
  };
  return `${JSON.stringify(report)}\n`;
}

/** The report could not be written (a full disk): the status of a change stands, any other becomes `config`. */
export function unwritable(
  error: Error,
  exitCode: ExitCode,
  state: RunState,
): { readonly stderr: string; readonly exitCode: ExitCode } {
  return {
    stderr: `remaster: cannot write to stdout: ${error.message}\n`,
    exitCode: exitCode === exitTable.done && !state.changing ? exitTable.config : exitCode,
  };
}
