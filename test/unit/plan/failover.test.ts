// What a failover decides, from topologies held in memory.

import { describe, expect, test } from "vitest";
import { planFailover } from "../../../src/plan/failover.ts";
import { planPromote } from "../../../src/plan/promote.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  address,
  history,
  reached,
  receiver,
  setting,
  slot,
  unreached,
} from "../topology/build.ts";

const dead = unreached({ name: "n1", answer: "refused", speaksPostgres: false });

/** A standby of the dead n1. */
function orphan(name: string, at: string, changes: Partial<Parameters<typeof reached>[0]> = {}) {
  return reached({ name, at, role: "standby", configuredUpstream: address("n1"), ...changes });
}

function decide(
  nodes: readonly Observation[],
  request: Partial<Parameters<typeof planFailover>[1]> = {},
): Decision {
  return planFailover(buildTopology("test", nodes), {
    to: null,
    primaryIsDead: true,
    patienceMs: 2000,
    acceptDataLoss: false,
    acceptMinority: false,
    lastSeen: null,
    ...request,
  });
}

/** A decision in short: stages as text, or the codes of a refusal. */
function outline(decision: Decision): readonly string[] {
  switch (decision.kind) {
    case "already":
      return ["already"];
    case "refused":
      return decision.findings.map((finding) => `refused: ${finding.code} ${finding.node ?? ""}`);
    case "plan":
      return decision.plan.stages.map((stage) => {
        const [first] = stage.steps;
        const nodes = stage.steps.map(({ step, required }) => `${step.node}${required ? "" : "?"}`);
        const step = first?.step;
        const more = step?.verb === "repoint" ? ` to ${step.to} until ${step.until}` : "";
        return `${step?.verb ?? "nothing"} ${nodes.join(" ")}${more}`;
      });
  }
}

describe("a failover", () => {
  test("brings what the node that may not lead has to one that may", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000"),
      orphan("n3", "1@0/4000000"),
      orphan("n4", "1@0/6000000", { promotable: false }),
    ]);
    expect(outline(decision)).toEqual([
      "quiesce n2 n3? n4?",
      "exchange n2",
      "repoint n3? n4? to n2 until set",
      "promote n2",
      "repoint n3? n4? to n2 until follow",
    ]);
    expect(decision.kind === "plan" && decision.plan.pointOfNoReturn).toBe(3);
  });

  test("goes to the node that was named", () => {
    const nodes = [dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/4000000")];
    expect(outline(decide(nodes, { to: "n3" }))).toContain("promote n3");
  });

  test("gives no line up that more stand on, unless the operator names the other", () => {
    const second = { history: history(2, "1 0/4000000") };
    const nodes = [
      dead,
      orphan("n2", "1@0/6000000"),
      orphan("n3", "2@0/5000000", second),
      orphan("n4", "2@0/5000000", second),
    ];
    expect(outline(decide(nodes))).toContain("promote n3");
    expect(outline(decide(nodes, { to: "n3" }))).toContain("promote n3");
    expect(outline(decide(nodes, { to: "n2" }))).toEqual(["refused: others-are-ahead n2"]);
    const promoted = planPromote(buildTopology("test", nodes), {
      node: "n2",
      require: null,
      patienceMs: 2000,
      acceptDataLoss: true,
    });
    expect(outline(promoted)).toEqual(["refused: others-are-ahead n2"]);
  });

  test("refuses while a primary answers", () => {
    const nodes = [reached({ name: "n1", to: ["n2"] }), reached({ name: "n2", from: "n1" })];
    expect(outline(decide(nodes))).toEqual(["refused: primary-answers n1"]);
  });

  test("refuses while PostgreSQL answers an error where the primary was", () => {
    const starting = unreached({
      name: "n1",
      answer: "error",
      speaksPostgres: true,
      sqlstate: "57P03",
    });
    expect(outline(decide([starting, orphan("n2", "1@0/5000000")]))).toEqual([
      "refused: primary-may-answer n1",
    ]);
  });

  test("a standby that is on its way up does not pass for the primary", () => {
    const starting = unreached({
      name: "n3",
      answer: "error",
      speaksPostgres: true,
      sqlstate: "57P03",
      reason: "the database system is not yet accepting connections (57P03)",
    });
    const nodes = [dead, orphan("n2", "1@0/5000000"), starting];
    expect(outline(decide(nodes))).toEqual(["refused: loss-not-excluded n3"]);
    const decision = decide(nodes, { acceptDataLoss: true });
    expect(outline(decision)).toContain("promote n2");
  });

  test("the primary may live above a dead standby that the others name", () => {
    const below = orphan("n3", "1@0/5000000", { configuredUpstream: address("n2") });
    const middle = unreached({ name: "n2", answer: "refused" });
    const full = { answer: "error", speaksPostgres: true, sqlstate: "53300" } as const;
    expect(outline(decide([unreached({ name: "n1", ...full }), middle, below]))).toEqual([
      "refused: primary-may-answer n1",
    ]);
    const silent = unreached({ name: "n1", answer: "none" });
    const nodes = [silent, { ...middle, hasControl: true }, below];
    const accept = { acceptDataLoss: true, acceptMinority: true };
    const unsaid = { ...accept, primaryIsDead: false };
    expect(outline(decide(nodes, unsaid))).toEqual(["refused: not-vouched n1"]);
    expect(outline(decide(nodes, accept))).toContain("promote n3");
    const controlled = [{ ...silent, hasControl: true }, ...nodes.slice(1)];
    expect(outline(decide(controlled, unsaid))[0]).toBe("stop n2 n1");
  });

  test("refuses while a standby has a young message from the primary", () => {
    const hearing = orphan("n2", "1@0/5000000", { receiver: receiver("n1") });
    expect(outline(decide([dead, hearing]))).toEqual(["refused: still-receiving n2"]);
    const silent = orphan("n2", "1@0/5000000", {
      receiver: receiver("n1", { lastMessageAgeMs: 2000 }),
    });
    expect(outline(decide([dead, silent]))).toContain("promote n2");
  });

  test("needs the operator's word, or a control that stops the old primary", () => {
    const standby = orphan("n2", "1@0/5000000");
    expect(outline(decide([dead, standby], { primaryIsDead: false }))).toEqual([
      "refused: not-vouched n1",
    ]);
    const controlled = { ...dead, hasControl: true };
    expect(outline(decide([controlled, standby], { primaryIsDead: false }))[0]).toBe("stop n1");
  });

  test("goes nowhere where no node can be reached", () => {
    const decision = decide([dead, unreached({ name: "n2" })]);
    expect(outline(decision)).toEqual([
      "refused: node-unreachable n1",
      "refused: node-unreachable n2",
    ]);
    expect(decision).toMatchObject({ outcome: "unreachable" });
  });

  test("refuses when nobody may lead, with each one's reasons", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000", { promotable: false }),
      orphan("n3", "1@0/5000000", { replay: "delayed" }),
    ]);
    expect(outline(decision)).toEqual(["refused: no-candidate "]);
    const message = decision.kind === "refused" ? decision.findings[0]?.message : "";
    expect(message).toMatch(/n2: .*n3: /);
  });

  test("a sibling that streams from another sibling stays below it", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000", { priority: 1 }),
      orphan("n3", "1@0/5000000", { to: ["n4"] }),
      reached({ name: "n4", at: "1@0/5000000", from: "n3" }),
    ]);
    expect(outline(decision)).toEqual([
      "quiesce n2 n3? n4?",
      "exchange n2",
      "repoint n3? to n2 until set",
      "repoint n4? to n3 until set",
      "promote n2",
      "repoint n3? to n2 until follow",
      "repoint n4? to n3 until follow",
    ]);
  });

  test("a sibling that streams from another one for an exchange goes to the candidate", () => {
    const from = (upstream: string) => ({
      ...reached({ name: "n4", at: "1@0/5000000", from: "n3" }),
      configuredUpstream: address(upstream),
      marks: { ...orphan("n4", "1@0/5000000").marks, repointing: address("n3"), exchanging: true },
    });
    const nodes = [
      dead,
      orphan("n2", "1@0/5000000", { priority: 1 }),
      orphan("n3", "1@0/5000000", { to: ["n4"] }),
    ];
    const told = (last: Observation) =>
      outline(decide([...nodes, last])).filter((each) => each.endsWith("until set"));
    expect(told(from("n1"))).toEqual(["repoint n3? n4? to n2 until set"]);
    expect(told(from("n3"))).toEqual([
      "repoint n3? to n2 until set",
      "repoint n4? to n3 until set",
    ]);
  });

  test("a held-up sibling is told, reported, and not waited for", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000"),
      orphan("n3", "1@0/5000000", { replay: "paused" }),
    ]);
    expect(outline(decision)).toEqual([
      "quiesce n2",
      "exchange n2",
      "repoint n3? to n2 until set",
      "promote n2",
    ]);
    const codes = decision.kind === "plan" ? decision.plan.findings.map(({ code }) => code) : [];
    expect(codes).toEqual(["replay-held-up"]);
  });

  test("a sibling whose settings are out of reach is named and left alone", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000"),
      orphan("n3", "1@0/5000000", {
        settings: { primary_conninfo: setting("host=n1", "command line") },
      }),
    ]);
    expect(outline(decision)).toEqual(["quiesce n2", "exchange n2", "promote n2"]);
    const findings = decision.kind === "plan" ? decision.plan.findings : [];
    expect(findings.map(({ code, node }) => `${code} ${node ?? ""}`)).toEqual([
      "setting-out-of-reach n3",
    ]);
  });

  // Received up to the end of a segment, in the middle of a record.
  const torn = { replayedTo: "1@0/4FFFF00" };

  test("heals who has a torn end, and tells nobody of a torn candidate before it leads", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000", torn),
      orphan("n3", "1@0/5000000", torn),
      orphan("n4", "1@0/4FFFF00"),
    ]);
    expect(outline(decision)).toEqual([
      "quiesce n2 n3? n4?",
      "exchange n2",
      "promote n2",
      "repoint n4? to n2 until follow",
      "heal n3?",
    ]);
    expect(decision.kind === "plan" && decision.plan.findings).toMatchObject([
      { code: "torn-tail", severity: "warning", node: "n3" },
    ]);
  });

  test("a candidate that gets its torn end by the exchange is torn as well", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/4FFFE00"),
      orphan("n3", "1@0/4FFFE00"),
      orphan("n4", "1@0/5000000", { ...torn, promotable: false }),
    ]);
    expect(outline(decision).slice(1)).toEqual([
      "exchange n2",
      "promote n2",
      "repoint n3? to n2 until follow",
      "heal n4?",
    ]);
  });

  test("an end within the segment of the last whole record is harmless", () => {
    const ragged = { replayedTo: "1@0/5000060" };
    const nodes = [dead, orphan("n2", "1@0/5000100", ragged), orphan("n3", "1@0/5000100", ragged)];
    expect(outline(decide(nodes))).toContain("repoint n3? to n2 until set");
  });

  test("nobody stays below a sibling that is healed", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000", { ...torn, priority: 1 }),
      orphan("n3", "1@0/5000000", { ...torn, to: ["n4"] }),
      reached({ name: "n4", at: "1@0/4FFFF00", from: "n3" }),
    ]);
    expect(outline(decision).slice(3)).toEqual(["repoint n4? to n2 until follow", "heal n3?"]);
  });

  test("a torn and held-up sibling is left as it is", () => {
    const decision = decide([
      dead,
      orphan("n2", "1@0/5000000", torn),
      orphan("n3", "1@0/5000000", { ...torn, replay: "paused" }),
      orphan("n4", "1@0/4FFFF00", { replay: "delayed" }),
    ]);
    expect(outline(decision)).toEqual([
      "quiesce n2",
      "exchange n2",
      "promote n2",
      "repoint n4? to n2 until set",
    ]);
    const hints = decision.kind === "plan" ? decision.plan.findings.map(({ hint }) => hint) : [];
    expect(hints).toContain("then run `remaster heal n3 --to n2`");
    expect(hints).toContain("then run `remaster repoint n4 --to n2`");
  });

  test("finishes by healing who is torn for the new primary", () => {
    const nodes = [
      dead,
      reached({ name: "n2", at: "2@0/5000100", history: history(2, "1 0/4FFFF00") }),
      orphan("n3", "1@0/5000000", torn),
      orphan("n4", "1@0/4FFFF00"),
    ];
    expect(outline(decide(nodes))).toEqual(["repoint n4? to n2 until follow", "heal n3?"]);
  });

  test("goes on with the candidate that the others were told of", () => {
    const told = { repointing: address("n3") };
    const nodes = [dead, orphan("n2", "1@0/5000000", { marks: told }), orphan("n3", "1@0/5000000")];
    expect(outline(decide(nodes))).toContain("promote n3");
    expect(outline(decide(nodes, { to: "n2" }))).toEqual(["refused: promotion-may-be-pending n3"]);
  });

  test("finishes what an earlier run left once the new primary leads", () => {
    const nodes = [
      dead,
      reached({ name: "n2", at: "2@0/5000100", to: ["n3"] }),
      reached({ name: "n3", at: "2@0/5000100", from: "n2" }),
      orphan("n4", "1@0/5000000"),
    ];
    expect(outline(decide(nodes))).toEqual(["repoint n4? to n2 until follow"]);
  });

  test("takes a standby along whose stream from the frozen old primary still looks alive", () => {
    const still = reached({ name: "n4", at: "1@0/5000000", from: "n1" });
    const nodes = [
      unreached({ name: "n1", answer: "silent" }),
      reached({ name: "n2", at: "2@0/5000100", to: ["n3"] }),
      reached({ name: "n3", at: "2@0/5000100", from: "n2" }),
      still.receiver === null
        ? still
        : { ...still, receiver: { ...still.receiver, lastMessageAgeMs: 60_000 } },
    ];
    expect(outline(decide(nodes))).toEqual(["repoint n4? to n2 until follow"]);
  });

  test("is done when the new primary leads and everyone follows", () => {
    const nodes = [
      dead,
      reached({ name: "n2", at: "2@0/5000100", to: ["n3"] }),
      reached({ name: "n3", at: "2@0/5000100", from: "n2" }),
    ];
    expect(outline(decide(nodes))).toEqual(["already"]);
    expect(outline(decide(nodes, { to: "n2" }))).toEqual(["already"]);
    expect(outline(decide(nodes, { to: "n3" }))).toEqual(["refused: primary-answers n2"]);
  });

  test("beside a primary that was never failed over to is refused, whoever else is down", () => {
    const down = unreached({ name: "n3" });
    const first = reached({ name: "n1", to: ["n2"] });
    const follower = reached({ name: "n2", from: "n1" });
    expect(outline(decide([first, follower, down]))).toEqual(["refused: primary-answers n1"]);
    const later = { at: "2@0/5000100", history: history(2, "1 0/5000000") };
    const leads = reached({ name: "n1", to: ["n2"], ...later });
    const behind = reached({ name: "n2", from: "n1", ...later });
    expect(outline(decide([leads, behind, down]))).toEqual(["already"]);
    const known = { ...leads, slots: [slot("remaster_n3")] };
    expect(outline(decide([known, behind, down]))).toEqual(["refused: primary-answers n1"]);
  });

  test("does nothing beside two primaries", () => {
    const nodes = [
      reached({ name: "n1" }),
      reached({ name: "n2", at: "2@0/5000100" }),
      reached({ name: "n3", from: "n2" }),
    ];
    expect(
      outline(decide(nodes)).every((line) => line.startsWith("refused: primary-answers")),
    ).toBe(true);
  });
});
