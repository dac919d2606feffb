// What poolers add to the plans of a switchover, a failover and an undo, and the plans of pause and resume.

import { describe, expect, test } from "vitest";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import {
  planPause,
  planResume,
  type Poolers,
  tellOfPoolers,
  withMovedPoolers,
  withPoolers,
  withResumes,
} from "../../../src/plan/poolers.ts";
import { decidePlan, planned, stage } from "../../../src/plan/request.ts";
import type { Step } from "../../../src/plan/step.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { address, reached, receiver, sender } from "../topology/build.ts";

const at = "1@0/5000000";
const n1 = reached({ name: "n1", at, role: "primary", senders: [sender("n2")] });
const n2 = reached({
  name: "n2",
  at,
  role: "standby",
  configuredUpstream: address("n1"),
  receiver: receiver("n1"),
});
const topology = buildTopology("test", [n1, n2]);

const open = { name: "b", reachable: true, paused: false, against: null } as const;
const paused = { ...open, paused: true };
const away = { name: "b", reachable: false, reason: "nobody listens" } as const;
const foreign = { ...open, against: "w is none of its admin_users" };

function planOf(...steps: readonly Step[]): Decision {
  return decidePlan("switchover", topology, {
    stages: steps.flatMap((step) => stage("so", [planned(topology, step, { required: true })])),
    noReturn: "promote",
  });
}

const checkpoint = { verb: "checkpoint", node: "n1" } as const;
const demote = { verb: "demote", node: "n1", to: "n2" } as const;
const promote = { verb: "promote", node: "n2", require: null } as const;
const rejoin = { verb: "rejoin", node: "n1", to: "n2" } as const;
const handOver = planOf(checkpoint, demote, promote, rejoin);
const nothing = { kind: "already", findings: [] } as const;

function outline(decision: Decision): readonly string[] {
  switch (decision.kind) {
    case "already":
      return ["already"];
    case "refused":
      return decision.findings.map(({ code }) => `${decision.outcome}: ${code}`);
    case "plan": {
      const { stages, pointOfNoReturn } = decision.plan;
      const lines = stages.map((each) => stageCommandLine(each).replaceAll("remaster ", ""));
      return lines.map((line, index) => (index === pointOfNoReturn ? `! ${line}` : line));
    }
  }
}

describe("a switchover", () => {
  test("holds the clients back for the short part, and leads them on as soon as the next one leads", () => {
    const both: Poolers = [open, { ...open, name: "c" }];
    const decision = withPoolers(handOver, topology, both);
    expect(outline(decision)).toEqual([
      "checkpoint n1",
      "pause b; pause c",
      "demote n1 --to n2",
      "! promote n2",
      "resume b --to n2 --from n1; resume c --to n2 --from n1",
      "rejoin n1 --to n2",
    ]);
    const stages = decision.kind === "plan" ? decision.plan.stages : [];
    expect(stages.map(({ always }) => always === true)).toEqual([
      false,
      false,
      false,
      false,
      true,
      false,
    ]);
    expect(stages[1]?.steps[0]?.undo).toEqual({ verb: "resume", node: "b" });
    expect(withPoolers(handOver, topology, [])).toBe(handOver);
  });

  test("lets clients go on first whom a run that died had left waiting", () => {
    expect(outline(withPoolers(handOver, topology, [paused])).slice(0, 3)).toEqual([
      "resume b",
      "checkpoint n1",
      "pause b",
    ]);
    const behind = planOf(promote, rejoin);
    expect(outline(withPoolers(behind, topology, [paused]))).toEqual([
      "! promote n2",
      "resume b --to n2 --from n1",
      "rejoin n1 --to n2",
    ]);
    expect(outline(withPoolers(planOf(rejoin), topology, [paused]))[0]).toBe("resume b --to n1");
    expect(outline(withPoolers(nothing, topology, [paused]))).toEqual(["resume b --to n1"]);
    expect(withPoolers(nothing, topology, [open])).toBe(nothing);
  });

  test("does not begin where it cannot hold them back", () => {
    expect(outline(withPoolers(handOver, topology, [away]))).toEqual([
      "unreachable: pooler-unreachable",
    ]);
    expect(outline(withPoolers(handOver, topology, [foreign]))).toEqual([
      "refused: pooler-not-pausable",
    ]);
  });
});

test("a failover leads those on that it can, and tells of the others", () => {
  const failover = planOf(promote);
  expect(outline(withMovedPoolers(failover, topology, [open]))).toEqual([
    "! promote n2",
    "resume b --to n2 --from n1",
  ]);
  const decision = withMovedPoolers(failover, topology, [away]);
  expect(outline(decision)).toEqual(["! promote n2"]);
  const told = decision.kind === "plan" ? decision.plan.findings : [];
  expect(told.map(({ code, severity }) => [code, severity])).toEqual([
    ["pooler-unreachable", "warning"],
  ]);
});

test("an undo ends with nobody waiting", () => {
  const undo = planOf({ verb: "unquiesce", node: "n2" });
  expect(outline(withResumes(undo, topology, [paused]))).toEqual(["unquiesce n2", "resume b"]);
  expect(outline(withResumes(nothing, topology, [paused]))).toEqual(["resume b"]);
  expect(withResumes(nothing, topology, [open, away])).toBe(nothing);
});

test("pause and resume", () => {
  const pause = (poolers: Poolers) => outline(planPause(topology, { pooler: "b", poolers }));
  expect([pause([open]), pause([away])]).toEqual([
    ["pause b"],
    ["unreachable: pooler-unreachable"],
  ]);
  const resume = (poolers: Poolers, to?: string) =>
    outline(planResume(topology, { pooler: "b", poolers, ...(to === undefined ? {} : { to }) }));
  expect(resume([open])).toEqual(["already"]);
  expect(resume([paused])).toEqual(["! resume b"]);
  expect(resume([open], "n1")).toEqual(["! resume b --to n1"]);
  expect(resume([open], "n2")).toEqual(["refused: not-a-primary"]);
});

test("what status says of them", () => {
  const said = tellOfPoolers([open, paused, away]);
  expect(said.map(({ code, severity }) => [code, severity])).toEqual([
    ["pooler-paused", "problem"],
    ["pooler-unreachable", "warning"],
  ]);
});
