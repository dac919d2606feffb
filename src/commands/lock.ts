// `remaster lock`: hold the lock of a cluster around a command, whose own runs of remaster then share it.

import { exitTable, UnreachableError } from "../errors.ts";
import type { Report } from "../plan/report.ts";
import type { CommandEnd, Context } from "./context.ts";
import { argumentValues, type Input, type VerbDefinition } from "./define.ts";

export const lock: VerbDefinition = {
  name: "lock",
  summary: "hold the cluster's lock while a command runs",
  description: [
    "Takes the lock of the cluster on every node that can be reached, or on none, runs COMMAND with its standard input and outputs, and lets go of the lock when COMMAND has ended. The verbs of remaster that COMMAND runs share the lock, by what REMASTER_LOCK in their environment says; nobody else's do. So a script of several verbs is one operation.",
    "One operator at a time: every verb that changes something takes this lock by itself, before it looks or, where it asks first, after the answer; and holds it until it ends. It is a session advisory lock in the database `postgres` of each node, so it needs nothing to be cleared away: it ends with the process, at once when that is killed, within 30 seconds when its machine vanishes from the network. A promotion does not end it. Whoever finds it taken is told by whom, from where and since when, and exits with 5.",
    "Where the lock is lost on the way, because another operator took over or because no node could be reached for long, COMMAND is sent SIGTERM and the exit status is 8. A node that goes down takes nothing from the lock, and is locked again when it comes back.",
    "Signals are passed on to COMMAND, but SIGINT where there is a terminal, whose Ctrl-C reaches COMMAND by itself. --timeout bounds the taking of the lock alone.",
  ],
  arguments: [
    {
      name: "command",
      summary: "the program to run, and its arguments",
      kind: "text",
      required: true,
      variadic: true,
      afterDashes: true,
    },
  ],
  options: [],
  examples: [
    {
      command: "remaster lock -- ./maintenance.sh",
      explanation: "nobody else changes the cluster while the script runs",
    },
    {
      command: "remaster lock --take-over -- remaster undo --yes",
      explanation: "end the run that holds the lock, and take back what it left",
    },
  ],
  changes: false,
  locks: true,
  outcomes: {
    done: "COMMAND ran and ended with 0; any other status of it is passed on, 128 and the number of a signal that ended it",
    refused: "another run holds the lock, or it cannot be taken; COMMAND was not run",
    declined: "interrupted before COMMAND was run",
    incomplete: "the lock was lost while COMMAND ran",
    config: "the topology file or the environment is wrong; 127 where COMMAND could not be run",
  },
  run: runLock,
};

async function runLock(input: Input, context: Context): Promise<Report> {
  const command = argumentValues(input, "command");
  const { name: cluster } = await context.cluster();
  const answer = await context.lock();
  const base = { command: "lock", cluster, word: "" } as const;
  if (answer.kind === "refused") {
    const [first] = answer.findings;
    return {
      ...base,
      outcome: "refused",
      findings: answer.findings,
      summary: `refused, nothing was run: ${first?.message ?? "no reason given"}`,
    };
  }
  if (answer.nodes.length === 0) {
    throw new UnreachableError("no node lets us in, so there is nothing to lock", {
      hint: "see `remaster status`",
    });
  }
  return { ...base, ...reportOf(await context.runLocked(command), command) };
}

/** The command has spoken for itself: of a good end nothing more is said. */
function reportOf(
  end: CommandEnd,
  command: readonly string[],
): Pick<Report, "outcome" | "findings" | "summary" | "text" | "exitStatus"> {
  const [program = ""] = command;
  if (end.lost !== null) {
    const summary = `the lock was lost while ${program} ran`;
    return { outcome: "incomplete", findings: [end.lost], summary };
  }
  const { exitStatus } = end;
  const summary =
    end.notRun === null
      ? `${program} ended with status ${exitStatus}`
      : `${program} could not be run: ${end.notRun}`;
  const outcome = end.notRun === null ? outcomeOf(exitStatus) : "config";
  return { outcome, findings: [], summary, text: [], exitStatus };
}

/** Of a status that is none of remaster's own, nobody here knows what was left. */
function outcomeOf(exitStatus: number): Report["outcome"] {
  for (const [outcome, status] of Object.entries(exitTable)) {
    if (status === exitStatus && outcome !== "usage") return outcome as Report["outcome"];
  }
  return "incomplete";
}
