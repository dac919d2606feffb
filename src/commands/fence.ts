// `remaster fence` and `remaster unfence`: hold writes off the primary, and let them back.

import { planFence, planUnfence } from "../plan/fence.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { decideOnTwoLooks, runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const fence: VerbDefinition = {
  name: "fence",
  summary: "hold writes off a primary, and say where they ended",
  description: [
    "Makes the primary read-only by default, for roles and databases that say otherwise too, disables subscriptions, whose workers write, ends every foreign session that began before, and lets no commit at the default level be acknowledged any more. Sessions that wait for their synchronous standby are let come to their end. Replication, remaster's own sessions and those named by --spare stay.",
    "Only when the last of them is gone the position is taken, for `remaster promote --require`; what a session has written behind it in spite of all is reported. A session may still set itself read-write: a fence keeps out those who behave, and tells of the others.",
    "What was before stands in the mark, a custom setting of the server, so that anybody can take the fence back with `remaster unfence`. Where the role may not end a session, or not change what goes past the fence, nothing is begun.",
  ],
  arguments: [
    { name: "node", summary: "the primary", kind: "node", required: true, variadic: false },
  ],
  options: [
    {
      flag: "spare",
      type: "value",
      placeholder: "NAMES",
      kind: "text",
      summary: "sessions of these application_names stay, separated by commas",
    },
    {
      flag: "to",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "wait until this node has everything that was written",
    },
    {
      flag: "confirmed",
      type: "value",
      placeholder: "SLOTS",
      kind: "text",
      summary: "wait until the consumers of these logical slots have confirmed all of it",
      detail:
        "wait until the consumers of these logical slots have confirmed everything that was written, for half of the time that is left; where one does not, or a prepared transaction stands open, the fence is taken back",
    },
  ],
  examples: [
    { command: "remaster fence n1 --yes", explanation: "prints where the writes ended" },
    { command: "remaster fence n1 --spare pg_dump", explanation: "lets a dump come to its end" },
  ],
  changes: true,
  run: runFence,
};

export const unfence: VerbDefinition = {
  name: "unfence",
  summary: "let writes back to a fenced primary",
  description: [
    "Gives every setting, role, database and subscription back what it had before `remaster fence`, as the mark on the node tells, and takes the mark away. Refuses while another node leads. A standby that `remaster close` closed is opened as well.",
  ],
  arguments: [
    { name: "node", summary: "the fenced node", kind: "node", required: true, variadic: false },
  ],
  options: [
    {
      flag: "of",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "give the node, which leads now, what the fence of NODE took away in the catalogues",
    },
  ],
  examples: [{ command: "remaster unfence n1 --yes", explanation: "everything as it was" }],
  changes: true,
  run: runUnfence,
};

function isPrimary(topology: Topology, name: string): boolean {
  const node = topology.nodes.get(name);
  return node?.reachable === true && node.role === "primary";
}

export function namesIn(text: string | null): readonly string[] {
  return (text ?? "").split(",").filter((name) => name !== "");
}

async function runFence(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  const spare = namesIn(optionText(input, "spare"));
  const to = optionText(input, "to");
  const confirmed = namesIn(optionText(input, "confirmed"));
  await checkNodeNames(context, [node, ...(to === null ? [] : [to])]);
  const change = {
    verb: "fence",
    decide: async (topology: Topology) => {
      const survey = isPrimary(topology, node) ? await context.survey(node, spare) : null;
      return planFence(topology, { node, spare, to, confirmed, survey });
    },
    holds: () => `${node} is fenced`,
    question: () => `hold writes off ${node} and end its sessions?`,
  };
  return heldAgainst(withPosition(await runChange(change, context)), context);
}

/** Where the writes ended is what a script goes on with. */
function withPosition(report: Report): Report {
  const [step] = report.steps ?? [];
  return report.outcome === "done" ? { ...report, word: step?.detail ?? null } : report;
}

/** Fenced, and written to all the same, as far as can be told, or opened without a slot: that needs a person. */
export function heldAgainst(report: Report, { typed }: Context): Report {
  const codes: readonly string[] = [
    ...["written-past-fence", "fence-not-watched", "slots-begin-late", "slot-not-made"],
  ];
  const past = report.findings.find(({ code }) => codes.includes(code));
  if (report.outcome !== "done" || past === undefined) return report;
  const back = report.plan?.verb === "fence" ? [typed.command("undo")] : [];
  const next = [typed.command("status"), ...back];
  return { ...report, outcome: "incomplete", summary: past.message, next };
}

async function runUnfence(input: Input, context: Context): Promise<Report> {
  const [node = ""] = argumentValues(input, "node");
  const of = optionText(input, "of");
  await checkNodeNames(context, [node, ...(of === null ? [] : [of])]);
  const change = {
    verb: "unfence",
    decide: (topology: Topology) =>
      decideOnTwoLooks(topology, context, (look) => planUnfence(look, { node, of })),
    holds: (topology: Topology) =>
      isPrimary(topology, node) ? `${node} takes writes` : `${node} bears no fence`,
    question: () => `let writes back to ${node}?`,
  };
  return runChange(change, context);
}
