// What a switchover and a fence decide, from topologies held in memory.

import { describe, expect, test } from "vitest";
import { planFence, planUnfence } from "../../../src/plan/fence.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import { planSwitchover } from "../../../src/plan/switchover.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import type { WriterSurvey } from "../../../src/topology/writers.ts";
import { address, reached, receiver, sender, setting, slot, unreached } from "../topology/build.ts";

const at = "1@0/5000000";

function primary(changes: Partial<Parameters<typeof reached>[0]> = {}) {
  return reached({
    name: "n1",
    at,
    role: "primary",
    hasControl: true,
    canBeDemoted: true,
    senders: [sender("n2"), sender("n3")],
    slots: [slot("n2"), slot("n3"), slot("else")],
    ...changes,
  });
}

function standby(name: string, changes: Partial<Parameters<typeof reached>[0]> = {}) {
  return reached({
    name,
    at,
    role: "standby",
    configuredUpstream: address("n1"),
    receiver: receiver("n1"),
    settings: { primary_slot_name: setting(name) },
    ...changes,
  });
}

const nobody: WriterSurvey = {
  node: "n1",
  sessions: [],
  overrides: [],
  subscriptions: [],
  preparedTransactions: [],
  isSuperuser: true,
};

function decide(
  nodes: readonly Observation[],
  request: Partial<Parameters<typeof planSwitchover>[1]> = {},
): Decision {
  return planSwitchover(buildTopology("test", nodes), {
    to: "n2",
    fit: { strandedStandbys: false, blockedCommits: false },
    accepted: { slotLoss: false, longPause: false },
    spare: [],
    survey: null,
    ...request,
  });
}

function outline(decision: Decision): readonly string[] {
  switch (decision.kind) {
    case "already":
      return ["already"];
    case "refused":
      return decision.findings.map((finding) => `refused: ${finding.code} ${finding.node ?? ""}`);
    case "plan":
      return decision.plan.stages.map((stage) =>
        stageCommandLine(stage).replaceAll("remaster ", ""),
      );
  }
}

describe("a switchover", () => {
  test("does beforehand what can be done, then shuts the primary down", () => {
    const decision = decide([primary(), standby("n2"), standby("n3")]);
    expect(outline(decision)).toEqual([
      "repoint n3 --to n2 --keep-mark",
      "checkpoint n1 n2",
      "demote n1 --to n2",
      "promote n2",
      "rejoin n1 --to n2",
      "repoint n3 --to n2",
      "drop-slot n1 --slot n2; drop-slot n1 --slot n3",
    ]);
    expect(decision.kind === "plan" && decision.plan.pointOfNoReturn).toBe(3);
  });

  test("fences a primary that nobody can stop, and gives the next one back what that took away", () => {
    const survey = { ...nobody, subscriptions: [{ database: "shop", name: "orders" }] };
    const decision = decide(
      [primary({ hasControl: false, canBeDemoted: false }), standby("n2"), standby("n3")],
      {
        spare: ["dump"],
        survey,
      },
    );
    expect(outline(decision)).toEqual([
      "repoint n3 --to n2 --keep-mark",
      "checkpoint n1 n2",
      "fence n1 --spare dump --to n2",
      "promote n2",
      "unfence n2 --of n1",
      "repoint n3 --to n2",
    ]);
    expect(decision.kind === "plan" && decision.plan.findings.map(({ code }) => code)).toEqual([
      "fenced",
    ]);
  });

  test("is refused where nobody leads, two do, or the candidate could not", () => {
    const dead = unreached({ name: "n1", answer: "refused", speaksPostgres: false });
    expect(outline(decide([dead, standby("n2")]))).toEqual(["refused: no-primary "]);
    const second = reached({ name: "n3", at, role: "primary" });
    expect(outline(decide([primary(), standby("n2"), second]))).toEqual([
      "refused: several-primaries ",
    ]);
    expect(outline(decide([primary(), standby("n2", { promotable: false })]))).toEqual([
      "refused: not-promotable n2",
    ]);
    expect(outline(decide([primary({ senders: [] }), standby("n2", { receiver: null })]))).toEqual([
      "refused: not-streaming n2",
    ]);
    expect(outline(decide([primary(), standby("n2")], { to: "n1" }))).toEqual(["already"]);
  });
});

describe("a fence", () => {
  const request = { node: "n1", spare: [], to: null };

  test("is refused where a writer would be left", () => {
    const session = {
      pid: 42,
      user: "root",
      database: "shop",
      applicationName: "",
      clientAddress: null,
      transactionAgeMs: null,
      mayEnd: false,
    };
    const survey = {
      ...nobody,
      isSuperuser: false,
      sessions: [session],
      overrides: [{ role: "etl", database: null, value: "off" }],
      subscriptions: [{ database: "shop", name: "orders" }],
    };
    const nodes = buildTopology("test", [primary(), standby("n2")]);
    expect(outline(planFence(nodes, { ...request, survey }))).toEqual([
      "refused: sessions-remain n1",
      "refused: override-out-of-reach n1",
      "refused: override-out-of-reach n1",
    ]);
    const transaction = { gid: "t1", database: "shop", ageMs: 5 };
    const told = planFence(nodes, {
      ...request,
      survey: { ...nobody, preparedTransactions: [transaction] },
    });
    expect(told.kind === "plan" && told.plan.findings.map(({ code }) => code)).toEqual([
      "prepared-transactions",
    ]);
  });

  test("is not taken away beside another primary", () => {
    const marks = { fenced: true };
    const fenced = primary({ marks });
    const alone = buildTopology("test", [fenced, standby("n2")]);
    expect(outline(planUnfence(alone, { node: "n1", of: null }))).toEqual(["unfence n1"]);
    const led = reached({ name: "n2", at: "2@0/5000000", role: "primary" });
    const nodes = buildTopology("test", [fenced, led]);
    expect(outline(planUnfence(nodes, { node: "n1", of: null }))).toEqual([
      "refused: another-leads n1",
    ]);
    expect(outline(planUnfence(nodes, { node: "n2", of: "n1" }))).toEqual(["unfence n2 --of n1"]);
  });
});
