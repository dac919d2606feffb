// `remaster pause` and `remaster resume`, and what poolers add to the reports of the verbs that pause and resume them.

import { planPause, planResume, tellOfPoolers } from "../plan/poolers.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { UsageError } from "../errors.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

const pooler = {
  name: "pooler",
  summary: "the pooler",
  kind: "pooler",
  required: true,
  variadic: false,
} as const;

export const pause: VerbDefinition = {
  name: "pause",
  summary: "have a pooler hold its clients back",
  description: [
    "Pauses a pgbouncer of the topology file: transactions that are under way come to their end, no connection to a server is left, and whoever comes next waits. Nobody sees an error, unless it lasts longer than its query_wait_timeout.",
    "Where transactions are still under way after `pause_timeout` it is resumed at once, and they are named. A pooler that pools by session waits until each client leaves: that is nearly always too long.",
  ],
  arguments: [pooler],
  options: [],
  examples: [{ command: "remaster pause bouncer --yes", explanation: "clients wait from now on" }],
  changes: true,
  outcomes: { undone: "transactions did not end in time: it was resumed" },
  run: runPause,
};

export const resume: VerbDefinition = {
  name: "resume",
  summary: "let the clients of a pooler go on",
  description: [
    "Resumes a pgbouncer of the topology file, where it is paused. With --to it is given the address of that primary first: by the `reconfigure` command of the topology file, where there is one, and by RELOAD. What goes wrong there is reported, and the clients go on all the same.",
    "This is what mends a pooler that a run left paused which was killed.",
  ],
  arguments: [pooler],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "the primary that it is to lead its clients to",
    },
    {
      flag: "from",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "the primary before that: the reconfigure command is told",
    },
  ],
  examples: [
    { command: "remaster resume bouncer --yes", explanation: "clients go on where they were" },
    { command: "remaster resume bouncer --to n2 --yes", explanation: "they go on at n2" },
  ],
  changes: true,
  run: runResume,
};

/** Throws UsageError for a name that the file lacks. */
async function checkPoolerName(context: Context, name: string): Promise<void> {
  const known = ((await context.cluster()).poolers ?? []).map((each) => each.name);
  if (known.includes(name)) return;
  throw new UsageError(
    `the topology file has no pooler ${name}`,
    known.length === 0 ? "add a [poolers.NAME] table" : `it has ${known.join(", ")}`,
  );
}

async function runPause(input: Input, context: Context): Promise<Report> {
  const [name = ""] = argumentValues(input, "pooler");
  await checkPoolerName(context, name);
  const change = {
    verb: "pause",
    decide: async (topology: Topology) =>
      planPause(topology, { pooler: name, poolers: await context.observePoolers() }),
    holds: () => `${name} is paused`,
    question: () => `pause ${name}? its clients wait until it is resumed`,
  };
  return runChange(change, context);
}

async function runResume(input: Input, context: Context): Promise<Report> {
  const [name = ""] = argumentValues(input, "pooler");
  await checkPoolerName(context, name);
  const [to, from] = [optionText(input, "to"), optionText(input, "from")];
  await checkNodeNames(
    context,
    [to, from].filter((each) => each !== null),
  );
  const change = {
    verb: "resume",
    decide: async (topology: Topology) =>
      planResume(topology, {
        pooler: name,
        poolers: await context.observePoolers(),
        ...(to === null ? {} : { to }),
        ...(from === null ? {} : { from }),
      }),
    holds: () => `${name} is not paused`,
    question: () => `let the clients of ${name} go on${to === null ? "" : ` at ${to}`}?`,
  };
  return runChange(change, context);
}

/** The same report, where poolers say otherwise: a client that still waits, or is led to the old address, keeps a verb from
 * being done. */
export async function heldAgainstPoolers(report: Report, context: Context): Promise<Report> {
  const steps = report.steps ?? [];
  const touched = steps.some(({ step }) => step.verb === "pause" || step.verb === "resume");
  if (!touched) return report;
  const told = report.findings.filter(({ code }) => code === "pooler-not-resumed");
  const waiting = tellOfPoolers(await context.observePoolers()).filter(
    ({ code, node }) => code === "pooler-paused" && !told.some((each) => each.node === node),
  );
  const findings = [...report.findings, ...waiting];
  const lacking = [...told, ...waiting];
  const [first] = lacking;
  if (report.outcome !== "done" || first === undefined) return { ...report, findings };
  const [to] = report.topology?.primaries ?? [];
  const next = lacking.map(({ node = "" }) =>
    context.typed.command("resume", node, ...(to === undefined ? [] : ["--to", to])),
  );
  return {
    ...report,
    findings,
    outcome: "incomplete",
    summary: `${report.summary}; ${first.message}`,
    next: [...next, context.typed.command("status")],
  };
}
