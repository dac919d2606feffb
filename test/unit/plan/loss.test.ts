// What a failover promises and refuses, from what was seen before and who is reached now.

import { describe, expect, test } from "vitest";
import { planFailover } from "../../../src/plan/failover.ts";
import type { Guarantee } from "../../../src/plan/guarantee.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { addLook, type LastSeen } from "../../../src/topology/last-seen.ts";
import type { Observation, ReachedNode } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  address,
  at as lsnAt,
  history,
  observedAt,
  reached,
  setting,
  unreached,
} from "../topology/build.ts";

const dead = unreached({ name: "n1", observedAt: observedAt + 12_000 });

function orphan(name: string, at: string, changes: Partial<ReachedNode> = {}) {
  return reached({
    name,
    at,
    role: "standby",
    configuredUpstream: address("n1"),
    settings: { primary_conninfo: setting(`host=n1 application_name=${name}`) },
    observedAt: observedAt + 12_000,
    ...changes,
  });
}

function gone(name: string) {
  return unreached({ name, observedAt: observedAt + 12_000 });
}

interface Before {
  readonly names?: string;
  readonly commit?: string;
  readonly at?: string;
  /** Standbys with their positions then. */
  readonly standbys: Readonly<Record<string, string>>;
  readonly down?: readonly string[];
}

/** What a look at the living n1 left. */
function seen({
  names = "",
  commit = "on",
  at = "1@0/5000000",
  standbys,
  down = [],
}: Before): LastSeen | null {
  const nodes = [
    reached({
      name: "n1",
      at,
      to: Object.keys(standbys),
      settings: { synchronous_standby_names: setting(names), synchronous_commit: setting(commit) },
    }),
    ...Object.entries(standbys).map(([name, where]) => reached({ name, from: "n1", at: where })),
    ...down.map((name) => unreached({ name })),
  ];
  return addLook(null, buildTopology("test", nodes));
}

function decide(
  nodes: readonly Observation[],
  lastSeen: LastSeen | null,
  request: Partial<Parameters<typeof planFailover>[1]> = {},
): Decision {
  return planFailover(buildTopology("test", nodes), {
    to: null,
    primaryIsDead: true,
    patienceMs: 2000,
    acceptDataLoss: false,
    acceptMinority: false,
    lastSeen,
    ...request,
  });
}

function refusals(decision: Decision): readonly string[] {
  if (decision.kind !== "refused") return [decision.kind];
  return decision.findings.map(({ code, node }) => (node === undefined ? code : `${code} ${node}`));
}

function guaranteeOf(decision: Decision): Guarantee {
  if (decision.kind !== "plan" || decision.plan.guarantee === undefined) {
    throw new Error(`no plan with a guarantee: ${JSON.stringify(decision.kind)}`);
  }
  return decision.plan.guarantee;
}

const both = { n2: "1@0/5000000", n3: "1@0/5000000" };

test("a candidate whose commits would wait for less than the lost primary's is told of", () => {
  const both = { n2: "1@0/5000000", n3: "1@0/5000000" };
  const codesOf = (before: LastSeen | null, names = "", commit = "on") => {
    const own = orphan("n2", "1@0/5000000");
    const settings = {
      ...own.settings,
      synchronous_standby_names: setting(names),
      synchronous_commit: setting(commit),
    };
    const nodes = [dead, { ...own, settings }, orphan("n3", "1@0/5000000")];
    const decision = decide(nodes, before, { to: "n2", acceptDataLoss: true });
    const findings = decision.kind === "plan" ? decision.plan.findings : decision.findings;
    return findings
      .filter(({ code }) => code === "commits-less-durable")
      .map((each) => each.message);
  };
  const two = seen({ names: "ANY 1 (n2, n3)", standbys: both });
  expect(codesOf(two)).toEqual([
    "on n1 a commit waits for 1 of n2, n3 (on), once n2 leads for no standby",
  ]);
  expect(codesOf(two, "n3", "remote_write")).toEqual([
    "on n1 a commit waits for 1 of n2, n3 (on), once n2 leads for 1 of n3 (remote_write)",
  ]);
  expect(codesOf(two, "n3")).toEqual([]);
  expect(codesOf(two, "n3", "remote_apply")).toEqual([]);
  expect(codesOf(seen({ standbys: both }))).toEqual([]);
  expect(codesOf(seen({ standbys: both }), "", "off")).toHaveLength(1);
  expect(codesOf(null)).toEqual([]);
});

describe("the guarantee", () => {
  test("proven: whoever had to confirm was reached", () => {
    const nodes = [dead, orphan("n2", "1@0/6000000"), gone("n3")];
    const guarantee = guaranteeOf(decide(nodes, seen({ names: "n2", standbys: both })));
    expect(guarantee).toMatchObject({
      kind: "proven",
      primary: "n1",
      observedAt,
      distanceBytes: 0n,
    });
    expect(guarantee.basis).toMatch(/synchronous_standby_names = 'n2' .* 12 s ago: 1 of n2 had to/);
    expect(guarantee.basis).toMatch(/sessions that lower synchronous_commit are not covered/);
  });

  test("asynchronous with every standby reached: said, with the distance, and not refused", () => {
    const before = seen({ at: "1@0/5000400", standbys: both });
    const decision = decide(
      [dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/5000000")],
      before,
    );
    expect(guaranteeOf(decision)).toMatchObject({
      kind: "unproven",
      distanceBytes: 0x400n,
      unreached: [],
    });
    expect(guaranteeOf(decision).basis).toMatch(
      /every standby was reached; .*asynchronous.* 1024 bytes more/,
    );
  });

  test("never seen, with every standby reached: said, and not refused", () => {
    const decision = decide([dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/5000000")], null);
    expect(guaranteeOf(decision)).toMatchObject({
      kind: "unproven",
      observedAt: null,
      unreached: [],
    });
  });

  test.each([
    ["somebody had to confirm who is in no topology file", { names: "n5" }],
    [
      "who confirmed has less than it had",
      { names: "n2", standbys: { ...both, n2: "1@0/5800000" } },
    ],
  ])("synchronous and not proven, with every standby reached: refused, as %s", (_why, before) => {
    const nodes = [dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/5000000")];
    const lastSeen = seen({ standbys: both, ...before });
    expect(refusals(decide(nodes, lastSeen))).toEqual(["loss-not-excluded"]);
    const accepted = decide(nodes, lastSeen, { acceptDataLoss: true });
    expect(guaranteeOf(accepted)).toMatchObject({
      kind: "unproven",
      synchronous: true,
      unreached: [],
    });
    const steps = accepted.kind === "plan" ? accepted.plan.stages.flatMap((one) => one.steps) : [];
    expect(steps.find(({ step }) => step.verb === "promote")?.step).toMatchObject({
      acceptDataLoss: true,
    });
  });

  test("a standby's own copy of the setting proves nothing", () => {
    const settings = { synchronous_standby_names: setting("n2") };
    const standby = reached({
      name: "n2",
      role: "standby",
      configuredUpstream: address("n1"),
      settings,
    });
    expect(refusals(decide([dead, standby, gone("n3")], null))).toEqual(["loss-not-excluded n3"]);
  });

  test("a proof covers only what came after the setting was seen", () => {
    const before = seen({ names: "n2", at: "1@0/7000000", standbys: both });
    const decision = decide([dead, orphan("n2", "1@0/6000000"), gone("n3")], before);
    expect(refusals(decision)).toEqual(["loss-not-excluded n3"]);
  });

  test("remote_write counts for a standby that has not been started again since", () => {
    const before = seen({ names: "n2", commit: "remote_write", standbys: both });
    const same = decide([dead, orphan("n2", "1@0/6000000"), gone("n3")], before);
    expect(guaranteeOf(same).kind).toBe("proven");
    const again = orphan("n2", "1@0/6000000", { startedAt: observedAt + 5000 });
    expect(refusals(decide([dead, again, gone("n3")], before))).toEqual(["loss-not-excluded n3"]);
  });

  test("who has less than when it was last seen does not count", () => {
    const before = seen({
      names: "n2",
      at: "1@0/5000000",
      standbys: { n2: "1@0/5000000", n3: "1@0/4000000" },
    });
    const rebuilt = [dead, orphan("n2", "1@0/4000000"), orphan("n3", "1@0/5000000"), gone("n4")];
    expect(refusals(decide(rebuilt, before))).toEqual(["loss-not-excluded n4"]);
  });

  test("a primary that was seen before somebody else's promotion is no evidence", () => {
    const own = { history: history(2, "1 0/5000000") };
    const nodes = [dead, orphan("n2", "2@0/6000000", own), gone("n3")];
    const decision = decide(nodes, seen({ names: "n2", standbys: both }));
    expect(refusals(decision)).toEqual(["loss-not-excluded n3"]);
    expect(decision.kind === "refused" && decision.findings[0]?.message).toMatch(/promoted since/);
  });

  test("nor one of another cluster", () => {
    const before = seen({ names: "n2", standbys: both });
    const other = before === null ? null : { ...before, systemIdentifier: "7500000000000000009" };
    const decision = decide([dead, orphan("n2", "1@0/6000000"), gone("n3")], other);
    expect(refusals(decision)).toEqual(["loss-not-excluded n3"]);
  });

  test("a diverged standby confirms nothing that counts", () => {
    const astray = orphan("n2", "2@0/6000000", { history: history(2, "1 0/4000000") });
    const nodes = [
      dead,
      astray,
      orphan("n3", "1@0/6000000"),
      orphan("n5", "1@0/6000000"),
      gone("n4"),
    ];
    const decision = decide(nodes, seen({ names: "n2", standbys: both }), { to: "n3" });
    expect(refusals(decision)).toEqual(["loss-not-excluded n4"]);
  });
});

describe("refused until the loss is accepted", () => {
  test("a standby away, and nothing proven: it is named", () => {
    const nodes = [dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/5000000"), gone("n4")];
    const before = seen({ standbys: { ...both, n4: "1@0/5000000" } });
    const decision = decide(nodes, before);
    expect(refusals(decision)).toEqual(["loss-not-excluded n4"]);
    expect(decision.kind === "refused" && decision.findings[0]?.hint).toMatch(/--accept-data-loss/);
    const accepted = decide(nodes, before, { acceptDataLoss: true });
    expect(guaranteeOf(accepted)).toMatchObject({ kind: "unproven", unreached: ["n4"] });
    const told = accepted.kind === "plan" ? accepted.plan.findings.map(({ code }) => code) : [];
    expect(told).toContain("loss-not-excluded");
  });

  test("a node that was down and followed nobody when the primary was last seen has nothing more", () => {
    const nodes = [dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/5000000"), gone("n4")];
    const guarantee = guaranteeOf(decide(nodes, seen({ standbys: both, down: ["n4"] })));
    expect(guarantee).toMatchObject({ kind: "unproven", unreached: [] });
    expect(guarantee.basis).toMatch(/n4 followed nobody then/);
  });

  test("a node away that had more when it was last seen, though no acknowledged commit can be missing", () => {
    const before = seen({ names: "n2", standbys: { n2: "1@0/5000000", n3: "1@0/7000000" } });
    const nodes = [dead, orphan("n2", "1@0/6000000"), gone("n3")];
    expect(refusals(decide(nodes, before))).toEqual(["more-was-seen n3"]);
    const accepted = decide(nodes, before, { acceptDataLoss: true });
    expect(guaranteeOf(accepted)).toMatchObject({ kind: "ahead-unreachable", unreached: ["n3"] });
  });

  test("what nobody can bring to the candidate, with who is left behind", () => {
    const recycled = {
      walFiles: { oldest: "000000010000000000000009", newest: "00000001000000000000000A" },
    };
    const nodes = [
      dead,
      orphan("n2", "1@0/5000000"),
      orphan("n3", "1@0/6000000"),
      orphan("n4", "1@0/A000000", { promotable: false, ...recycled }),
    ];
    const refused = decide(nodes, null);
    expect(refusals(refused)).toEqual(["no-candidate"]);
    expect(refused.kind === "refused" && refused.findings[0]?.hint).toMatch(
      /--accept-data-loss promotes n3 and gives up what n4 has/,
    );
    const accepted = decide(nodes, null, { acceptDataLoss: true });
    if (accepted.kind !== "plan") throw new Error("no plan");
    const steps = accepted.plan.stages.flatMap((stage) => stage.steps.map(({ step }) => step));
    expect(steps.map(({ verb, node }) => `${verb} ${node}`)).toEqual([
      "quiesce n2",
      "quiesce n3",
      "repoint n2",
      "promote n3",
      "repoint n2",
    ]);
    expect(steps).toContainEqual(
      expect.objectContaining({ verb: "promote", acceptDataLoss: true }),
    );
    expect(accepted.plan.findings).toContainEqual(
      expect.objectContaining({ code: "others-are-ahead", node: "n3", severity: "problem" }),
    );
    expect(guaranteeOf(accepted)).toMatchObject({ kind: "unproven", unreached: ["n4"] });
  });
});

test("a standby that has been held up since its start hides what it has, and confirms nothing", () => {
  const held = {
    receiveLsn: null,
    replay: "delayed",
    startupWait: "Timeout/RecoveryApplyDelay",
  } as const;
  const nodes = [dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/4000000", held)];
  const refused = decide(nodes, null);
  expect(refusals(refused)).toEqual(["loss-not-excluded n3"]);
  expect(guaranteeOf(decide(nodes, null, { acceptDataLoss: true }))).toMatchObject({
    kind: "unproven",
    unreached: ["n3"],
  });
  const synchronous = seen({ names: "n3", standbys: { n2: "1@0/4000000", n3: "1@0/4000000" } });
  expect(refusals(decide(nodes, synchronous))).toEqual(["loss-not-excluded n3"]);
  // A receiver was started since: it had replayed all that it had then, and shows what came after.
  const shown = { ...held, receiveLsn: lsnAt("0/4500000") };
  const known = [dead, orphan("n2", "1@0/5000000"), orphan("n3", "1@0/4000000", shown)];
  expect(decide(known, null).kind).toBe("plan");
});

test("a node in point-in-time recovery that has nothing more is no reason to refuse", () => {
  const recovering = (at: string) =>
    orphan("n3", at, { recoverySignal: true, standbySignal: false });
  const nodes = (at: string) => [dead, orphan("n2", "1@0/5000000"), recovering(at)];
  expect(decide(nodes("1@0/4000000"), null).kind).toBe("plan");
  expect(refusals(decide(nodes("1@0/6000000"), null))).toEqual(["loss-not-excluded n3"]);
});

describe("a minority", () => {
  const standby = orphan("n2", "1@0/5000000");

  test("is refused, with its own option", () => {
    const nodes = [dead, standby, gone("n3"), gone("n4")];
    expect(refusals(decide(nodes, null, { acceptDataLoss: true }))).toEqual([
      "minority-reached n3",
    ]);
    expect(refusals(decide(nodes, null))).toEqual(["minority-reached n3", "loss-not-excluded n3"]);
    const accepted = { acceptDataLoss: true, acceptMinority: true };
    expect(decide(nodes, null, accepted).kind).toBe("plan");
  });

  test("is fewer than half of the standbys", () => {
    const accepted = { acceptDataLoss: true };
    expect(decide([dead, standby, gone("n3")], null, accepted).kind).toBe("plan");
    expect(decide([dead, standby], null, accepted).kind).toBe("plan");
    const half = [dead, standby, orphan("n3", "1@0/5000000"), gone("n4"), gone("n5")];
    expect(decide(half, null, accepted).kind).toBe("plan");
  });

  test("is not told by nodes that were down and followed nobody", () => {
    const nodes = [dead, standby, gone("n3"), gone("n4")];
    const before = seen({ standbys: { n2: "1@0/5000000" }, down: ["n3", "n4"] });
    expect(decide(nodes, before).kind).toBe("plan");
  });
});

describe("synchronous standbys vouch for the old primary", () => {
  const word = { primaryIsDead: false };
  const nodes = [dead, orphan("n2", "1@0/6000000"), orphan("n3", "1@0/6000000"), gone("n4")];
  const before = { names: "ANY 2 (n2, n3, n4)", standbys: { ...both, n4: "1@0/5000000" } };

  test("where too few are left to confirm once they are still", () => {
    const decision = decide(nodes, seen(before), word);
    if (decision.kind !== "plan") throw new Error(refusals(decision).join());
    const [quiesce] = decision.plan.stages;
    expect(quiesce?.steps.map(({ step, required }) => [step.verb, step.node, required])).toEqual([
      ["quiesce", "n2", true],
      ["quiesce", "n3", true],
    ]);
    expect(decision.plan.findings.map(({ code, node }) => [code, node])).toContainEqual([
      "primary-may-run",
      "n1",
    ]);
  });

  test.each<[string, readonly Observation[], Before, number]>([
    ["not one that was seen long ago", nodes, before, -3_600_000],
    [
      "not where any follower may confirm",
      [dead, orphan("n2", "1@0/6000000")],
      { names: "*", standbys: { n2: "1@0/5000000" } },
      0,
    ],
    [
      "not asynchronous ones",
      [dead, orphan("n2", "1@0/6000000")],
      { standbys: { n2: "1@0/5000000" } },
      0,
    ],
    [
      "not one whose replay is held up, which cannot be stilled",
      [dead, orphan("n2", "1@0/6000000", { replay: "paused" }), orphan("n3", "1@0/6000000")],
      { names: "n2", standbys: both },
      0,
    ],
  ])("%s", (_, now, then, age) => {
    const found = seen(then);
    if (found?.primary == null) throw new Error("no primary was seen");
    const primary = { ...found.primary, observedAt: found.primary.observedAt + age };
    expect(refusals(decide(now, { ...found, primary }, word))).toEqual(["not-vouched n1"]);
  });
});

test("the asynchronous standby with the higher priority gets what the synchronous one has", () => {
  const nodes = [dead, orphan("n2", "1@0/5000000", { priority: 10 }), orphan("n3", "1@0/6000000")];
  const decision = decide(nodes, seen({ names: "n3", standbys: both }));
  if (decision.kind !== "plan") throw new Error(refusals(decision).join());
  const verbs = decision.plan.stages.map(({ steps }) =>
    steps.map(({ step }) => `${step.verb} ${step.node}`).join(),
  );
  expect(verbs).toContain("exchange n2");
  expect(verbs.indexOf("exchange n2")).toBeLessThan(verbs.indexOf("promote n2"));
  expect(guaranteeOf(decision).kind).toBe("proven");
});
