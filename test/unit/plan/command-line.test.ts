import { describe, expect, test } from "vitest";
import { parseInvocation } from "../../../src/cli/program.ts";
import { loadVerbs } from "../../../src/cli/verbs.ts";
import { quoteWord, stageCommandLine, stepCommandLine } from "../../../src/plan/command-line.ts";
import type { Plan, PlannedStep, Stage } from "../../../src/plan/plan.ts";
import type { Step } from "../../../src/plan/step.ts";
import { position } from "../topology/build.ts";

const everyStep: readonly (readonly [Step, string])[] = [
  [{ verb: "quiesce", node: "n2", cancelQueries: false }, "remaster quiesce n2"],
  [{ verb: "quiesce", node: "n2", cancelQueries: true }, "remaster quiesce n2 --cancel-queries"],
  [{ verb: "unquiesce", node: "n2" }, "remaster unquiesce n2"],
  [{ verb: "exchange", node: "n2", from: null }, "remaster exchange --to n2"],
  [{ verb: "exchange", node: "n2", from: "n4" }, "remaster exchange --to n2 --from n4"],
  [{ verb: "promote", node: "n2", require: null }, "remaster promote n2"],
  [
    { verb: "promote", node: "n2", require: position("3@16/B374D848") },
    "remaster promote n2 --require 3@16/B374D848",
  ],
  [{ verb: "repoint", node: "n3", to: "n2", until: "follow" }, "remaster repoint n3 --to n2"],
  [
    { verb: "repoint", node: "n3", to: "n2", until: "set" },
    "remaster repoint n3 --to n2 --no-wait",
  ],
  [{ verb: "stop", node: "n1" }, "remaster stop n1"],
  [{ verb: "heal", node: "n3", to: "n2" }, "remaster heal n3 --to n2"],
  [
    { verb: "drop-slot", node: "n2", slot: "remaster_n3" },
    "remaster drop-slot n2 --slot remaster_n3",
  ],
  [{ verb: "keep-slots", node: "n2" }, "remaster keep-slots n2"],
  [{ verb: "promote", node: "n2", require: null, closed: true }, "remaster promote n2 --closed"],
  [
    { verb: "fence", node: "n1", spare: [], to: "n2", confirmed: ["cdc", "sub"] },
    "remaster fence n1 --to n2 --confirmed cdc,sub",
  ],
  [
    { verb: "close", node: "n2", of: "n1", slots: ["cdc", "sub"] },
    "remaster close n2 --of n1 --slot cdc,sub",
  ],
  [{ verb: "make-slots", node: "n2" }, "remaster make-slots n2"],
  [
    { verb: "slot-sync", node: "n2", slots: ["cdc", "sub"] },
    "remaster slot-sync --standby n2 --slot cdc,sub",
  ],
  [
    { verb: "slot-sync", node: "n2", slots: ["cdc"], allowRestart: true },
    "remaster slot-sync --standby n2 --slot cdc --allow-restart",
  ],
  [
    { verb: "hook", hook: "before_fence", node: "n2", from: "n1", of: "switchover" },
    "remaster hook before_fence --for switchover --from n1 --to n2",
  ],
  [
    { verb: "hook", hook: "on_failure", node: "n2", from: null, of: "failover", outcome: "undone" },
    "remaster hook on_failure --for failover --to n2 --outcome undone",
  ],
];

function planned(step: Step, changes: Partial<PlannedStep> = {}): PlannedStep {
  return { step, required: true, undo: null, ...changes };
}

function quiesce(node: string, required = true): PlannedStep {
  return planned(
    { verb: "quiesce", node, cancelQueries: false },
    { required, undo: { verb: "unquiesce", node } },
  );
}

const failover: Plan = {
  format: 1,
  verb: "failover",
  observedAt: 1_700_000_000_000,
  pointOfNoReturn: 2,
  findings: [
    { code: "node-unreachable", severity: "problem", node: "n1", message: "n1 is down\nrm -rf /" },
  ],
  stages: [
    { reason: "still every standby", steps: [quiesce("n2"), quiesce("n3"), quiesce("n4", false)] },
    {
      reason: "bring n2 what it lacks",
      steps: [planned({ verb: "exchange", node: "n2", from: null })],
    },
    { reason: "n2 leads", steps: [planned({ verb: "promote", node: "n2", require: null })] },
    {
      reason: "see them follow",
      steps: ["n3", "n4"].map((node) =>
        planned({ verb: "repoint", node, to: "n2", until: "follow" }, { required: false }),
      ),
    },
  ],
};

describe("a step's command line", () => {
  test("is the verb with what the step says", () => {
    for (const [step, expected] of everyStep) expect(stepCommandLine(step)).toBe(expected);
  });

  test("parses as the verb that it names", async () => {
    const verbs = await loadVerbs();
    for (const [, text] of everyStep) {
      const [, name = "", ...rest] = text.split(" ");
      const verb = verbs.find((known) => known.name === name);
      expect(verb, name).toBeDefined();
      if (verb !== undefined) parseInvocation(verb.definition, rest);
    }
  });

  test("quotes what a shell would read otherwise", () => {
    expect(quoteWord("n2.example-1:5432")).toBe("n2.example-1:5432");
    expect(quoteWord("it's $HOME; x")).toBe("'it'\\''s $HOME; x'");
    expect(quoteWord("")).toBe("''");
    expect(stepCommandLine({ verb: "stop", node: "a b" })).toBe("remaster stop 'a b'");
  });
});

describe("a stage's command line", () => {
  const [still, exchange, , follow] = failover.stages as [Stage, Stage, Stage, Stage];

  test("names all nodes where the verb takes several", () => {
    expect(stageCommandLine(still)).toBe("remaster quiesce n2 n3 n4");
    expect(stageCommandLine(follow)).toBe("remaster repoint n3 n4 --to n2");
    expect(stageCommandLine(exchange)).toBe("remaster exchange --to n2");
  });

  test("is one per node where it does not, or where the steps differ", () => {
    const heal = (node: string, to: string) => planned({ verb: "heal", node, to });
    expect(stageCommandLine({ reason: "", steps: [heal("n3", "n2"), heal("n4", "n2")] })).toBe(
      "remaster heal n3 --to n2; remaster heal n4 --to n2",
    );
    const repoint = (node: string, to: string) =>
      planned({ verb: "repoint", node, to, until: "follow" });
    expect(
      stageCommandLine({
        reason: "",
        steps: [repoint("n3", "n2"), repoint("n4", "n3"), repoint("n5", "n2")],
      }),
    ).toBe("remaster repoint n3 n5 --to n2; remaster repoint n4 --to n3");
  });
});
