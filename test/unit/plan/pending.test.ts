// Promotions that may be pending, and what a failover and a promote make of them.

import { describe, expect, test } from "vitest";
import { planFailover } from "../../../src/plan/failover.ts";
import { pendingPromotions } from "../../../src/plan/pending.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { planPromote } from "../../../src/plan/promote.ts";
import { stageCommandLine, stepCommandLine } from "../../../src/plan/command-line.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { address, reached, unreached } from "../topology/build.ts";

const dead = unreached({ name: "n1" });

function orphan(name: string, changes: Partial<Parameters<typeof reached>[0]> = {}) {
  return reached({
    name,
    at: "1@0/5000000",
    role: "standby",
    configuredUpstream: address("n1"),
    ...changes,
  });
}

const told = (to: string) => ({ marks: { repointing: address(to) } });
const quiesced = { marks: { quiesced: true } };

const pending = (...nodes: readonly Observation[]) =>
  pendingPromotions(buildTopology("test", nodes));

const failOver = (
  nodes: readonly Observation[],
  to: string | null = null,
  { acceptDataLoss = false } = {},
) =>
  planFailover(buildTopology("test", nodes), {
    to,
    primaryIsDead: true,
    patienceMs: 2000,
    acceptDataLoss,
    acceptMinority: false,
    lastSeen: null,
  });

function outline(decision: Decision): readonly string[] {
  if (decision.kind === "already") return ["already"];
  return decision.kind === "refused"
    ? decision.findings.map(({ code, node }) => `refused: ${code} ${node ?? ""}`)
    : decision.plan.stages.map((stage) => stageCommandLine(stage).replaceAll("remaster ", ""));
}

describe("a promotion may be pending", () => {
  test("of the node that others were told of", () => {
    expect(pending(dead, orphan("n2", quiesced), orphan("n3", told("n2")))).toEqual(["n2"]);
  });

  test("not of the middle of a cascade that was told of", () => {
    const nodes = [orphan("n2", told("n3")), orphan("n3", told("n4")), orphan("n4", quiesced)];
    expect(pending(dead, ...nodes)).toEqual(["n4"]);
  });

  test("not of a source that a node is brought level with", () => {
    const borrowed = { marks: { repointing: address("n3"), exchanging: true } };
    expect(pending(dead, orphan("n2", borrowed), orphan("n3", quiesced))).toEqual([]);
  });

  test("of a node in which the request waits", () => {
    expect(pending(dead, orphan("n2", { promoteSignal: true }), orphan("n3"))).toEqual(["n2"]);
  });

  test("of a node that was told of and is gone, but not of the old primary", () => {
    const gone = unreached({ name: "n2" });
    expect(pending(dead, gone, orphan("n3", told("n2")))).toEqual(["n2"]);
    expect(pending(dead, orphan("n2"), orphan("n3", told("n1")))).toEqual([]);
  });
});

describe("beside a promotion that may be pending", () => {
  const nodes = [dead, orphan("n2", quiesced), orphan("n3", told("n2")), orphan("n4")];

  test("a failover goes on with that one, and leaves it and those that were told as they are", () => {
    expect(outline(failOver(nodes))).toEqual([
      "quiesce n4",
      "repoint n3 n4 --to n2 --no-wait",
      "promote n2",
      "repoint n3 n4 --to n2",
    ]);
  });

  test("a failover starts anew where the candidate lacks something meanwhile", () => {
    const [, , ...others] = nodes;
    const behind = orphan("n2", { ...quiesced, at: "1@0/4000000" });
    const decision = failOver([dead, behind, ...others]);
    expect(outline(decision).slice(0, 2)).toEqual(["quiesce n2 n3 n4", "exchange --to n2"]);
    const undo =
      decision.kind === "plan" ? decision.plan.stages[0]?.steps.map((step) => step.undo) : [];
    expect(undo?.map((step) => (step === null ? null : stepCommandLine(step)))).toEqual([
      "remaster quiesce n2",
      "remaster repoint n3 --to n2 --no-wait",
      "remaster unquiesce n4",
    ]);
  });

  test("nobody else is promoted", () => {
    const refused = ["refused: promotion-may-be-pending n2"];
    expect(outline(failOver(nodes, "n4"))).toEqual(refused);
    const topology = buildTopology("test", nodes);
    const request = { require: null, patienceMs: 2000, acceptDataLoss: false };
    expect(outline(planPromote(topology, { node: "n4", ...request }))).toEqual(refused);
    expect(outline(planPromote(topology, { node: "n2", ...request }))).toEqual(["promote n2"]);
    const gone = [dead, unreached({ name: "n2" }), ...nodes.slice(2)];
    expect(outline(failOver(gone))).toEqual(refused);
  });
});

describe("once the node leads", () => {
  const leader = reached({ name: "n2", at: "2@0/5000100", to: ["n3"], ...quiesced });
  const follower = reached({ name: "n3", at: "2@0/5000100", from: "n2" });

  test("what was left on it is cleared away", () => {
    expect(outline(failOver([dead, leader, follower]))).toEqual(["unquiesce n2"]);
    const topology = buildTopology("test", [dead, leader, follower]);
    const request = { node: "n2", require: null, patienceMs: 2000, acceptDataLoss: false };
    expect(outline(planPromote(topology, request))).toEqual(["promote n2"]);
  });

  test("a standby that follows nobody, below a primary that was never lost, is no failover", () => {
    const nodes = [reached({ name: "n1", to: ["n2"] }), reached({ name: "n2", from: "n1" })];
    expect(outline(failOver([...nodes, orphan("n3")]))).toEqual(["refused: primary-answers n1"]);
  });

  test("a standby that cannot be reached is named", () => {
    const nodes = [dead, orphan("n2"), orphan("n3"), unreached({ name: "n4" })];
    const decision = failOver(nodes, null, { acceptDataLoss: true });
    const findings = decision.kind === "plan" ? decision.plan.findings : [];
    expect(findings).toMatchObject([
      { code: "loss-not-excluded", severity: "warning", node: "n4" },
      {
        code: "node-unreachable",
        node: "n4",
        hint: "when it is back: `remaster repoint n4 --to n2`",
      },
    ]);
  });
});

describe("a node of another cluster", () => {
  const stranger = orphan("n4", { systemIdentifier: "7500000000000000009" });
  const nodes = [
    reached({ name: "n1", to: ["n2"] }),
    reached({ name: "n2", from: "n1" }),
    stranger,
  ];

  test("is promoted by nobody", () => {
    const topology = buildTopology("test", nodes);
    const request = { node: "n4", require: null, patienceMs: 2000, acceptDataLoss: true };
    expect(outline(planPromote(topology, request))).toContain("refused: other-cluster n4");
  });
});
