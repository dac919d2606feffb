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
  /** What to type where the run was cut short, most useful first; none for a verb that changes nothing. */
  next: readonly string[];
  /** Says one line beside whatever stands on the terminal; null before there is a verb. */
  say: ((line: string) => void) | null;
  /** Takes every signal, while a command runs in our place. */
  passOn: ((signal: NodeJS.Signals) => void) | null;
}

export function newRunState(): RunState {
  return { verb: null, json: false, changing: false, next: [], say: null, passOn: null };
}

/** What a signal does: end the run at the next safe place, say that this is under way, or end it at once. */
export type SignalAnswer =
  | { readonly kind: "stop"; readonly line: string | null }
  | { readonly kind: "patience"; readonly line: string }
  | { readonly kind: "at-once" };

/** The first signal stops at the next safe place. Once something is being changed, the second one only says so: a terminal
 * and what starts us (npx, a shell) may each pass on one and the same Ctrl-C. What runs then has a deadline of its own. */
export function answerSignal(count: number, signal: string, state: RunState): SignalAnswer {
  if (count === 1) {
    const line = `${signal}: stopping at the next safe place`;
    return { kind: "stop", line: state.changing ? line : null };
  }
  if (!state.changing || count > 2) return { kind: "at-once" };
  const line =
    "still stopping; one more signal ends this at once, and leaves what was begun half done";
  return { kind: "patience", line };
}

/** Why the run ends after a first SIGINT or SIGTERM. */
export function interrupted(signal: string): DeclinedError {
  return new DeclinedError(`interrupted by ${signal}`);
}

/** One signal too many: nothing is waited for. */
export function stoppedAtOnce(state: RunState): Ending {
  const outcome = state.changing ? "incomplete" : "declined";
  const summary = state.changing
    ? "stopped at once: what was begun may be half done, and was not taken back"
    : "stopped at once by a second signal, before the first change";
  const next = state.next.map((command) => `next: ${command}\n`).join("");
  return {
    stdout: lastReport(state, { outcome, summary, hint: null }),
    stderr: `remaster: ${summary}\n${next}`,
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
    next: state.next,
  };
  return `${JSON.stringify(report)}\n`;
}

/** The report could not be written (a full disk): the status of a change stands, any other becomes `config`. */
export function unwritable(
  error: Error,
  exitCode: number,
  state: RunState,
): { readonly stderr: string; readonly exitCode: number } {
  return {
    stderr: `remaster: cannot write to stdout: ${error.message}\n`,
    exitCode: exitCode === exitTable.done && !state.changing ? exitTable.config : exitCode,
  };
}
