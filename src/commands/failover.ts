// `remaster failover`: the primary is gone; one command brings the cluster to its next one.

import { DeclinedError } from "../errors.ts";
import { planFailover } from "../plan/failover.ts";
import { withMovedPoolers } from "../plan/poolers.ts";
import { mayLose } from "../plan/loss.ts";
import type { Decision, Plan } from "../plan/plan.ts";
import type { Report } from "../plan/report.ts";
import type { Topology } from "../topology/topology.ts";
import { acceptBlockedCommits } from "./blocked-commits.ts";
import { observeTopology, runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { describeLead, findShortfall } from "./led.ts";
import { type Input, optionSet, optionText, type VerbDefinition } from "./define.ts";
import { addHooks } from "./hook.ts";
import { checkNodeNames } from "./nodes.ts";
import { heldAgainstPoolers } from "./poolers.ts";
import { patienceMs, patienceOption } from "./patience.ts";

export const failover: VerbDefinition = {
  name: "failover",
  summary: "the primary is gone: bring the cluster to its next one",
  description: [
    "Stills every standby, brings the candidate what any reachable node has and it lacks, tells the other standbys of it, promotes it, and sees them follow. Where the standby that is farthest ahead may not lead, what it has is streamed to one that may.",
    "The primary must be gone: nothing that speaks PostgreSQL answers there, and no standby has a message from it younger than --patience; what still looks connected is cut. And something must vouch that it stays gone: its `control.stop`, which is run then, or your word. --yes alone is not that word.",
    "It says what it can promise about commits that were acknowledged, and on what that rests: synchronous_standby_names and synchronous_commit of the primary as they were last seen from here (any verb that looks keeps that), the names of the standbys, and who was reached. Where a standby that was not reached may hold what the others lack, or held more when it was last seen, it asks, or needs --accept-data-loss. Where every standby was reached nothing better is to be had, and it only says so.",
    "No logical slot stops it. Each that is lost is told, with what its consumer misses: from where it was when last seen from here, to where the new primary takes over. Among standbys that are equal in all else, the one that keeps more slots leads.",
    "Synchronous standbys vouch as well: where no acknowledged commit can be missing, the primary was seen less than five minutes ago, and each name in its list is one standby's own, those are stilled first and for certain, and the old primary can acknowledge nothing that waits for them.",
    "Run it again after any interruption, from any machine: it reads what holds off the nodes and finishes. A diverged, held-up or unreachable standby does not stop it and is not hidden.",
  ],
  arguments: [],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "the standby to promote; the best candidate when not given",
    },
    {
      flag: "primary-is-dead",
      type: "flag",
      summary: "your word that the old primary is dead and stays dead",
    },
    {
      flag: "accept-data-loss",
      type: "flag",
      summary: "give up commits that only nodes out of reach may have",
      detail:
        "Goes on though acknowledged commits may be missing on the standbys that were reached, though a node out of reach had more when it was last seen, and though the candidate cannot be brought all that another node has. What is given up is named in the plan.",
    },
    {
      flag: "accept-minority",
      type: "flag",
      summary: "go on with fewer than half of the known standbys",
      detail:
        "In a divided network the side that sees fewer than half of the standbys is likely the wrong one: the others may still follow a living primary.",
    },
    {
      flag: "accept-stranded-standbys",
      type: "flag",
      summary: "go on although standbys will not be able to follow",
      detail:
        "Goes on although the candidate's settings keep standbys from following it: theirs are lower than a standby's may be (max_connections and its like), or it has too few WAL senders or slots. They are named in the plan.",
    },
    acceptBlockedCommits,
    patienceOption,
  ],
  examples: [
    { command: "remaster failover", explanation: "asks for your word, then for your yes" },
    {
      command: "remaster failover --primary-is-dead --yes",
      explanation: "from a script that has made sure",
    },
    { command: "remaster failover --primary-is-dead --dry-run", explanation: "the plan alone" },
  ],
  changes: true,
  outcomes: {
    done: "the new primary takes writes and every standby that was reachable at the start follows it",
    incomplete:
      "the promotion is unknown, or the new primary leads and a standby does not follow; the report says which",
  },
  run: runFailover,
};

/** Looks again while the only thing against it is a message that is still young: silence shows only with time. */
async function decide(
  first: Topology,
  context: Context,
  plan: (topology: Topology) => Decision,
): Promise<Decision> {
  let decision = plan(first);
  let ages = messageAges(first);
  while (onlyYoungMessages(decision) && context.remainingMs() > 0 && !context.signal.aborted) {
    context.say("waiting for the last message from the primary to grow old");
    await context.pause(100);
    const topology = await observeTopology(context);
    const next = messageAges(topology);
    decision = plan(topology);
    // A younger message than before is a new one: the primary lives.
    if ([...next].some(([node, age]) => age < (ages.get(node) ?? 0))) break;
    ages = next;
  }
  return decision;
}

function onlyYoungMessages(decision: Decision): boolean {
  return (
    decision.kind === "refused" &&
    decision.findings.every((finding) => finding.code === "still-receiving")
  );
}

function messageAges(topology: Topology): ReadonlyMap<string, number> {
  return new Map(
    [...topology.nodes.values()].flatMap((node) => {
      const age = node.reachable ? (node.receiver?.lastMessageAgeMs ?? null) : null;
      return age === null ? [] : [[node.name, age] as const];
    }),
  );
}

/** What the operator can settle at a question: that the primary is dead, that what only others may have is given up. */
const askable = ["not-vouched", "loss-not-excluded", "more-was-seen"] as const;

/** Asks for the operator's word where a plan lacks nothing else; throws DeclinedError where it is not given. True: the
 * decision is to be made anew. */
async function askForWord(decision: Decision, context: Context, words: Words): Promise<boolean> {
  const { prompt, options } = context;
  if (decision.kind !== "refused" || prompt === null || options.dryRun) return false;
  const missing = decision.findings.map(({ code }) => askable.find((known) => known === code));
  if (missing.includes(undefined)) return false;
  const unvouched = decision.findings.find(({ code }) => code === "not-vouched");
  if (unvouched !== undefined) {
    const question = `${unvouched.message}; if it is dead for good, type the word "dead":`;
    if (!(await prompt.type(question, "dead"))) {
      throw new DeclinedError("the word was not given; nothing was changed");
    }
    words.primaryIsDead = true;
  }
  // The plan names the loss, and so does the question that comes with it, where one does.
  const asks = !options.yes && !options.script;
  if (asks && missing.some((code) => code !== "not-vouched")) words.acceptDataLoss = true;
  return true;
}

/** The operator's words, from the command line or from a question. */
interface Words {
  primaryIsDead: boolean;
  acceptDataLoss: boolean;
}

function question(plan: Plan): string {
  const promoted = plan.stages
    .flatMap((stage) => stage.steps)
    .find(({ step }) => step.verb === "promote");
  if (promoted === undefined) return "carry this plan out?";
  const loss = plan.guarantee !== undefined && mayLose(plan.guarantee);
  const price = loss ? ", and give up what only nodes out of reach may have" : "";
  return `fail over to ${promoted.step.node}${price}? the promotion cannot be taken back`;
}

async function runFailover(input: Input, context: Context): Promise<Report> {
  const to = optionText(input, "to");
  if (to !== null) await checkNodeNames(context, [to]);
  const request = {
    to,
    patienceMs: patienceMs(input),
    acceptMinority: optionSet(input, "accept-minority"),
    fit: {
      strandedStandbys: optionSet(input, "accept-stranded-standbys"),
      blockedCommits: optionSet(input, acceptBlockedCommits.flag),
    },
  };
  const words: Words = {
    primaryIsDead: optionSet(input, "primary-is-dead"),
    acceptDataLoss: optionSet(input, "accept-data-loss"),
  };
  const change = {
    verb: "failover",
    decide: async (topology: Topology) => {
      const lastSeen = await context.lastSeen();
      const plan = (look: Topology): Decision =>
        planFailover(look, { ...request, ...words, lastSeen });
      const decision = await decide(topology, context, plan);
      const again = await askForWord(decision, context, words);
      const made = again ? await decide(topology, context, plan) : decision;
      const led = withMovedPoolers(made, topology, await context.observePoolers());
      return addHooks(led, topology, context);
    },
    holds: describeLead,
    word: (topology: Topology) => topology.primaries[0] ?? null,
    question,
    shortfall: (before: Topology, after: Topology) => findShortfall(before, after),
  };
  return heldAgainstPoolers(await runChange(change, context), context);
}
