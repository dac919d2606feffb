// `remaster switchover`: change the primary while all nodes are alive.

import type { Decision } from "../plan/plan.ts";
import { withPoolers } from "../plan/poolers.ts";
import { tellOfCopiesLeft } from "../plan/slots-kept.ts";
import { planSwitchover } from "../plan/switchover.ts";
import { findConsuming } from "../topology/slots-after.ts";
import { soleLeader } from "../plan/switchover-finishing.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { acceptBlockedCommits } from "./blocked-commits.ts";
import { isAnyChanging, observeTopology, runChange, untilServersSettle } from "./change.ts";
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
    "Logical slots go on on the new primary. Where the candidate has no copy of one that is ready (`remaster slot-sync --check`), one is made while the old primary leads, and counts once the consumer has confirmed past where it begins; from 16 on, with hot_standby_feedback and a physical slot. Before 16 the slots are made on the new primary instead: the old one is fenced, the consumers are seen to have confirmed everything, the new one leads read-only (`remaster close`) until it has the slots, and its log is seen to hold no write before them. Writes wait longer for that, as long as the slowest consumer needs; where one does not get there all is taken back. A consumer that is away, or a slot that cannot be kept, is named, and nothing is changed. What a consumer confirms behind the last look comes once more; nothing is left out.",
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

/** Looks again for a while where what speaks against it may pass: a candidate that does not stream (after a restart of its primary,
 * say), a consumer that holds its slot only now and then; and where a server is about to start or to end, as after a run that
 * was cut short a moment ago. */
async function decidePatiently(
  first: Topology,
  context: Context,
  decide: (topology: Topology, consuming: ReadonlySet<string>) => Promise<Decision>,
): Promise<Decision> {
  const until = untilServersSettle(context);
  const consuming = new Set<string>();
  for (let topology = first; ; topology = await observeTopology(context)) {
    for (const name of findConsuming(first, topology)) consuming.add(name);
    const decision = await decide(topology, consuming);
    const waits =
      isAnyChanging(topology) ||
      (decision.kind === "refused" &&
        decision.findings.every(
          ({ code }) => code === "not-streaming" || code === "consumer-away",
        ));
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
      decidePatiently(first, context, async (topology, consuming) => {
        const survey = await surveyPrimary(topology, context, spare);
        const decision = planSwitchover(topology, {
          ...{ to, fit, accepted, spare, survey, consuming },
        });
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
  const ran = await runChange(change, context);
  const report = { ...ran, findings: [...ran.findings, ...tellOfCopiesLeft(ran)] };
  return heldAgainstPoolers(heldAgainst(report, context), context);
}
