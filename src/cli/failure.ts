// What stopped a verb, as a report: so that --json says it in the same shape as everything else.

import type { RemasterError } from "../errors.ts";
import { hideSecrets } from "./bug.ts";
import type { Report } from "../plan/report.ts";

/** What is to be reported of a run that threw: where it was cut short, what cut it short. */
export function causeOf(thrown: unknown, signal: AbortSignal): unknown {
  const isAbort =
    thrown instanceof Error && (thrown.name === "AbortError" || thrown.name === "TimeoutError");
  return signal.aborted && isAbort ? (signal.reason as unknown) : thrown;
}

/** An error that carries its outcome (a wrong file, nobody to talk to, an operator who said no). It may quote what was typed. */
export function errorReport(command: string, error: RemasterError): Report {
  if (error.outcome === "usage") throw error;
  return {
    command,
    cluster: null,
    outcome: error.outcome,
    findings: [],
    word: null,
    summary: hideSecrets(error.message),
    ...(error.hint === undefined ? {} : { hint: hideSecrets(error.hint) }),
  };
}

/** A bug: the message goes to the report, the stack to stderr. */
export function bugReport(command: string, message: string): Report {
  return {
    command,
    cluster: null,
    outcome: "bug",
    findings: [],
    word: null,
    summary: message,
    hint: "version, command and stack are on stderr: please report them",
  };
}
