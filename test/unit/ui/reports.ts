// Reports of every shape, for the tests of text and JSON.

import type { Plan, PlannedStep } from "../../../src/plan/plan.ts";
import type { Report, StepResult } from "../../../src/plan/report.ts";
import type { Step } from "../../../src/plan/step.ts";
import { rankCandidates } from "../../../src/topology/candidates.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { parseRun } from "../../../src/plan/history.ts";
import { finishedJournal, killedJournal } from "../plan/journals.ts";
import { address, at, healthy, orphaned, reached, slot, unreached } from "../topology/build.ts";

const base = { cluster: "orders", findings: [], word: null } as const;

const healthyTopology = buildTopology("orders", healthy());

const troubledTopology = buildTopology("orders", [
  reached({
    name: "n1",
    at: "2@1/5000060",
    to: ["n2"],
    slots: [slot("cdc", { slotType: "logical", confirmedFlushLsn: at("1/5000000") })],
  }),
  reached({ name: "n2", from: "n1", at: "2@1/4000060", replayAgeMs: 1500, replay: "paused" }),
  reached({
    name: "n3",
    role: "standby",
    at: "2@1/5000060",
    marks: { quiesced: true, repointing: address("10.0.0.9") },
    timeline: null,
    received: null,
  }),
  unreached({ name: "n4", answer: "error", speaksPostgres: true, sqlstate: "57P03" }),
]);

const lostTopology = buildTopology(
  "orders",
  orphaned({ n2: "1@0/5000060", n3: "1@0/5000160", n4: "1@0/5000060" }),
);

function planned(step: Step, changes: Partial<PlannedStep> = {}): PlannedStep {
  return { step, required: true, undo: null, ...changes };
}

export const failoverPlan: Plan = {
  format: 1,
  verb: "failover",
  observedAt: 1_700_000_000_000,
  pointOfNoReturn: 2,
  findings: [
    {
      code: "torn-tail",
      severity: "warning",
      node: "n4",
      message: "n4 ends in the middle of a record",
      hint: "remaster heal n4 --to n2 afterwards",
    },
  ],
  stages: [
    {
      reason: "still every standby, so that what each one has is certain",
      steps: ["n2", "n3", "n4"].map((node) =>
        planned(
          { verb: "quiesce", node, cancelQueries: false },
          { required: node === "n2", undo: { verb: "unquiesce", node } },
        ),
      ),
    },
    {
      reason: "bring n2 what any reachable node has and it lacks",
      steps: [planned({ verb: "exchange", node: "n2", from: null })],
    },
    {
      reason: "make n2 the primary, on a new timeline",
      steps: [planned({ verb: "promote", node: "n2", require: null })],
    },
    {
      reason: "see them follow n2",
      steps: ["n3", "n4"].map((node) =>
        planned({ verb: "repoint", node, to: "n2", until: "follow" }, { required: false }),
      ),
    },
  ],
};

function result(step: Step, changes: Partial<StepResult> = {}): StepResult {
  return { step, required: true, state: "done", ms: 41.4, detail: null, ...changes };
}

const failoverRun = parseRun(finishedJournal(failoverPlan), {
  id: "20260802T031112120Z-4711",
  file: "/home/ana/.local/state/remaster/orders-20260802T031112120Z-failover-4711.jsonl",
  verb: "failover",
});

const killedRun = parseRun(killedJournal(failoverPlan), {
  id: "20260801T221500000Z-99",
  file: "/home/ana/.local/state/remaster/orders-20260801T221500000Z-failover-99.jsonl",
  verb: "failover",
});

export const reports = {
  status: {
    ...base,
    command: "status",
    outcome: "done",
    topology: healthyTopology,
    word: "ok",
    summary: "4 of 4 nodes reachable, primary: n1, no problems",
  },
  troubledStatus: {
    ...base,
    command: "status",
    outcome: "no",
    findings: [
      {
        code: "node-unreachable",
        severity: "problem",
        node: "n4",
        message: "n4: the database system is starting up",
        hint: "wait for it, or read its log",
      },
      { code: "replay-paused", severity: "warning", node: "n2", message: "replay of n2 is paused" },
    ],
    topology: troubledTopology,
    word: "problem",
    summary: "3 of 4 nodes reachable, primary: n1, 1 problem",
  },
  comparison: {
    ...base,
    command: "compare-lsn",
    outcome: "done",
    topology: lostTopology,
    comparison: rankCandidates(lostTopology),
    word: "n3",
    summary: "candidate: n3, which lacks nothing",
  },
  dryRun: {
    ...base,
    command: "failover",
    outcome: "done",
    findings: failoverPlan.findings,
    topology: lostTopology,
    plan: failoverPlan,
    summary: "this is the plan; nothing was changed",
  },
  guaranteed: {
    ...base,
    command: "failover",
    outcome: "done",
    topology: lostTopology,
    plan: {
      ...failoverPlan,
      findings: [],
      guarantee: {
        kind: "proven",
        basis:
          "n1 had synchronous_standby_names = 'n2, n3' when it was seen 12 s ago, and every standby that could have confirmed was reached",
        primary: "n1",
        observedAt: 1_700_000_000_000,
        synchronous: true,
        distanceBytes: 0n,
        unreached: [],
        confirmers: ["n2", "n3"],
      },
    },
    summary: "this is the plan; nothing was changed",
  },
  done: {
    ...base,
    command: "failover",
    outcome: "done",
    topology: healthyTopology,
    plan: failoverPlan,
    steps: [
      result({ verb: "quiesce", node: "n2", cancelQueries: false }),
      result({ verb: "exchange", node: "n2", from: null }, { state: "already", ms: 0 }),
      result({ verb: "promote", node: "n2", require: null }, { ms: 63, detail: "2@0/5000160" }),
    ],
    timings: { "1-quiesce": 41.4, total: 105 },
    word: "n2",
    summary: "n2 leads at 2@0/5000160, followed by n3, n4",
  },
  incomplete: {
    ...base,
    command: "failover",
    outcome: "incomplete",
    findings: [
      {
        code: "step-failed",
        severity: "problem",
        node: "n4",
        message: "repoint of n4 failed: it asks for WAL from beyond the switchpoint",
      },
    ],
    plan: failoverPlan,
    steps: [
      result({ verb: "promote", node: "n2", require: null }, { ms: 63 }),
      result(
        { verb: "repoint", node: "n4", to: "n2", until: "follow" },
        {
          state: "failed",
          required: false,
          ms: 30_000,
          detail: "it asks for WAL from beyond the switchpoint",
        },
      ),
      result({ verb: "heal", node: "n5", to: "n2" }, { state: "skipped", ms: 0 }),
    ],
    word: "n2",
    summary: "not finished: the steps and findings say what holds",
    next: ["remaster status", "remaster failover"],
  },
  refused: {
    ...base,
    command: "promote",
    outcome: "refused",
    findings: [
      {
        code: "primary-answers",
        severity: "problem",
        node: "n1",
        message: "n1 is a primary and answers",
        hint: "a planned change is a switchover",
      },
    ],
    topology: healthyTopology,
    summary: "refused, nothing was changed: n1 is a primary and answers",
  },
  config: {
    ...base,
    command: "status",
    cluster: null,
    outcome: "config",
    summary: "no topology file: remaster.toml is not here",
    hint: "write one, or name it with --config",
  },
  history: {
    ...base,
    command: "history",
    cluster: null,
    outcome: "done",
    summary: "there are more: --limit 0 lists all",
    runs: [failoverRun, killedRun],
  },
  oneRun: {
    ...base,
    command: "history",
    outcome: "done",
    summary: "n2 leads at 2@0/5000100, followed by n3",
    run: failoverRun,
    word: "done",
  },
  nodes: {
    ...base,
    command: "completion",
    cluster: null,
    outcome: "done",
    summary: "",
    text: ["n1", "n2"],
  },
} as const satisfies Readonly<Record<string, Report>>;
