// `remaster switchover`: change the primary while all nodes are alive.

import type { Decision } from "../plan/plan.ts";
import { withPoolers } from "../plan/poolers.ts";
import { planSwitchover } from "../plan/switchover.ts";
import { soleLeader } from "../plan/switchover-finishing.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { acceptBlockedCommits } from "./blocked-commits.ts";
import { observeTopology, runChange } from "./change.ts";
import type { Context, Execution } from "./context.ts";
import { type Input, optionSet, optionText, type VerbDefinition } from "./define.ts";
import { heldAgainst, namesIn } from "./fence.ts";
import { describeLead, findShortfall } from "./led.ts";
import { addHooks } from "./hook.ts";
import { checkNodeNames } from "./nodes.ts";
import { heldAgainstPoolers } from "./poolers.ts";

export const switchover: VerbDefinition = {
  name: "switchover",
  summary: "change the primary while all nodes are alive",
  description: [
    "Hands the lead to a standby, and brings the old primary back as a standby of it. Everything that can be done before the writes stop is done before: the other standbys stream from the candidate already, its slots are there, both have written a checkpoint. Then the old primary shuts down cleanly, the candidate is seen to have its whole log, up to the shutdown checkpoint, and leads. The report tells how long writes were held up.",
    "The old primary is shut down and started again through its `control`: `control.pg_ctl`, or `control.start` and `control.stop` with a role that has pg_write_server_files and pg_execute_server_program, as a superuser has. Without, it is fenced (`remaster fence`): it stays up, takes no writes, and the report says what to run on its machine.",
    "Poolers of the topology file are paused for the short part, hooks are run; see remaster.toml(5).",
    "Whoever finds a switchover that was cut short runs it again, or `remaster undo`, from any machine. Between shutdown and promotion nobody leads: the same verb goes on where the files of the old primary prove that the candidate lacks nothing, and undo makes the old one the primary again. Behind the promotion what is left is done, and no other node is made the primary instead.",
  ],
  arguments: [],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "the standby that is to lead; the best candidate otherwise",
    },
    {
      flag: "spare",
      type: "value",
      placeholder: "NAMES",
      kind: "text",
      summary: "sessions of these application_names stay, where the primary is fenced",
    },
    {
      flag: "accept-stranded-standbys",
      type: "flag",
      summary: "go on although standbys will not be able to follow",
    },
    acceptBlockedCommits,
    {
      flag: "accept-slot-loss",
      type: "flag",
      summary: "go on although consumers of logical slots will lose their place",
    },
    {
      flag: "accept-long-pause",
      type: "flag",
      summary:
        "go on although writes will wait until the candidate has caught up, or the shutdown for a dead connection",
    },
  ],
  examples: [
    { command: "remaster switchover --to n2", explanation: "asks first" },
    { command: "remaster switchover --dry-run", explanation: "the plan alone" },
  ],
  changes: true,
  outcomes: { done: "the candidate takes writes, and every other node follows it" },
  run: runSwitchover,
};

/** A primary that could be shut down is to be a standby in the end. */
function handedOver({ primaries, nodes }: Topology): readonly string[] {
  return primaries.filter((name) => nodes.get(name)?.canBeDemoted === true);
}

/** Who is at work on the one that leads. */
async function surveyPrimary(topology: Topology, context: Context, spare: readonly string[]) {
  const [primary, second] = topology.primaries;
  const leader = second === undefined ? primary : soleLeader(topology)?.name;
  return leader === undefined ? null : context.survey(leader, spare);
}

/** How long a standby may take to connect anew, after a restart of its primary say, milliseconds. */
const patienceMs = 5_000;

/** Looks again for a while where a candidate that does not stream is all that speaks against it. */
async function decidePatiently(
  first: Topology,
  context: Context,
  decide: (topology: Topology) => Promise<Decision>,
): Promise<Decision> {
  const until = context.now() + Math.min(patienceMs, context.remainingMs() / 2);
  for (let topology = first; ; topology = await observeTopology(context)) {
    const decision = await decide(topology);
    const waits =
      decision.kind === "refused" &&
      decision.findings.every(({ code }) => code === "not-streaming");
    if (!waits || context.now() >= until || context.signal.aborted) return decision;
    await context.pause(100);
  }
}

async function runSwitchover(input: Input, context: Context): Promise<Report> {
  const to = optionText(input, "to");
  if (to !== null) await checkNodeNames(context, [to]);
  const fit = {
    strandedStandbys: optionSet(input, "accept-stranded-standbys"),
    blockedCommits: optionSet(input, acceptBlockedCommits.flag),
  };
  const accepted = {
    slotLoss: optionSet(input, "accept-slot-loss"),
    longPause: optionSet(input, "accept-long-pause"),
  };
  const spare = namesIn(optionText(input, "spare"));
  const change = {
    verb: "switchover",
    decide: (first: Topology) =>
      decidePatiently(first, context, async (topology) => {
        const survey = await surveyPrimary(topology, context, spare);
        const decision = planSwitchover(topology, { to, fit, accepted, spare, survey });
        const held = withPoolers(decision, topology, await context.observePoolers());
        return addHooks(held, topology, context);
      }),
    holds: describeLead,
    took: ({ writesStopped }: Execution["timings"]) =>
      writesStopped === undefined ? "" : `; writes were held up for ${writesStopped.toFixed(0)} ms`,
    shortfall: (before: Topology, after: Topology) =>
      findShortfall(before, after, handedOver(before)),
    word: (topology: Topology) => soleLeader(topology)?.name ?? null,
    question: () => "hand the lead over? the promotion cannot be taken back",
  };
  const report = await runChange(change, context);
  return heldAgainstPoolers(heldAgainst(report, context), context);
}
