// Why a server did not let us in, as a value that an observation can carry: what answered, whether it speaks
// PostgreSQL (such a server is alive, an error included), and one line without secrets.

import type { Answer } from "../topology/node.ts";

export interface FailureFacts {
  readonly answer: Exclude<Answer, "ok">;
  readonly speaksPostgres: boolean;
  /** The server's own code, when it sent one. */
  readonly sqlstate?: string;
  /** One line: lower case where it is ours, the server's words where they are its own. */
  readonly reason: string;
  readonly hint?: string;
  readonly cause?: unknown;
}

export class ConnectFailure extends Error {
  readonly answer: Exclude<Answer, "ok">;
  readonly speaksPostgres: boolean;
  readonly sqlstate: string | null;
  /** One line, without secrets. */
  readonly reason: string;
  readonly hint: string | null;

  constructor(facts: FailureFacts) {
    super(facts.reason, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "ConnectFailure";
    this.answer = facts.answer;
    this.speaksPostgres = facts.speaksPostgres;
    this.sqlstate = facts.sqlstate ?? null;
    this.reason = facts.reason;
    this.hint = facts.hint ?? null;
  }
}

/** Several hosts, none of which let us in: the one that tells most, with everybody's reason. */
export function joinFailures(
  failures: readonly { readonly host: string; readonly failure: ConnectFailure }[],
): ConnectFailure {
  const [first] = failures;
  if (first === undefined) throw new Error("no failures to join");
  if (failures.length === 1) return first.failure;
  const telling =
    failures.find(({ failure }) => failure.speaksPostgres) ?? failures.at(-1) ?? first;
  const { answer, speaksPostgres, sqlstate, hint } = telling.failure;
  return new ConnectFailure({
    answer,
    speaksPostgres,
    ...(sqlstate === null ? {} : { sqlstate }),
    ...(hint === null ? {} : { hint }),
    reason: failures.map(({ host, failure }) => `${host}: ${failure.reason}`).join("; "),
    cause: telling.failure,
  });
}
