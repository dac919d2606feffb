// The exit table and the errors that carry an outcome to the process edge.
// A refusal is not an error: deciding functions return it. These classes are for what stops a verb from deciding at
// all: a wrong command line, a wrong file, nobody to talk to, an operator who said no. Anything else is a bug.

/** Exit status by outcome. Declared once, never renumbered. 1 to 7 leave the cluster as it was. */
export const exitTable = {
  done: 0,
  no: 1,
  usage: 2,
  config: 3,
  unreachable: 4,
  refused: 5,
  declined: 6,
  undone: 7,
  incomplete: 8,
  bug: 70,
} as const;

export type Outcome = keyof typeof exitTable;
export type ExitCode = (typeof exitTable)[Outcome];

/** What each outcome means, in the order of the table: used by every man page and `--help`. */
export const outcomeMeanings: Readonly<Record<Outcome, string>> = {
  done: "it worked, or the answer is yes",
  no: "a question was answered no; nothing was changed",
  usage: "the command line is wrong; nothing was changed",
  config: "the topology file or the environment is wrong; nothing was changed",
  unreachable:
    "a server that the verb cannot do without cannot be reached or will not let us in; nothing was changed",
  refused: "a precondition does not hold, findings say which; nothing was changed",
  declined: "the operator said no, or interrupted before the first change; nothing was changed",
  undone: "a required step failed; everything before it was undone, and seen to be",
  incomplete:
    "past the point of no return, or not undone: the report says what holds and what to type next",
  bug: "our mistake; version, command and stack are printed",
};

/** An error with an outcome: message in lower case without a full stop, hint says what to do next. */
export class RemasterError extends Error {
  readonly outcome: Outcome;
  readonly hint: string | undefined;

  constructor(outcome: Outcome, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.outcome = outcome;
    this.hint = options.hint;
  }
}

export class UsageError extends RemasterError {
  constructor(message: string, hint?: string) {
    super("usage", message, hint === undefined ? {} : { hint });
  }
}

export class ConfigError extends RemasterError {
  constructor(message: string, hint?: string) {
    super("config", message, hint === undefined ? {} : { hint });
  }
}

export class UnreachableError extends RemasterError {
  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super("unreachable", message, options);
  }
}

export class DeclinedError extends RemasterError {
  constructor(message: string, hint?: string) {
    super("declined", message, hint === undefined ? {} : { hint });
  }
}
