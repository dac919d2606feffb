// Where hooks come to stand in a plan, and what is left as it is without them.

import { describe, expect, test } from "vitest";
import { stageCommandLine, stepCommandLine } from "../../../src/plan/command-line.ts";
import { planHook, tellOfHook, withHooks } from "../../../src/plan/hooks.ts";
import type { Decision, Plan } from "../../../src/plan/plan.ts";
import { decidePlan, planned, stage } from "../../../src/plan/request.ts";
import { renderScript } from "../../../src/plan/script.ts";
import type { HookStep, Step } from "../../../src/plan/step.ts";
import { type HookName, hookNames } from "../../../src/topology/hooks.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { address, reached, receiver, unreached } from "../topology/build.ts";

const at = "1@0/5000000";
const n1 = reached({ name: "n1", at, role: "primary" });
const n2 = reached({
  name: "n2",
  at,
  role: "standby",
  configuredUpstream: address("n1"),
  receiver: receiver("n1"),
});
const alive = buildTopology("test", [n1, n2]);
const lost = buildTopology("test", [unreached({ name: "n1" }), n2]);

function planOf(verb: string, ...steps: readonly (readonly Step[])[]): Decision {
  return decidePlan(verb, alive, {
    stages: steps.flatMap((all) =>
      stage(
        "because",
        all.map((step) => planned(alive, step, { required: true })),
      ),
    ),
    noReturn: "promote",
  });
}

const checkpoints = ["n1", "n2"].map((node) => ({ verb: "checkpoint", node }) as const);
const demote: Step = { verb: "demote", node: "n1", to: "n2" };
const fence: Step = { verb: "fence", node: "n1", spare: [], to: "n2" };
const promote: Step = { verb: "promote", node: "n2", require: null };
const rejoin: Step = { verb: "rejoin", node: "n1", to: "n2" };
const reopen: Step = { verb: "unfence", node: "n2", of: "n1" };

function planIn(decision: Decision): Plan {
  if (decision.kind !== "plan") throw new Error(decision.kind);
  return decision.plan;
}

function outline({ stages, pointOfNoReturn }: Plan): readonly string[] {
  return stages.map((each, index) => {
    const text = stageCommandLine(each).replaceAll("remaster ", "");
    const short = text.replace(/^hook (\w+) .*/, "$1");
    return index === pointOfNoReturn ? `-- ${short}` : short;
  });
}

const all: ReadonlySet<HookName> = new Set(hookNames);

describe("the hooks of a plan", () => {
  test("stand around the hand-over, with a second checkpoint behind the first", () => {
    const decision = planOf("switchover", checkpoints, [demote], [promote], [rejoin]);
    const plan = planIn(withHooks(decision, alive, all));
    expect(outline(plan)).toEqual([
      "checkpoint n1 n2",
      "before_fence",
      "checkpoint n1 n2",
      "demote n1 --to n2",
      "-- promote n2",
      "after_promote",
      "rejoin n1 --to n2",
      "after_finish",
    ]);
    const steps = plan.stages.flatMap((each) => each.steps);
    const hooks = steps.filter(({ step }) => step.verb === "hook");
    expect(hooks.map(({ required, undo }) => [required, undo])).toEqual([
      [true, null],
      [false, null],
      [false, null],
    ]);
    // Steps are told apart by who they are: the second checkpoint is another one.
    expect(steps[0]?.step).not.toBe(steps[3]?.step);
    expect(stepCommandLine(plan.onFailure as HookStep)).toBe(
      "remaster hook on_failure --for switchover --from n1 --to n2",
    );
  });

  test("come after what lets writes in, where the primary was fenced", () => {
    const decision = planOf("switchover", [fence], [promote], [reopen], [rejoin]);
    expect(outline(planIn(withHooks(decision, alive, all)))).toEqual([
      "before_fence",
      "fence n1 --to n2",
      "-- promote n2",
      "unfence n2 --of n1",
      "after_promote",
      "rejoin n1 --to n2",
      "after_finish",
    ]);
  });

  test("only those that are configured, and none where nothing is to be done", () => {
    const decision = planOf("switchover", checkpoints, [demote], [promote]);
    expect(withHooks(decision, alive, new Set())).toEqual(decision);
    expect(outline(planIn(withHooks(decision, alive, new Set(["after_promote"]))))).toEqual([
      "checkpoint n1 n2",
      "demote n1 --to n2",
      "-- promote n2",
      "after_promote",
    ]);
    const already = { kind: "already", findings: [] } as const;
    expect(withHooks(already, alive, all)).toBe(already);
  });

  test("of a failover: nothing is fenced, and the primary before is the one that is gone", () => {
    const quiesce: Step = { verb: "quiesce", node: "n2", cancelQueries: false };
    const plan = planIn(withHooks(planOf("failover", [quiesce], [promote]), lost, all));
    expect(outline(plan)).toEqual(["quiesce n2", "-- promote n2", "after_promote", "after_finish"]);
    expect(plan.stages.map(stageCommandLine)).toContain(
      "remaster hook after_promote --for failover --from n1 --to n2",
    );
  });

  test("of what is left of an interrupted run", () => {
    const repoint: Step = { verb: "repoint", node: "n2", to: "n1", until: "follow" };
    expect(outline(planIn(withHooks(planOf("failover", [repoint]), alive, all)))).toEqual([
      "repoint n2 --to n1",
      "after_finish",
    ]);
  });

  test("in a script, the one on failure where something was begun", () => {
    const decision = planOf("switchover", [demote], [promote], [rejoin]);
    const options = { cluster: [], verb: ["switchover"], shared: [] };
    const bare = renderScript(planIn(decision), options);
    expect(bare).not.toMatch(/hook|begun/);
    const script = renderScript(planIn(withHooks(decision, alive, all)), options);
    expect(script.split("\n").filter((text) => /hook|begun/.test(text))).toEqual([
      "begun=",
      '  [ "$status" -eq 0 ] || [ -z "$begun" ] || remaster hook on_failure --for switchover --from n1 --to n2 --outcome incomplete || :',
      "begun=1",
      "remaster hook before_fence --for switchover --from n1 --to n2",
      "best_effort hook after_promote --for switchover --from n1 --to n2",
      "best_effort hook after_finish --for switchover --from n1 --to n2",
    ]);
  });
});

describe("a hook by itself", () => {
  const request = {
    hook: "before_fence",
    node: "n2",
    from: null,
    of: "switchover",
    outcome: null,
  } as const;

  test("is a plan of one step, and refused where there is none", () => {
    const plan = planIn(planHook(alive, request, all));
    expect(plan.stages.map(stageCommandLine)).toEqual([
      "remaster hook before_fence --for switchover --to n2",
    ]);
    expect(planHook(alive, request, new Set(["after_finish"]))).toMatchObject({
      kind: "refused",
      findings: [{ code: "no-hook", hint: 'add before_fence = "COMMAND" to [hooks]' }],
    });
    const nobody = buildTopology("test", [unreached({ name: "n1" }), unreached({ name: "n2" })]);
    expect(planHook(nobody, request, all)).toMatchObject({ outcome: "unreachable" });
  });

  test("is told of as a veto where it is one, else as a warning", () => {
    const step = (hook: HookName): HookStep => ({
      verb: "hook",
      hook,
      node: "n2",
      from: null,
      of: "switchover",
    });
    expect(
      tellOfHook(step("before_fence"), { required: true, why: "before_fence failed: busy" }),
    ).toMatchObject({
      code: "hook-vetoed",
      severity: "problem",
      message: "writes were not stopped, because the hook before_fence failed: busy",
    });
    expect(tellOfHook(step("after_promote"), { required: false, why: "x" })).toMatchObject({
      code: "hook-failed",
      severity: "warning",
    });
  });
});
