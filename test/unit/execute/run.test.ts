// The loop that changes servers, against a world held in memory: which steps act, what is undone, how a run ends.

import { describe, expect, test } from "vitest";
import { noJournal } from "../../../src/execute/journal.ts";
import { type Holding, NotDone, type Performers } from "../../../src/execute/performer.ts";
import { type RunResult, runPlan } from "../../../src/execute/run.ts";
import type { World } from "../../../src/execute/world.ts";
import type { Plan, PlannedStep } from "../../../src/plan/plan.ts";
import type { Step } from "../../../src/plan/step.ts";
import type { Finding } from "../../../src/topology/finding.ts";

/** What a fake node does when its step is performed. */
type Behaviour = "works" | "fails" | "refuses" | "loses the connection but works" | "holds already";

interface Fake {
  readonly behaviours: Readonly<Record<string, Behaviour>>;
  /** Interrupt the run when this node's step acts. */
  readonly interruptAt?: string;
  /** Where the taking back leaves a slot on a server out of reach. */
  readonly leavesSlotOf?: string;
  /** Somebody takes the lock of the cluster when so many acts were done. */
  readonly takenOverAfter?: number;
}

const lost: Finding = { code: "lock-lost", severity: "problem", message: "taken over" };

function quiesce(node: string, required = true): PlannedStep {
  return {
    step: { verb: "quiesce", node, cancelQueries: false },
    required,
    undo: { verb: "unquiesce", node },
  };
}

function unquiesce(node: string): PlannedStep {
  return { step: { verb: "unquiesce", node }, required: true, undo: null };
}

function promote(node: string): PlannedStep {
  return { step: { verb: "promote", node, require: null }, required: true, undo: null };
}

function repoint(node: string): PlannedStep {
  return {
    step: { verb: "repoint", node, to: "n2", until: "follow" },
    required: false,
    undo: { verb: "unquiesce", node },
  };
}

function plan(...stages: readonly (readonly PlannedStep[])[]): Plan {
  const index = stages.findIndex((steps) => steps[0]?.step.verb === "promote");
  return {
    format: 1,
    verb: "failover",
    stages: stages.map((steps) => ({ reason: "because", steps })),
    pointOfNoReturn: index === -1 ? null : index,
    observedAt: 0,
    findings: [],
  };
}

async function run(
  work: Plan,
  fake: Fake,
): Promise<RunResult & { readonly acts: readonly string[] }> {
  const interrupt = new AbortController();
  const acts: string[] = [];
  const held = new Set<string>();
  let clock = 0;
  const key = (step: Step): string => `${step.verb} ${step.node}`;
  const performer = {
    pollMs: 10,
    holds: (step: Step): Promise<Holding> => {
      const holds = held.has(key(step)) || fake.behaviours[step.node] === "holds already";
      return Promise.resolve(holds ? { holds, detail: null } : { holds, why: "not yet" });
    },
    act: (step: Step, within: World): Promise<void> => {
      acts.push(key(step));
      if (fake.leavesSlotOf === step.node && step.verb === "unquiesce") {
        within.note({ code: "slot-left", severity: "note", message: "slot n3 is left on n2" });
      }
      if (fake.interruptAt === step.node) interrupt.abort();
      const behaviour = step.verb === "unquiesce" ? "works" : fake.behaviours[step.node];
      if (behaviour === "refuses") return Promise.reject(new NotDone("no such right"));
      if (behaviour !== "fails") held.add(key(step));
      return behaviour === "loses the connection but works"
        ? Promise.reject(new Error("connection lost"))
        : Promise.resolve();
    },
  };
  const verbs = [
    "quiesce",
    "unquiesce",
    "exchange",
    "promote",
    "repoint",
    "stop",
    "heal",
    "drop-slot",
    "keep-slots",
    "pause",
    "resume",
  ] as const;
  const performers = Object.fromEntries(
    verbs.map((verb) => [verb, performer]),
  ) as unknown as Performers;
  const world = (signal: AbortSignal, deadline: number): World => ({
    config: { name: "test", file: null, nodes: [] },
    session: () => Promise.reject(new Error("no servers here")),
    sessionIn: () => Promise.reject(new Error("no servers here")),
    console: () => Promise.reject(new Error("no servers here")),
    consoleBeside: () => Promise.reject(new Error("no servers here")),
    observe: () => Promise.resolve([]),
    reached: () => [],
    lastSeen: () => null,
    control: () => Promise.resolve(null),
    signal,
    now: () => clock,
    remainingMs: () => Math.max(0, deadline - clock),
    pause: (ms) => {
      clock += ms;
      return Promise.resolve();
    },
    note: () => undefined,
    measured: () => undefined,
    ends: () => undefined,
  });
  const result = await runPlan(work, world(interrupt.signal, 1000), {
    performers,
    journal: noJournal,
    progress: () => undefined,
    lockLost: () => Promise.resolve(acts.length >= (fake.takenOverAfter ?? Infinity) ? lost : null),
    undoWorld: () => world(new AbortController().signal, clock + 1000),
  });
  return { ...result, acts };
}

function states(result: RunResult): readonly string[] {
  return result.steps.map(({ step, state }) => `${step.verb} ${step.node} ${state}`);
}

describe("a run", () => {
  test("acts once on each step and ends done", async () => {
    const result = await run(plan([quiesce("n2"), quiesce("n3")], [promote("n2")]), {
      behaviours: {},
    });
    expect(result.outcome).toBe("done");
    expect(result.acts).toEqual(["quiesce n2", "quiesce n3", "promote n2"]);
  });

  test("leaves alone what holds already", async () => {
    const result = await run(plan([quiesce("n2")]), { behaviours: { n2: "holds already" } });
    expect(result.acts).toEqual([]);
    expect(states(result)).toEqual(["quiesce n2 already"]);
    expect(result.outcome).toBe("done");
  });

  test("undoes backwards when a required step fails before the point of no return", async () => {
    const result = await run(plan([quiesce("n2")], [quiesce("n3")], [promote("n2")]), {
      behaviours: { n3: "fails" },
    });
    expect(result.outcome).toBe("undone");
    expect(result.acts).toEqual(["quiesce n2", "quiesce n3", "unquiesce n3", "unquiesce n2"]);
    expect(states(result)).toEqual([
      "quiesce n2 undone",
      "quiesce n3 undone",
      "promote n2 skipped",
    ]);
    expect(result.findings).toMatchObject([{ code: "step-failed", node: "n3" }]);
  });

  test("is not called undone where a slot is left", async () => {
    const result = await run(plan([quiesce("n2")], [quiesce("n3")]), {
      behaviours: { n3: "fails" },
      leavesSlotOf: "n2",
    });
    expect(result.outcome).toBe("incomplete");
    expect(states(result)).toEqual(["quiesce n2 undone", "quiesce n3 undone"]);
  });

  test("does not undo what held before it began", async () => {
    const result = await run(plan([quiesce("n2")], [quiesce("n3")], [promote("n2")]), {
      behaviours: { n2: "holds already", n3: "fails" },
    });
    expect(result.acts).toEqual(["quiesce n3", "unquiesce n3"]);
    expect(states(result)[0]).toBe("quiesce n2 already");
  });

  test("asks the servers when an act's outcome is unknown, and does not act again", async () => {
    const result = await run(plan([promote("n2")]), {
      behaviours: { n2: "loses the connection but works" },
    });
    expect(result.outcome).toBe("done");
    expect(result.acts).toEqual(["promote n2"]);
  });

  test("a promotion whose time runs out is incomplete, and nothing is undone", async () => {
    const result = await run(plan([quiesce("n2")], [promote("n2")], [repoint("n3")]), {
      behaviours: { n2: "works", n3: "works" },
    });
    expect(result.outcome).toBe("done");
    const late = await run(plan([quiesce("n3")], [promote("n2")], [repoint("n3")]), {
      behaviours: { n2: "fails" },
    });
    expect(late.outcome).toBe("incomplete");
    expect(late.acts).toEqual(["quiesce n3", "promote n2"]);
    expect(states(late)).toEqual(["quiesce n3 done", "promote n2 failed", "repoint n3 skipped"]);
    expect(late.findings).toMatchObject([{ code: "promotion-unknown", node: "n2" }]);
  });

  test("what has no undo is not called undone", async () => {
    const works = await run(plan([unquiesce("n2"), unquiesce("n3")], [quiesce("n4")]), {
      behaviours: { n4: "fails" },
    });
    expect(states(works)).toEqual(["unquiesce n2 done", "unquiesce n3 done", "quiesce n4 undone"]);
    expect(works.outcome).toBe("incomplete");
  });

  test("a promotion that was refused for certain is undone", async () => {
    const result = await run(plan([quiesce("n3")], [promote("n2")]), {
      behaviours: { n2: "refuses" },
    });
    expect(result.outcome).toBe("undone");
    expect(result.acts).toEqual(["quiesce n3", "promote n2", "unquiesce n3"]);
  });

  test("a best-effort step that fails is a finding, and the run goes on", async () => {
    const result = await run(plan([quiesce("n3", false)], [promote("n2")]), {
      behaviours: { n3: "fails" },
    });
    expect(result.acts).toEqual(["quiesce n3", "promote n2"]);
    expect(result.outcome).toBe("done");
    expect(result.timings["1-quiesce"]).toBeLessThan(300);
    expect(result.findings).toMatchObject([{ code: "step-failed", severity: "warning" }]);
  });

  test("an interrupt before the point of no return undoes, after it stops", async () => {
    const work = plan([quiesce("n2")], [quiesce("n3")], [promote("n2")], [repoint("n3")]);
    const early = await run(work, { behaviours: {}, interruptAt: "n2" });
    expect(early.outcome).toBe("undone");
    expect(early.acts).toEqual(["quiesce n2", "unquiesce n2"]);
    const late = await run(plan([promote("n2")], [repoint("n3")]), {
      behaviours: {},
      interruptAt: "n2",
    });
    expect(late.outcome).toBe("incomplete");
    expect(states(late)).toEqual(["promote n2 done", "repoint n3 skipped"]);
  });

  test.each([
    { takenOverAfter: 0, outcome: "refused", acts: [] },
    { takenOverAfter: 1, outcome: "incomplete", acts: ["quiesce n2"] },
    { takenOverAfter: 2, outcome: "incomplete", acts: ["quiesce n2", "quiesce n3"] },
    { takenOverAfter: 3, outcome: "done", acts: ["quiesce n2", "quiesce n3", "promote n2"] },
  ])("taken over after $takenOverAfter acts it stops, and takes nothing back", async (taken) => {
    const work = plan([quiesce("n2")], [quiesce("n3", false)], [promote("n2")]);
    const result = await run(work, { behaviours: {}, takenOverAfter: taken.takenOverAfter });
    expect(result.acts).toEqual(taken.acts);
    expect(result.outcome).toBe(taken.outcome);
    expect(result.findings).toEqual([lost]);
    const ends = states(result).map((state) => state.split(" ").at(-1));
    expect(ends).not.toContain("undone");
    expect(ends.filter((end) => end === "done")).toHaveLength(taken.acts.length);
  });
});

describe("who is kept waiting", () => {
  const pause = (node: string): PlannedStep => ({
    step: { verb: "pause", node },
    required: true,
    undo: { verb: "resume", node },
  });
  const resume = (node: string): PlannedStep => ({
    step: { verb: "resume", node, to: "n2" },
    required: false,
    undo: null,
  });
  const handOver = (): Plan => {
    const whole = plan([pause("b")], [promote("n2")], [resume("b")], [repoint("n3")]);
    const stages = whole.stages.map((each, index) =>
      index === 2 ? { ...each, always: true } : each,
    );
    return { ...whole, stages: stages as Plan["stages"] };
  };

  test("goes on where the promotion is not done for certain, and where the run is interrupted behind it", async () => {
    const unknown = await run(handOver(), { behaviours: { n2: "fails" } });
    expect([unknown.outcome, states(unknown)]).toEqual([
      "incomplete",
      ["pause b done", "promote n2 failed", "resume b done", "repoint n3 skipped"],
    ]);
    const interrupted = await run(handOver(), { behaviours: {}, interruptAt: "n2" });
    expect([interrupted.outcome, states(interrupted)]).toEqual([
      "incomplete",
      ["pause b done", "promote n2 done", "resume b done", "repoint n3 skipped"],
    ]);
  });

  test("goes on where the run is undone before, and not under another operator's hands", async () => {
    const undone = await run(handOver(), { behaviours: { n2: "refuses" } });
    expect([undone.outcome, undone.acts]).toEqual([
      "undone",
      ["pause b", "promote n2", "resume b"],
    ]);
    const taken = await run(handOver(), { behaviours: {}, takenOverAfter: 2 });
    expect([taken.outcome, taken.acts]).toEqual(["incomplete", ["pause b", "promote n2"]]);
  });
});
