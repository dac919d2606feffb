// What is decided about logical slots that are made on the new primary alone (13 to 15), from topologies held in memory.

import { describe, expect, test } from "vitest";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import { planUnfence } from "../../../src/plan/fence.ts";
import { withHooks } from "../../../src/plan/hooks.ts";
import { planClose, planMakeSlots } from "../../../src/plan/new-slots.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { withPoolers } from "../../../src/plan/poolers.ts";
import { planSwitchover } from "../../../src/plan/switchover.ts";
import { planUndo } from "../../../src/plan/undo.ts";
import {
  type AwaitedSlot,
  type FenceMark,
  formatFenceMark,
  parseFenceMark,
} from "../../../src/topology/fence-mark.ts";
import type { Observation, Slot } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import type { WriterSurvey } from "../../../src/topology/writers.ts";
import { lsn } from "../../../src/wal/lsn.ts";
import {
  address,
  at,
  history,
  position,
  reached,
  type ReachedChanges,
  receiver,
  sender,
  setting,
  slot,
  unreached,
} from "../topology/build.ts";

const version = 150_018;

const orders = (changes: Partial<Slot> = {}): Slot =>
  slot("orders", {
    slotType: "logical",
    plugin: "test_decoding",
    database: "shop",
    twoPhase: false,
    restartLsn: at("0/3000000"),
    confirmedFlushLsn: at("0/4000000"),
    catalogXmin: 700,
    ...changes,
  });

function primary(changes: Partial<ReachedChanges> = {}) {
  return reached({
    ...{ name: "n1", at: "1@0/5000000", role: "primary", version },
    ...{ hasControl: true, canBeDemoted: true, senders: [sender("n2"), sender("n3")] },
    slots: [slot("n2"), orders()],
    ...changes,
  });
}

function standby(name: string, changes: Partial<ReachedChanges> = {}) {
  return reached({
    ...{ name, at: "1@0/5000000", role: "standby", version },
    ...{ configuredUpstream: address("n1"), receiver: receiver("n1") },
    promoteSignal: false,
    ...changes,
    settings: {
      primary_slot_name: setting(name),
      wal_level: setting("logical"),
      ...changes.settings,
    },
  });
}

const calm: WriterSurvey = {
  node: "n1",
  sessions: [],
  overrides: [],
  subscriptions: [],
  preparedTransactions: [],
  isSuperuser: true,
};

const awaits: readonly AwaitedSlot[] = [
  {
    ...{ slotName: "orders", plugin: "test_decoding", database: "shop", twoPhase: false },
    confirmed: position("1@0/4000000"),
  },
];

/** What the startup process of a standby without a receiver waits in. */
const resting = "Activity/RecoveryWalStream";

const closed = { fenced: true, awaits } as const;
const fenced = { fenced: true } as const;

function decide(
  nodes: readonly Observation[],
  request: Partial<Parameters<typeof planSwitchover>[1]> = {},
): Decision {
  return planSwitchover(buildTopology("test", nodes), {
    to: "n2",
    fit: { strandedStandbys: false, blockedCommits: false },
    accepted: { slotLoss: false, longPause: false },
    spare: [],
    survey: calm,
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
      return decision.plan.stages
        .filter(({ steps }) => steps[0]?.step.verb !== "drop-slot")
        .map((stage) => stageCommandLine(stage).replaceAll("remaster ", ""));
  }
}

const anew = [
  "checkpoint n1 n2",
  "fence n1 --to n2 --confirmed orders",
  "close n2 --of n1 --slot orders",
  "demote n1 --to n2",
  "promote n2 --closed",
  "make-slots n2",
  "unfence n2",
  "rejoin n1 --to n2",
];

describe("a switchover", () => {
  test("makes slots on the new primary before it takes writes, where there is no copy", () => {
    const decision = decide([primary(), standby("n2")]);
    expect(outline(decision)).toEqual(anew);
    const {
      stages = [],
      findings = [],
      pointOfNoReturn,
    } = decision.kind === "plan" ? decision.plan : {};
    expect(pointOfNoReturn).toBe(4);
    expect(stages.slice(1, 4).map(({ steps }) => steps[0]?.undo)).toEqual([
      { verb: "unfence", node: "n1" },
      { verb: "unfence", node: "n2" },
      { verb: "reinstate", node: "n1" },
    ]);
    // Writes come in whatever becomes of the slots, and not where the promotion is not known to be done.
    const opening = stages.slice(5, 7).map(({ steps, always }) => [steps[0]?.required, always]);
    expect(opening).toEqual([
      [false, undefined],
      [true, undefined],
    ]);
    expect(findings.map(({ code, message }) => [code, message])).toEqual([
      ["slot-kept", expect.stringContaining("before it takes writes (orders)")],
    ]);
  });

  test("leaves a primary that nobody can stop fenced", () => {
    const survey = { ...calm, subscriptions: [{ database: "shop", name: "sub" }] };
    const nodes = [primary({ hasControl: false, canBeDemoted: false }), standby("n2")];
    expect(outline(decide(nodes, { survey }))).toEqual(
      anew.filter((line) => !/^(demote|rejoin)/.test(line)),
    );
  });

  test("does so too where the copy is none to rest on, and waits for one that is only ahead", () => {
    const copied = (changes: Partial<Slot>) =>
      outline(
        decide([primary(), standby("n2", { slots: [orders({ active: false, ...changes })] })]),
      );
    expect(copied({ walStatus: "lost" })).toEqual(anew);
    expect(copied({ plugin: "pgoutput" })).toEqual(["refused: slot-would-be-lost n1"]);
    const on = { hot_standby_feedback: setting("on") };
    const ahead = orders({ active: false, confirmedFlushLsn: at("0/4000100") });
    const waits = decide([
      primary({ slots: [slot("n2", { catalogXmin: 690 }), orders()] }),
      standby("n2", { settings: on, slots: [ahead] }),
    ]);
    expect(outline(waits)[0]).toBe("slot-sync --standby n2 --slot orders");
  });

  test("is refused by name where it could not be certain", () => {
    const away = [primary({ slots: [slot("n2"), orders({ active: false })] }), standby("n2")];
    expect(outline(decide(away))).toEqual(["refused: consumer-away n1"]);
    expect(outline(decide(away, { consuming: new Set(["orders"]) }))).toEqual(anew);
    const accepted = { slotLoss: true, longPause: false };
    const without = ["checkpoint n1 n2", "demote n1 --to n2", "promote n2", "rejoin n1 --to n2"];
    expect(outline(decide(away, { accepted }))).toEqual(without);
    const preparedTransactions = [{ gid: "half", database: "shop", ageMs: 5 }];
    const survey = { ...calm, preparedTransactions };
    const nodes = [primary(), standby("n2")];
    expect(outline(decide(nodes, { survey }))).toEqual(["refused: prepared-transactions n1"]);
    expect(outline(decide(nodes, { survey, accepted }))).toEqual(without);
    const narrow = standby("n2", {
      slots: [slot("a"), slot("b")],
      settings: { max_replication_slots: setting("2") },
    });
    expect(outline(decide([primary(), narrow]))).toContain("refused: too-few-slots n2");
    const replica = standby("n2", { settings: { wal_level: setting("replica") } });
    expect(outline(decide([primary(), replica]))).toEqual(["refused: slot-would-be-lost n1"]);
    expect(outline(decide(nodes, { survey: null }))).toEqual(["refused: slot-would-be-lost n1"]);
    const lacking = standby("n2", { lackingRights: ["REPLICATION"] });
    expect(outline(decide([primary(), lacking]))).toContain("refused: missing-right n2");
  });

  test("keeps poolers waiting until the slots are there, and tells hooks then", () => {
    const nodes = [primary(), standby("n2")];
    const topology = buildTopology("test", nodes);
    const pooler = { name: "b", reachable: true, paused: false, against: null } as const;
    const held = withPoolers(decide(nodes), topology, [pooler]);
    const all = outline(withHooks(held, topology, new Set(["after_promote"])));
    expect(all.slice(1)).toEqual([
      "pause b",
      ...anew.slice(1, 7),
      "resume b --to n2 --from n1",
      "hook after_promote --for switchover --from n1 --to n2",
      "rejoin n1 --to n2",
    ]);
    const left = [primary({ marks: fenced }), leading()];
    const finish = withPoolers(decide(left), buildTopology("test", left), [
      { ...pooler, paused: true },
    ]);
    expect(outline(finish).slice(0, 3)).toEqual([
      "make-slots n2",
      "unfence n2",
      "resume b --to n2",
    ]);
  });
});

function leading(changes: Partial<ReachedChanges> = {}) {
  return reached({
    ...{ name: "n2", at: "2@0/6000000", role: "primary", version, marks: closed },
    history: history(2, "1 0/5000000"),
    ...changes,
  });
}

const down = unreached({
  ...{ name: "n1", hasControl: true, canBeDemoted: true },
  stopped: {
    standbySignal: true,
    demoted: { to: address("n2") },
    shutDownAt: { timeline: 1, lsn: lsn(0x4ffff00n) },
  },
});

describe("one that was cut short", () => {
  test("begins anew before the shutdown, whoever is to lead now", () => {
    const nodes = [primary({ marks: fenced }), standby("n2", { marks: closed }), standby("n3")];
    const again = outline(decide(nodes));
    expect(again.filter((line) => !line.startsWith("repoint"))).toEqual(anew);
    expect(outline(decide(nodes, { to: "n3" }))[0]).toBe("unfence n2");
    // Its consumer has nothing to go on with, and may hold the slot only now and then.
    const idle = primary({ marks: fenced, slots: [slot("n2"), orders({ active: false })] });
    expect(outline(decide([idle, standby("n2", { marks: closed })]))).toEqual(anew);
  });

  test("goes on closed between the shutdown and the promotion", () => {
    const nodes = [down, standby("n2", { marks: closed, receiver: null, startupWait: resting })];
    expect(outline(decide(nodes))).toEqual(anew.slice(4));
  });

  test("gets its slots and opens behind the promotion", () => {
    const finish = ["make-slots n2", "unfence n2"];
    expect(outline(decide([down, leading()]))).toEqual([...finish, "rejoin n1 --to n2"]);
    expect(outline(decide([primary({ marks: fenced }), leading()], { to: null }))).toEqual([
      ...finish,
      "unfence n2 --of n1",
    ]);
    expect(outline(decide([leading()]))).toEqual(finish);
  });

  test("lifts a fence that is left on the old primary as a standby", () => {
    const leader = leading({ marks: {}, senders: [sender("n1")] });
    const former = standby("n1", {
      ...{ at: "2@0/6000000", history: history(2, "1 0/5000000"), marks: fenced },
      ...{ configuredUpstream: address("n2"), receiver: receiver("n2") },
    });
    expect(outline(decide([leader, former], { to: null }))).toEqual(["rejoin n1 --to n2"]);
  });

  test("is no reason to open it beside one that takes writes", () => {
    expect(outline(decide([primary(), leading()]))).not.toContain("unfence n2");
    const open = planUnfence(buildTopology("test", [primary(), leading()]), {
      ...{ node: "n2", of: null },
    });
    expect(outline(open)).toEqual(["refused: another-leads n2"]);
  });

  test("is taken back up to the promotion, and not behind it", () => {
    const undo = (...nodes: readonly Observation[]) =>
      outline(planUndo(buildTopology("test", nodes)));
    const candidate = standby("n2", { marks: closed });
    expect(undo(primary({ marks: fenced }), candidate)).toEqual(["unfence n1", "unfence n2"]);
    expect(undo(primary(), candidate)).toEqual(["unfence n2"]);
    const told = primary({ marks: { fenced: true, demoted: true, repointing: address("n2") } });
    expect(undo(told, candidate)).toEqual(["reinstate n1", "unfence n1", "unfence n2"]);
    expect(
      undo(down, standby("n2", { marks: closed, receiver: null, startupWait: resting })),
    ).toEqual(["reinstate n1", "unfence n1", "unfence n2"]);
    expect(undo(down, leading())).toEqual(["refused: promotion-done n2"]);
    expect(undo(primary({ marks: fenced }), leading())).toEqual(["refused: promotion-done n2"]);
  });
});

describe("its parts", () => {
  const close = (...nodes: readonly Observation[]) =>
    outline(planClose(buildTopology("test", nodes), { node: "n2", of: "n1", slots: ["orders"] }));

  test("close wants a fenced primary that has the slots, and a standby", () => {
    const n1 = primary({ marks: fenced });
    expect(close(n1, standby("n2"))).toEqual(["close n2 --of n1 --slot orders"]);
    expect(close(primary(), standby("n2"))).toEqual(["refused: not-fenced n1"]);
    const bare = primary({ marks: fenced, slots: [slot("orders")] });
    expect(close(bare, standby("n2"))).toEqual(["refused: no-slot n1"]);
    expect(close(n1, leading())).toContain("refused: not-a-standby n2");
  });

  test("make-slots has nothing to do on a node that awaits none", () => {
    const make = (node: Observation) =>
      outline(planMakeSlots(buildTopology("test", [node]), { node: "n2" }));
    expect(make(leading())).toEqual(["make-slots n2"]);
    expect(make(leading({ marks: {} }))).toEqual(["already"]);
    expect(make(standby("n2", { marks: closed }))).toEqual(["refused: not-a-primary n2"]);
  });

  test("unfence opens a standby beside its primary, and tells which slots a primary goes without", () => {
    const open = (...nodes: readonly Observation[]) =>
      planUnfence(buildTopology("test", nodes), { node: "n2", of: null });
    expect(outline(open(primary(), standby("n2", { marks: closed })))).toEqual(["unfence n2"]);
    const told = (decision: Decision) =>
      decision.kind === "plan" ? decision.plan.findings.map(({ code }) => code) : [];
    expect(told(open(leading()))).toEqual(["slot-not-made"]);
    expect(told(open(leading({ slots: [orders()] })))).toEqual([]);
  });
});

describe("the mark", () => {
  const mark: FenceMark = { readOnly: "off", synchronous: "", overrides: [], subscriptions: [] };

  test("keeps the slots and what was confirmed of them", () => {
    expect(parseFenceMark(formatFenceMark({ ...mark, awaits }))).toEqual({ ...mark, awaits });
    expect(parseFenceMark(formatFenceMark(mark))).toEqual(mark);
  });

  test("leaves out what it cannot read of them, and is a mark all the same", () => {
    const odd = JSON.stringify({ ...mark, awaits: [{ slotName: "orders" }, 7, null] });
    expect(parseFenceMark(odd)).toEqual({ ...mark, awaits: [] });
  });
});
