// `remaster slot-sync`: keep logical slots ready on the standbys that may lead, and prove that they are.

import {
  checkSolePrimary,
  planSlotSync,
  type SlotSyncRequest,
  tellOfKeeping,
  tellOfUnready,
} from "../plan/slot-sync.ts";
import type { Report } from "../plan/report.ts";
import { counted } from "../topology/counted.ts";
import { findKeptSlots, type KeptSlot } from "../topology/kept-slots.ts";
import type { Topology } from "../topology/topology.ts";
import { observeTopology, runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { type Input, optionSet, optionTexts, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

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
      flag: "allow-restart",
      type: "flag",
      summary: "stop and start a standby where its copy takes that (13 to 15)",
    },
    {
      flag: "configure",
      type: "flag",
      summary: "first set what copies need on the servers",
      detail:
        "First set what copies need on the servers: hot_standby_feedback, a physical slot and, from 17 on, a database in primary_conninfo on standbys that lack it, whose receivers start anew for it; from 17 on also synchronized_standby_slots on the primary, by which consumers get nothing that these standbys have not received.",
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
    { command: "remaster slot-sync --yes", explanation: "one pass, from cron" },
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
  return {
    ...base,
    outcome: lost.length === 0 ? "done" : "no",
    findings: [...lost, ...tellOfKeeping(topology, request)],
    slots: kept,
    word: lost.length === 0 ? "ok" : "problem",
    summary: summarize(kept),
  };
}

async function runSlotSync(input: Input, context: Context): Promise<Report> {
  const standbys = optionTexts(input, "standby");
  await checkNodeNames(context, standbys);
  const wish = { standbys, patterns: optionTexts(input, "slot") };
  const request = {
    ...wish,
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
    shortfall: (_before: Topology, after: Topology) =>
      findKeptSlots(after, wish).flatMap((each) => tellOfUnready(each, "problem")),
    question: () => "bring the copies of the slots level?",
  };
  const report = await runChange(change, context);
  const { topology } = report;
  return topology === undefined ? report : { ...report, slots: findKeptSlots(topology, wish) };
}
