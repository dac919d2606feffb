// What keeps every change from beginning, and what an operator's word lets through.

import { describe, expect, test } from "vitest";
import { checkGuards, type GuardedChange, withStrays } from "../../../src/plan/guards.ts";
import { planExchange } from "../../../src/plan/exchange.ts";
import { planPromote } from "../../../src/plan/promote.ts";
import { planQuiesce } from "../../../src/plan/quiesce.ts";
import { planRepoint } from "../../../src/plan/repoint.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { parseAcceptedTimeline } from "../../../src/topology/accepted.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { healthy, history, reached, unreached } from "../topology/build.ts";

const second = history(2, "1 0/5000000");
const secondLater = history(2, "1 0/5000100");

/** n1 leads with n3 below it; n2 was promoted beside it. */
const split = [
  reached({ name: "n1", at: "1@0/6000000", to: ["n3"] }),
  reached({ name: "n2", at: "2@0/5800000", history: second }),
  reached({ name: "n3", at: "1@0/6000000", from: "n1" }),
];

/** n1 is gone; n2 and n3 went on with it, n4 was promoted before. */
const outnumbered = [
  unreached({ name: "n1" }),
  reached({ name: "n2", role: "standby", at: "1@0/6000000" }),
  reached({ name: "n3", role: "standby", at: "1@0/5900000" }),
  reached({ name: "n4", at: "2@0/5800000", history: second }),
];

function topologyOf(nodes: readonly Observation[], accept = "") {
  return buildTopology("orders", nodes, { accept: parseAcceptedTimeline(accept) });
}

function guard(
  nodes: readonly Observation[],
  options: { readonly accept?: string } & Partial<GuardedChange> = {},
) {
  const { accept = "", verb = "repoint", overrideManager = false } = options;
  return checkGuards(topologyOf(nodes, accept), { verb, overrideManager });
}

function codesOf(decision: Decision): readonly string[] {
  if (decision.kind === "plan") return decision.plan.stages.map(({ steps }) => stepsOf(steps));
  return decision.kind === "already"
    ? ["already"]
    : decision.findings.map(({ code, node }) => `refused: ${code} ${node ?? ""}`.trim());
}

function stepsOf(steps: readonly { readonly step: { readonly verb: string; node: string } }[]) {
  return steps.map(({ step }) => `${step.verb} ${step.node}`).join(", ");
}

describe("a fork", () => {
  test("of two that lead forbids changes, with both named", () => {
    const [finding, ...more] = guard(split);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      code: "several-primaries",
      severity: "problem",
      message:
        "nothing says whose line is the cluster's: n2 is at 2@0/5800000 and leads, n1 is at 1@0/6000000 and leads (with n3); they went different ways at 1@0/5000000",
      hint: "stop the one that must not lead, or name the line to keep: --accept-timeline 2 or --accept-timeline 1",
    });
  });

  test("from the only primary forbids them too", () => {
    expect(guard(outnumbered)).toMatchObject([
      {
        code: "timeline-fork",
        message:
          "nothing says whose line is the cluster's: n4 is at 2@0/5800000 and leads, n2 is at 1@0/6000000 (with n3); they went different ways at 1@0/5000000",
        hint: "name the line to keep: --accept-timeline 2 or --accept-timeline 1",
      },
    ]);
  });

  test.each(["unquiesce", "undo", "stop"])("does not keep from %s", (verb) => {
    expect(guard(split, { verb })).toEqual([]);
  });

  test.each(["1", "2"])("is decided by timeline %s", (accept) => {
    expect(guard(split, { accept })).toEqual([]);
    expect(guard(outnumbered, { accept })).toEqual([]);
  });

  test("is not decided by a timeline that nobody tells of", () => {
    expect(guard(split, { accept: "7" })).toMatchObject([
      {
        code: "timeline-unreported",
        message: "no node that was reached tells of timeline 7; they are on 1, 2",
      },
    ]);
  });

  test("of one number wants the place where it began", () => {
    const clash = [
      reached({ name: "n2", at: "2@0/5800000", history: second }),
      reached({ name: "n3", at: "2@0/5900000", history: secondLater }),
    ];
    expect(guard(clash, { accept: "2" })).toMatchObject([
      {
        code: "timeline-clash",
        message:
          "timeline 2 was taken more than once: n2's began at 1@0/5000000, n3's began at 1@0/5000100",
        hint: "say which with --accept-timeline 2@LSN, the LSN at which it began",
      },
    ]);
    expect(guard(clash, { accept: "2@0/5000100" })).toEqual([]);
  });
});

describe("on the accepted line", () => {
  test("standbys are led to its primary, and to no other", () => {
    const nodes = [
      ...split.slice(0, 2),
      reached({ name: "n3", role: "standby", at: "1@0/5000000" }),
    ];
    const repoint = (to: string, accept: string) =>
      codesOf(
        planRepoint(topologyOf(nodes, accept), { nodes: ["n3"], all: false, to, until: "follow" }),
      );
    expect(repoint("n2", "2")).toEqual(["repoint n3"]);
    expect(repoint("n1", "1")).toEqual(["repoint n3"]);
    expect(repoint("n1", "2")).toEqual(["refused: off-accepted-line n1"]);
  });

  test("nobody is promoted beside a primary, whichever line it is on", () => {
    const request = { node: "n2", require: null, patienceMs: 2000, acceptDataLoss: false };
    expect(codesOf(planPromote(topologyOf(outnumbered, "1"), request))).toEqual([
      "refused: primary-answers n4",
    ]);
  });

  test("who left it is not promoted", () => {
    const nodes = [
      unreached({ name: "n1" }),
      reached({ name: "n2", role: "standby", at: "1@0/6000000" }),
      reached({ name: "n3", role: "standby", at: "2@0/5800000", history: second }),
    ];
    const promote = (node: string, accept: string) =>
      codesOf(
        planPromote(topologyOf(nodes, accept), {
          node,
          require: null,
          patienceMs: 2000,
          acceptDataLoss: false,
        }),
      );
    expect(promote("n3", "1")).toEqual(["refused: off-accepted-line n3"]);
    expect(promote("n2", "1")).toEqual(["promote n2"]);
    expect(promote("n3", "2")).toEqual(["promote n3"]);
  });

  test("who left it is neither stilled with the others nor a source", () => {
    const nodes = [
      ...outnumbered,
      reached({ name: "n5", at: "2@0/5800000", history: second, from: "n4" }),
    ];
    const topology = topologyOf(nodes, "1");
    expect(codesOf(planQuiesce(topology, { nodes: [], cancelQueries: false }))).toEqual([
      "quiesce n2, quiesce n3",
    ]);
    const exchange = planExchange(topology, { to: "n3", from: null });
    expect(exchange).toMatchObject({
      plan: { stages: [{ steps: [{ step: { node: "n3", from: "n2" } }] }] },
    });
    expect(codesOf(planExchange(topology, { to: "n3", from: "n5" }))).toEqual([
      "refused: off-accepted-line n5",
    ]);
  });

  test("what is left alone is said with the plan", () => {
    const topology = topologyOf(outnumbered, "1");
    const decision = planQuiesce(topology, { nodes: ["n2"], cancelQueries: false });
    const told = withStrays(decision, topology);
    expect(told.kind === "plan" && told.plan.findings).toMatchObject([
      {
        code: "off-accepted-line",
        node: "n4",
        message: "n4 is at 2@0/5800000, off the line of timeline 1",
      },
    ]);
    expect(withStrays(decision, topologyOf(healthy()))).toBe(decision);
  });
});

describe("another manager", () => {
  const nodes = healthy().map((node) =>
    node.reachable && node.name === "n3"
      ? { ...node, managerSessions: ["Patroni heartbeat"] }
      : node,
  );

  test("forbids changes until the operator says so", () => {
    expect(guard(nodes)).toMatchObject([
      {
        code: "other-manager",
        severity: "problem",
        message:
          'it looks as if Patroni manages this cluster: n3 has a session "Patroni heartbeat"',
        hint: expect.stringContaining("--override-manager") as string,
      },
    ]);
    expect(guard(nodes, { overrideManager: true })).toEqual([]);
    expect(guard(nodes, { verb: "stop" })).toHaveLength(1);
  });

  test.each(["unquiesce", "undo"])("does not keep from %s", (verb) => {
    expect(guard(nodes, { verb })).toEqual([]);
  });
});
