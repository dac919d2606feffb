// Settings that would hinder a new primary's standbys, or its commits: foreseen, and gone past only on the operator's word.

import { describe, expect, test } from "vitest";
import { planFailover } from "../../../src/plan/failover.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { planQuiesce } from "../../../src/plan/quiesce.ts";
import { planRepoint } from "../../../src/plan/repoint.ts";
import type { FitAcceptance } from "../../../src/plan/settings-fit.ts";
import type { Observation, SettingName } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  address,
  history,
  type ReachedChanges,
  reached,
  sender,
  setting,
  slot,
  unreached,
} from "../topology/build.ts";

type Values = Readonly<Partial<Record<SettingName, string>>>;

function settings(values: Values): Required<Pick<ReachedChanges, "settings">> {
  const entries = Object.entries(values).map(([name, value]) => [name, setting(value)] as const);
  return { settings: Object.fromEntries(entries) };
}

const dead = unreached({ name: "n1" });

/** A standby of the dead n1 that calls itself by its node name. */
function orphan(name: string, values: Values = {}, more: Partial<ReachedChanges> = {}) {
  const own = { primary_conninfo: `host=n1 application_name=${name}`, ...values };
  const standby = { role: "standby" as const, configuredUpstream: address("n1") };
  return reached({ name, ...standby, ...settings(own), ...more });
}

function failOver(nodes: readonly Observation[], fit?: Partial<FitAcceptance>): Decision {
  return planFailover(buildTopology("orders", [dead, ...nodes]), {
    to: "n2",
    primaryIsDead: true,
    patienceMs: 2000,
    acceptDataLoss: false,
    acceptMinority: false,
    lastSeen: null,
    fit: { strandedStandbys: false, blockedCommits: false, ...fit },
  });
}

/** The findings of a decision in short, its kind first. */
function brief(decision: Decision): readonly string[] {
  const findings = decision.kind === "plan" ? decision.plan.findings : decision.findings;
  return [
    decision.kind,
    ...findings.map(({ code, severity, node }) => `${severity} ${code} ${node ?? ""}`.trim()),
  ];
}

function messageOf(decision: Decision) {
  const findings = decision.kind === "plan" ? decision.plan.findings : decision.findings;
  return findings[0];
}

describe("a failover foresees", () => {
  test("siblings that are set lower than the candidate", () => {
    const nodes = [
      orphan("n2", { max_connections: "200" }),
      orphan("n3", { max_connections: "200" }),
      orphan("n4"),
    ];
    const refused = failOver(nodes);
    expect(brief(refused)).toEqual(["refused", "problem setting-below-primary n4"]);
    expect(messageOf(refused)).toMatchObject({
      message:
        "below n2 as primary n4 would have too little of max_connections 100 < 200: its replay would pause",
      hint: "raise it on n4 and restart it; or --accept-stranded-standbys",
    });
    expect(brief(failOver(nodes, { strandedStandbys: true }))).toEqual([
      "plan",
      "warning setting-below-primary n4",
    ]);
    expect(brief(failOver(nodes.slice(0, 2)))).toEqual(["plan"]);
  });

  test("that before 14 such a server ends", () => {
    const old = { version: 130_023, versionText: "13.23" };
    const nodes = [
      orphan("n2", { max_worker_processes: "9" }, old),
      orphan("n3", { max_worker_processes: "8" }, old),
    ];
    expect(messageOf(failOver(nodes))?.message).toContain("8 < 9: it would end");
  });

  test("siblings below other siblings, whom the values reach all the same", () => {
    const nodes = [
      orphan("n2", { max_wal_senders: "11" }),
      orphan("n3", { max_wal_senders: "11" }, { to: ["n4"] }),
      reached({ name: "n4", from: "n3" }),
    ];
    expect(brief(failOver(nodes))).toContain("problem setting-below-primary n4");
  });

  test("too few WAL senders for those that do not stream from it yet", () => {
    const nodes = [
      orphan("n2", { max_wal_senders: "2" }, { senders: [sender("n3"), sender("archiver")] }),
      reached({ name: "n3", from: "n2" }),
      orphan("n4"),
    ];
    const refused = failOver(nodes);
    expect(brief(refused)).toEqual(["refused", "problem too-few-wal-senders n2"]);
    expect(messageOf(refused)?.message).toBe(
      "n2 allows 2 WAL senders, 2 of them in use, and n4 would need 1",
    );
    expect(brief(failOver(nodes.slice(0, 2)))).toEqual(["plan"]);
    expect(brief(failOver(nodes, { strandedStandbys: true }))[0]).toBe("plan");
  });

  test("too few slots for those that have none there yet", () => {
    const slots = [slot("remaster_n3"), slot("other")];
    const nodes = [orphan("n2", { max_replication_slots: "2" }, { slots }), orphan("n3")];
    expect(brief(failOver(nodes))).toEqual(["plan"]);
    const refused = failOver([...nodes, orphan("n4")]);
    expect(brief(refused)).toEqual(["refused", "problem too-few-slots n2"]);
    expect(messageOf(refused)?.message).toBe(
      "n2 allows 2 replication slots, has 2, and n4 would need 1 more",
    );
  });

  test("who cannot follow to a new timeline, and leaves it alone where that is accepted", () => {
    const nodes = [
      orphan("n2"),
      orphan("n3", { recovery_target_timeline: "current" }),
      orphan("n4"),
    ];
    const refused = failOver(nodes);
    expect(brief(refused)).toEqual(["refused", "problem target-timeline-fixed n3"]);
    expect(messageOf(refused)?.hint).toContain("; or --accept-stranded-standbys");
    const decision = failOver(nodes, { strandedStandbys: true });
    expect(brief(decision)).toEqual(["plan", "problem target-timeline-fixed n3"]);
    const steps = decision.kind === "plan" ? decision.plan.stages.flatMap((one) => one.steps) : [];
    expect(steps.filter(({ step }) => step.node === "n3")).toEqual([]);
  });

  test("nothing where the candidate's own target timeline is fixed", () => {
    const nodes = [orphan("n2", { recovery_target_timeline: "current" }), orphan("n3")];
    expect(brief(failOver(nodes))).toEqual(["plan"]);
  });

  test.each([
    ["n1", ["refused", "problem commits-would-block n2"]],
    ["ANY 2 (n1, n2, n3)", ["refused", "problem commits-would-block n2"]],
    ["ANY 1 (n1, n2, n3)", ["plan"]],
    ["FIRST 2 (*)", ["plan"]],
    ["FIRST 3 (*)", ["refused", "problem commits-would-block n2"]],
    ["N3", ["plan"]],
    ["", ["plan"]],
  ])("with synchronous_standby_names = %j whether commits would wait", (names, expected) => {
    const nodes = [orphan("n2", { synchronous_standby_names: names }), orphan("n3"), orphan("n4")];
    expect(brief(failOver(nodes))).toEqual(expected);
  });

  test("no wait where commits wait for nobody, or the operator accepts it", () => {
    const names = { synchronous_standby_names: "n1" };
    const local = orphan("n2", { ...names, synchronous_commit: "local" });
    expect(brief(failOver([local, orphan("n3")]))).toEqual(["plan"]);
    const nodes = [orphan("n2", names), orphan("n3")];
    expect(brief(failOver(nodes, { blockedCommits: true }))).toEqual([
      "plan",
      "warning commits-would-block n2",
    ]);
    expect(messageOf(failOver(nodes))).toMatchObject({
      message:
        "synchronous_standby_names of n2 demands 1 of n1, and nobody who would follow it is one of them: commits would wait once it leads",
      hint: "change synchronous_standby_names on n2 and reload, or --accept-blocked-commits",
    });
  });

  test("a delay, though nothing waits for it now", () => {
    const delayed = orphan("n2", { recovery_min_apply_delay: "60000" });
    const decision = failOver([delayed, orphan("n3")]);
    expect(brief(decision)).toEqual(["refused", "problem no-candidate n2"]);
    expect(messageOf(decision)?.message).toContain(
      "delays its replay (recovery_min_apply_delay = 60000 ms)",
    );
  });
});

describe("a living primary keeps its synchronous standbys", () => {
  function cluster(names: string, more: Values = {}) {
    return buildTopology("orders", [
      reached({
        name: "n1",
        to: ["n2", "n3"],
        ...settings({ synchronous_standby_names: names, ...more }),
      }),
      reached({ name: "n2", from: "n1" }),
      reached({ name: "n3", from: "n1" }),
    ]);
  }

  const quiesce = (names: string, nodes: readonly string[], more: Values = {}) =>
    planQuiesce(cluster(names, more), { nodes, cancelQueries: false });

  test.each([
    ["n2", ["n2"], "refused"],
    ["n2", ["n3"], "plan"],
    ["ANY 1 (n2, n3)", ["n2"], "plan"],
    ["ANY 1 (n2, n3)", ["n2", "n3"], "refused"],
    ["ANY 1 (n2, n3)", [], "refused"],
    ["ANY 2 (n2, n3)", ["n3"], "refused"],
    // It waits already.
    ["n9", ["n2"], "plan"],
    ["", [], "plan"],
  ])("%j when %j are quiesced", (names, nodes, kind) => {
    expect(quiesce(names, nodes).kind).toBe(kind);
  });

  test("unless its commits wait for nobody, or the operator accepts it", () => {
    expect(quiesce("n2", ["n2"], { synchronous_commit: "off" }).kind).toBe("plan");
    const accepting = { nodes: ["n2"], cancelQueries: false, acceptBlockedCommits: true };
    expect(planQuiesce(cluster("n2"), accepting).kind).toBe("plan");
    expect(messageOf(quiesce("n2", ["n2"]))).toMatchObject({
      code: "commits-would-block",
      node: "n1",
      message:
        "without n2 none of the synchronous standbys of n1 would be left, and it waits for 1 of n2: commits on n1 would wait",
      hint: "leave one of them out, or --accept-blocked-commits",
    });
  });

  test("when one of them is to follow another standby", () => {
    const request = { nodes: ["n2"], all: false, to: "n3", until: "follow" } as const;
    expect(brief(planRepoint(cluster("n2"), request))).toEqual([
      "refused",
      "problem commits-would-block n1",
    ]);
    expect(planRepoint(cluster("n3"), request).kind).toBe("plan");
    const accepting = { ...request, acceptBlockedCommits: true };
    expect(planRepoint(cluster("n2"), accepting).kind).toBe("plan");
  });
});

describe("a repoint refuses", () => {
  const request = { nodes: ["n3"], all: false, to: "n2", until: "follow" } as const;

  test("an upstream without a place, and a follower that stays on its timeline", () => {
    const full = reached({ name: "n2", from: "n1", ...settings({ max_wal_senders: "0" }) });
    const n3 = reached({ name: "n3", from: "n1" });
    const n1 = reached({ name: "n1", to: ["n2", "n3"] });
    const decision = planRepoint(buildTopology("orders", [n1, full, n3]), request);
    expect(brief(decision)).toEqual(["refused", "problem too-few-wal-senders n2"]);
    expect(messageOf(decision)?.hint).toBe("raise max_wal_senders on n2 and restart it");
  });

  test("a follower that stays on its timeline", () => {
    const nodes = [
      dead,
      reached({ name: "n2", at: "2@0/5000100", history: history(2, "1 0/5000060") }),
      orphan("n3", { recovery_target_timeline: "1" }),
    ];
    expect(brief(planRepoint(buildTopology("orders", nodes), request))).toEqual([
      "refused",
      "problem target-timeline-fixed n3",
    ]);
  });

  test("nothing for values that the follower has too little of, and tells of them", () => {
    const n1 = reached({ name: "n1", ...settings({ max_connections: "500" }) });
    const topology = buildTopology("orders", [n1, orphan("n3")]);
    expect(brief(planRepoint(topology, { ...request, to: "n1" }))).toEqual([
      "plan",
      "warning setting-below-primary n3",
    ]);
  });
});
