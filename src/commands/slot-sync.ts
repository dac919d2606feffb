// `remaster slot-sync`: keep logical slots ready on the standbys that may lead, and prove that they are.

import { UsageError } from "../errors.ts";
import {
  checkSolePrimary,
  planSlotSync,
  type SlotSyncRequest,
  tellOfAway,
  tellOfKeeping,
  tellOfUnready,
} from "../plan/slot-sync.ts";
import { tellOfUnkept } from "../plan/keep-slots.ts";
import type { Report } from "../plan/report.ts";
import { counted } from "../topology/counted.ts";
import { findKeptSlots, type KeptSlot } from "../topology/kept-slots.ts";
import type { Topology } from "../topology/topology.ts";
import { observeTopology, runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { type Input, optionSet, optionText, optionTexts, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";
import { durationMs } from "./values.ts";

export const slotSync: VerbDefinition = {
  name: "slot-sync",
  summary: "keep logical slots ready on the standbys",
  description: [
    "A logical consumer (a subscription, Debezium) loses its place when another node becomes the primary, unless its slot is there too. One pass makes a copy of each logical slot of the primary on each standby that may lead, and brings the copies that are there level with what the consumers have confirmed.",
    "How a copy comes to be depends on the server: from 17 on the server keeps slots with the failover flag itself; on 16, and for slots without that flag, the slot is made on the standby and advanced; from 13 to 15 the slot's file is copied, which takes a restart of the standby (`--allow-restart`).",
    "A copy counts as ready only where that is proven: it is not ahead of its consumer, it was not invalidated, and the catalogue rows that it needs are held on the primary. One slot that cannot be copied holds up no other.",
  ],
  arguments: [],
  options: [
    {
      flag: "standby",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      several: true,
      summary: "these standbys alone; by default all that may lead",
    },
    {
      flag: "slot",
      type: "value",
      placeholder: "PATTERN",
      kind: "text",
      several: true,
      summary: "these slots alone; * stands for anything",
    },
    {
      flag: "check",
      type: "flag",
      summary: "change nothing; exit 1 where a failover now would lose a slot",
    },
    {
      flag: "no-physical",
      type: "flag",
      summary: "leave the physical slots for siblings alone",
      detail:
        "Leave alone the physical slots that each standby which may lead holds for its siblings (see remaster-keep-slots(1)). With `--slot` they are left alone anyway.",
    },
    {
      flag: "prune",
      type: "flag",
      summary: "drop physical slots of ours that nobody needs",
      detail:
        "Drop physical slots that remaster made and nobody needs any more: of nodes that left the topology file, of standbys that stream from elsewhere. One that is in use, or that belongs to nobody we know, is never touched.",
    },
    {
      flag: "watch",
      type: "value",
      placeholder: "SECONDS",
      kind: "duration",
      summary: "a pass every so often, until it is interrupted",
      detail:
        "A pass every so many seconds (or `5m`), until a signal ends it: with status 0 between two passes, as any run within one. Each pass has the time of `--timeout`, takes the lock of the cluster for itself, reads the topology file and looks at the servers anew. One that cannot be done (no primary, the lock is held, servers out of reach) is told and tried again. On stderr is said, with the date, what is not as it was in the pass before; with `--json` each pass gives its report on a line of its own, and so does the end. A pass that went well leaves no journal.",
    },
    { flag: "once", type: "flag", summary: "one pass, for cron: this is the default" },
    {
      flag: "allow-restart",
      type: "flag",
      summary: "stop and start a standby where its copy takes that (13 to 15)",
    },
    {
      flag: "configure",
      type: "flag",
      summary: "first set what copies need on the servers",
      detail:
        "First set what copies need on the servers: hot_standby_feedback, a physical slot and, from 17 on, a database in primary_conninfo on standbys that lack it, whose receivers start anew for it; from 17 on also synchronized_standby_slots, by which consumers get nothing that these standbys have not received: on the primary, and on each standby for when it leads, where the primary of now is not waited for. With `--watch` that follows each change of the lead.",
    },
    {
      flag: "enable-failover",
      type: "flag",
      summary: "first give the slots the failover flag (17 and later)",
      detail:
        "First give the slots the failover flag (17 and later), where no consumer holds them: a slot in use cannot be altered. Who holds one is told, and what ends that for a moment.",
    },
  ],
  examples: [
    {
      command: "remaster slot-sync --configure --enable-failover",
      explanation: "once: set up everything for copies, and make them",
    },
    {
      command: "remaster slot-sync --check",
      explanation: "what a failover now would lose, and why",
    },
    { command: "remaster slot-sync --once --yes --quiet", explanation: "one pass, from cron" },
    {
      command: "remaster slot-sync --watch 60 --yes",
      explanation: "a pass every minute, from a terminal or a systemd unit",
    },
    {
      command: "remaster slot-sync --standby n2 --slot 'debezium_*'",
      explanation: "some of them on one standby",
    },
  ],
  changes: true,
  outcomes: {
    done: "every wanted slot is ready on every wanted standby",
    no: "--check: a failover now would lose a slot",
    incomplete:
      "the pass is over, and a slot is not ready; the findings say why, and what will make it so",
  },
  run: runSlotSync,
};

function summarize(kept: readonly KeptSlot[]): string {
  const slots = new Set(kept.map(({ slot }) => slot.slotName)).size;
  const standbys = new Set(kept.map(({ node }) => node)).size;
  const lacking = kept.filter(({ against }) => against !== null).length;
  if (kept.length === 0) return "there is no logical slot to keep, or no standby that may lead";
  const where = `${counted(slots, "logical slot")} on ${counted(standbys, "standby")}`;
  return lacking === 0
    ? `ready: ${where}`
    : `${lacking} of ${kept.length} copies not ready: ${where}`;
}

async function check(request: SlotSyncRequest, context: Context): Promise<Report> {
  const topology = await observeTopology(context);
  const kept = findKeptSlots(topology, request);
  const against = checkSolePrimary(topology);
  const lost = kept.flatMap((each) => tellOfUnready(each, "problem"));
  const base = { command: "slot-sync", cluster: topology.cluster, topology };
  if (against.length > 0) {
    const anyone = [...topology.nodes.values()].some((node) => node.reachable);
    const outcome = anyone ? "refused" : "unreachable";
    const [first] = against;
    return { ...base, outcome, findings: against, word: null, summary: first?.message ?? "" };
  }
  // Nobody is there who could have kept them.
  const isNobody = kept.length === 0 && tellOfAway(topology, request).length > 0;
  const isKept = lost.length === 0 && !isNobody;
  return {
    ...base,
    outcome: isKept ? "done" : "no",
    findings: [...lost, ...tellOfKeeping(topology, request)],
    slots: kept,
    word: isKept ? "ok" : "problem",
    summary: isNobody ? "no standby that may lead can be reached" : summarize(kept),
  };
}

/** How often; null: once. */
function watchMs(input: Input, { options }: Context): number | null {
  const everyMs = durationMs(optionText(input, "watch") ?? "");
  if (everyMs === null) return null;
  if (optionSet(input, "once")) {
    throw new UsageError("--watch and --once contradict each other", "give one of them");
  }
  if (everyMs === 0) throw new UsageError("--watch must be more than nothing", "write 60, or 5m");
  if (options.dryRun || options.script) {
    throw new UsageError("--watch has no plan to show", "leave it out, or --dry-run and --script");
  }
  if (!options.yes && !optionSet(input, "check")) {
    throw new UsageError("--watch asks nobody", "give --yes, or --check to change nothing");
  }
  return everyMs;
}

function physicalOf(input: Input): NonNullable<SlotSyncRequest["physical"]> | null {
  const prunes = optionSet(input, "prune");
  if (prunes && optionSet(input, "no-physical")) {
    throw new UsageError("--prune and --no-physical contradict each other", "give one of them");
  }
  if (prunes) return "prune";
  const leaves = optionSet(input, "no-physical") || optionTexts(input, "slot").length > 0;
  return leaves ? null : "keep";
}

async function runSlotSync(input: Input, context: Context): Promise<Report> {
  const everyMs = watchMs(input, context);
  const pass = (own: Context): Promise<Report> => runPass(input, own);
  return everyMs === null ? pass(context) : context.watch(everyMs, pass);
}

/** Consents without which the next pass would come no further. */
function lackingConsents(kept: readonly KeptSlot[], request: SlotSyncRequest): readonly string[] {
  const open = kept.map(({ against }) => against).filter((against) => against !== null);
  const restarts = open.some(({ remedy }) => remedy?.includes("--allow-restart") === true);
  return [
    ...(!request.configure && open.some((against) => against.of === "settings")
      ? ["--configure"]
      : []),
    ...(!request.allowRestart && restarts ? ["--allow-restart"] : []),
  ];
}

async function runPass(input: Input, context: Context): Promise<Report> {
  const standbys = optionTexts(input, "standby");
  await checkNodeNames(context, standbys);
  const wish = { standbys, patterns: optionTexts(input, "slot") };
  const physical = physicalOf(input);
  const request = {
    ...wish,
    ...(physical === null ? {} : { physical }),
    allowRestart: optionSet(input, "allow-restart"),
    configure: optionSet(input, "configure"),
    enableFailover: optionSet(input, "enable-failover"),
  };
  if (optionSet(input, "check")) {
    return check({ ...request, configure: false, enableFailover: false }, context);
  }
  const change = {
    verb: "slot-sync",
    decide: (topology: Topology) => planSlotSync(topology, request),
    holds: (topology: Topology) => summarize(findKeptSlots(topology, wish)),
    shortfall: (_before: Topology, after: Topology) => [
      ...checkSolePrimary(after),
      ...findKeptSlots(after, wish).flatMap((each) => tellOfUnready(each, "problem")),
      ...(physical === null ? [] : tellOfUnkept(after, standbys)),
    ],
    question: () => "bring the copies of the slots level?",
  };
  const report = await runChange(change, context);
  const { topology, outcome, next = [] } = report;
  if (topology === undefined) return report;
  const slots = findKeptSlots(topology, wish);
  const consents = lackingConsents(slots, request);
  if (outcome !== "incomplete" || consents.length === 0) return { ...report, slots };
  const further = [context.typed.again, ...consents].join(" ");
  return { ...report, slots, next: [further, ...next.slice(1)] };
}
