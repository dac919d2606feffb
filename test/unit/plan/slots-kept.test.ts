// What a switchover, a failover and a status make of the primary's logical slots, from topologies held in memory.

import { describe, expect, test } from "vitest";
import { planFailover } from "../../../src/plan/failover.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import { tellOfCopiesLeft, tellOfSlotsAtRisk } from "../../../src/plan/slots-kept.ts";
import { planSwitchover } from "../../../src/plan/switchover.ts";
import { addLook } from "../../../src/topology/last-seen.ts";
import type { Observation, Slot } from "../../../src/topology/node.ts";
import { findConsuming } from "../../../src/topology/slots-after.ts";
import { uselessCopies } from "../../../src/topology/slot-leftovers.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  address,
  at,
  observedAt,
  reached,
  type ReachedChanges,
  receiver,
  sender,
  setting,
  slot,
  unreached,
} from "../topology/build.ts";

const majors = { 15: 150_018, 16: 160_014, 18: 180_004 } as const;
type Major = keyof typeof majors;

/** The consumer has confirmed up to 0/4000000. */
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

/** A copy that was brought level a while ago. */
const copy = (changes: Partial<Slot> = {}): Slot =>
  orders({ active: false, confirmedFlushLsn: at("0/3F00000"), catalogXmin: 700, ...changes });

function primary(slots: readonly Slot[], changes: Partial<ReachedChanges> = {}) {
  return reached({
    name: "n1",
    at: "1@0/5000000",
    role: "primary",
    hasControl: true,
    canBeDemoted: true,
    senders: [sender("n2"), sender("n3")],
    slots: [slot("n2", { catalogXmin: 690 }), slot("n3", { catalogXmin: 690 }), ...slots],
    ...changes,
  });
}

/** Told by remaster that a copy there is proven, where the server has no own way to tell. */
function standby(name: string, slots: readonly Slot[] = [], changes: Partial<ReachedChanges> = {}) {
  const { settings, ...rest } = changes;
  return reached({
    name,
    at: "1@0/5000000",
    role: "standby",
    configuredUpstream: address("n1"),
    receiver: receiver("n1"),
    slots,
    settings: {
      primary_slot_name: setting(name),
      primary_conninfo: setting(`host=n1 dbname=shop`),
      hot_standby_feedback: setting("on"),
      ...settings,
    },
    ...rest,
  });
}

function on(major: Major, nodes: readonly Observation[]): readonly Observation[] {
  const version = majors[major];
  return nodes.map((node) => (node.reachable ? { ...node, version } : node));
}

function switchOver(
  nodes: readonly Observation[],
  request: Partial<Parameters<typeof planSwitchover>[1]> = {},
): Decision {
  return planSwitchover(buildTopology("test", nodes), {
    to: "n2",
    fit: { strandedStandbys: false, blockedCommits: false },
    accepted: { slotLoss: false, longPause: false },
    spare: [],
    survey: null,
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

const codes = (decision: Decision): readonly string[] => {
  const findings = decision.kind === "plan" ? decision.plan.findings : [];
  return findings.map(({ code, node }) => `${code} ${node ?? ""}`);
};

const tail = ["demote n1 --to n2", "promote n2", "rejoin n1 --to n2"];
const level = "slot-sync --standby n2 --slot orders";

describe("a switchover", () => {
  test("brings copies that are ready level once more before the writes stop", () => {
    const flag = { failover: true };
    const decision = switchOver(
      on(18, [primary([orders(flag)]), standby("n2", [copy({ ...flag, synced: true })])]),
    );
    expect(outline(decision)).toEqual(["checkpoint n1 n2", level, ...tail]);
    expect(codes(decision)).toEqual(["slot-kept n2"]);
  });

  test.each([16, 18] as const)("makes copies that are not there first (%d)", (major) => {
    const decision = switchOver(on(major, [primary([orders()]), standby("n2")]));
    expect(outline(decision)).toEqual([level, "checkpoint n1 n2", level, ...tail]);
    const [first, , second] = decision.kind === "plan" ? decision.plan.stages : [];
    expect(first?.steps[0]).toMatchObject({ required: true, step: { ready: "all" } });
    expect(second?.steps[0]).toMatchObject({ required: false });
  });

  test("a copy of the server's own counts once the standby has anything held", () => {
    // Decoding took it there: it shows an older horizon than the server holds for it (17, 18).
    const flag = { failover: true, active: false };
    const first = (catalogXmin: number | null) =>
      outline(
        switchOver(
          on(18, [
            primary([], {
              slots: [slot("n2", { catalogXmin }), orders({ ...flag, catalogXmin: 740 })],
            }),
            standby("n2", [copy({ ...flag, synced: true, catalogXmin: 711 })]),
          ]),
        ),
      )[0];
    expect([first(726), first(null)]).toEqual(["checkpoint n1 n2", level]);
  });

  test("a copy that the server does not keep level is none of a failover slot", () => {
    const flag = { failover: true, active: false };
    const copied = (changes: Partial<Slot>) =>
      switchOver(on(18, [primary([orders(flag)]), standby("n2", [copy({ ...flag, ...changes })])]))
        .kind;
    expect(copied({ synced: true })).toBe("plan");
    expect(copied({ synced: false })).toBe("refused");
    expect(copied({ synced: true, temporary: true })).toBe("refused");
    expect(copied({ synced: true, invalidationReason: "wal_removed" })).toBe("refused");
    expect(copied({ synced: true, confirmedFlushLsn: at("0/4000008") })).toBe("refused");
  });

  test("is refused by name where the consumer is away, unless it was seen to go on", () => {
    const nodes = on(16, [primary([orders({ active: false })]), standby("n2")]);
    expect(outline(switchOver(nodes))).toEqual(["refused: consumer-away n1"]);
    const consuming = new Set(["orders"]);
    expect(outline(switchOver(nodes, { consuming }))[0]).toBe(level);
    const later = on(16, [
      primary([orders({ active: false, confirmedFlushLsn: at("0/4000100") })]),
      standby("n2"),
    ]);
    const [before, now] = [buildTopology("test", nodes), buildTopology("test", later)];
    expect([findConsuming(before, before), findConsuming(before, now)]).toEqual([[], ["orders"]]);
  });

  test("is refused by name before 16, and where copies could not be held", () => {
    const bare = on(15, [primary([orders()]), standby("n2")]);
    expect(outline(switchOver(bare))).toEqual(["refused: slot-would-be-lost n1"]);
    const off = standby("n2", [], { settings: { hot_standby_feedback: setting("off") } });
    const refused = switchOver(on(18, [primary([orders()]), off]));
    expect(outline(refused)).toEqual(["refused: slot-would-be-lost n1"]);
    const [finding] = refused.kind === "refused" ? refused.findings : [];
    expect(finding?.message).toContain("hot_standby_feedback is off on n2");
    expect(finding?.hint).toContain("--configure");
  });

  test("gives slots up by the operator's word, and keeps those that it can", () => {
    const request = { accepted: { slotLoss: true, longPause: false } };
    const other = slot("other", { ...orders(), active: false });
    const nodes = on(18, [primary([orders(), other]), standby("n2")]);
    const decision = switchOver(nodes, request);
    expect(outline(decision)).toEqual([level, "checkpoint n1 n2", level, ...tail]);
    const [first] = decision.kind === "plan" ? decision.plan.stages : [];
    expect(first?.steps[0]).toMatchObject({ required: false, step: { ready: "each" } });
    expect(codes(decision)).toEqual(["slot-would-be-lost n1", "slot-kept n2"]);
  });

  test("a slot that is lost on the primary itself is nobody's reason to refuse", () => {
    const lost = orders({ active: false, invalidationReason: "wal_removed", walStatus: "lost" });
    expect(outline(switchOver(on(18, [primary([lost]), standby("n2")])))).toEqual([
      "checkpoint n1 n2",
      ...tail,
    ]);
  });

  test("warns of consumers that a fence leaves connected", () => {
    const fenced = primary([orders()], { hasControl: false, canBeDemoted: false });
    const survey = {
      node: "n1",
      sessions: [],
      overrides: [],
      subscriptions: [],
      preparedTransactions: [],
      isSuperuser: true,
    };
    const decision = switchOver(on(18, [fenced, standby("n2")]), { survey });
    expect(codes(decision)).toEqual(["consumers-on-fenced n1", "fenced n1", "slot-kept n2"]);
  });

  test("that was taken back tells of the copies that it made", () => {
    const step = { verb: "slot-sync", node: "n2", slots: ["orders"], ready: "all" } as const;
    const made = { step, required: true, state: "done", ms: 1, detail: null } as const;
    const left = (outcome: "undone" | "done") =>
      tellOfCopiesLeft({ outcome, steps: [made] }).map(({ code }) => code);
    expect([left("undone"), left("done")]).toEqual([["slot-left"], []]);
  });

  test("tells where synchronized_standby_slots of the next primary does not fit", () => {
    const named = (value: string) => ({ synchronized_standby_slots: setting(value) });
    const codesWith = (before: string, after: string) =>
      codes(
        switchOver(
          on(18, [
            primary([], { settings: named(before) }),
            standby("n2", [], { settings: named(after) }),
            standby("n3"),
          ]),
        ),
      );
    expect(codesWith("n2, n3", "remaster_n1, n3")).toEqual([]);
    expect(codesWith("n2, n3", "n2, n3")).toEqual(["synchronized-slots-unfit n2"]);
    expect(codesWith("n2, n3", "")).toEqual(["synchronized-slots-unfit n2"]);
    expect(codesWith("", "")).toEqual([]);
  });
});

const dead = unreached({ name: "n1", answer: "refused", speaksPostgres: false });

/** n1 was seen 3 s ago with these slots, and is gone. */
function failOver(
  major: Major,
  slots: readonly Slot[],
  standbys: readonly ReturnType<typeof standby>[],
): Decision {
  const before = { ...primary(slots), version: majors[major], observedAt: observedAt - 3_000 };
  const lastSeen = addLook(null, buildTopology("test", [before]));
  const gone = standbys.map((node) => ({ ...node, receiver: null }));
  return planFailover(buildTopology("test", on(major, [dead, ...gone])), {
    to: null,
    primaryIsDead: true,
    patienceMs: 2000,
    acceptDataLoss: true,
    acceptMinority: false,
    lastSeen,
  });
}

const messagesOf = (decision: Decision, code: string): readonly string[] =>
  decision.kind === "plan"
    ? decision.plan.findings
        .filter((finding) => finding.code === code)
        .map(({ message }) => message)
    : [JSON.stringify(decision)];

const promoted = (decision: Decision): string | undefined =>
  outline(decision).find((line) => line.startsWith("promote"));

describe("a failover", () => {
  test("tells each slot that is lost, from where to where", () => {
    const decision = failOver(18, [orders()], [standby("n2")]);
    expect(messagesOf(decision, "slot-would-be-lost")).toEqual([
      "logical slot orders (test_decoding in shop) is lost with n1: n2 has no copy of it; its consumer misses what was written from 0/4000000, as last seen 3 s ago, to 0/5000000",
    ]);
  });

  test("a copy of the server's own is ready, however far it is", () => {
    const flag = { failover: true };
    const ahead = copy({ ...flag, synced: true, confirmedFlushLsn: at("0/4500000") });
    const decision = failOver(18, [orders(flag)], [standby("n2", [ahead])]);
    expect(messagesOf(decision, "slot-would-be-lost")).toEqual([]);
    expect(messagesOf(decision, "slot-kept")).toHaveLength(1);
    const unseen = failOver(18, [], [standby("n2", [ahead]), standby("n3")]);
    expect([promoted(unseen), messagesOf(unseen, "slot-kept")]).toEqual([
      "promote n2",
      [expect.stringContaining("(orders)")],
    ]);
  });

  test("a copy that begins ahead of where the consumer was last seen is told, with that gap", () => {
    const ahead = copy({ confirmedFlushLsn: at("0/4500000") });
    const [message] = messagesOf(
      failOver(16, [orders()], [standby("n2", [ahead])]),
      "slot-would-be-lost",
    );
    expect(message).toContain("from 0/4000000, as last seen 3 s ago, to 0/4500000");
  });

  test("a consumer that had more than anybody has is told", () => {
    const ran = orders({ confirmedFlushLsn: at("0/6000000"), failover: true });
    const held = copy({ failover: true, synced: true });
    const decision = failOver(18, [ran], [standby("n2", [held])]);
    expect(messagesOf(decision, "consumer-ahead")).toHaveLength(1);
  });

  test("prefers who keeps more slots between equals alone", () => {
    const flag = { failover: true };
    const synced = copy({ ...flag, synced: true });
    const leads = (changes: Partial<ReachedChanges>, mine: Partial<ReachedChanges> = {}) =>
      promoted(
        failOver(18, [orders(flag)], [standby("n2", [], mine), standby("n3", [synced], changes)]),
      );
    expect(leads({})).toBe("promote n3");
    expect(leads({}, { priority: 1 })).toBe("promote n2");
    expect(leads({ at: "1@0/4FFFF00" })).toBe("promote n2");
    expect(leads({ promotable: false })).toBe("promote n2");
  });
});

describe("status", () => {
  const risks = (nodes: readonly Observation[]) =>
    tellOfSlotsAtRisk(buildTopology("test", on(18, nodes))).map(({ message }) => message);

  test("says nothing where nobody keeps slots", () => {
    expect(risks([primary([orders()]), standby("n2")])).toEqual([]);
    const off = { settings: { hot_standby_feedback: setting("off") } };
    expect(risks([primary([orders()]), standby("n2", [copy()], off)])).toEqual([]);
  });

  test("names slots that no standby keeps ready where somebody does", () => {
    const flagged = orders({ failover: true });
    expect(risks([primary([flagged]), standby("n2")])).toEqual([
      "logical slot orders (test_decoding in shop) is ready on no standby that may lead: n2 has no copy of it",
    ]);
    const synced = copy({ failover: true, synced: true });
    const late = slot("late", { ...orders(), slotName: "late" });
    const nodes = [primary([flagged, late]), standby("n2", [synced]), standby("n3")];
    expect(risks(nodes)).toEqual([expect.stringContaining("logical slot late")]);
  });
});

describe("what a former primary keeps", () => {
  const left = (major: Major, changes: Partial<Slot>, living: Partial<Slot> = {}) => {
    const [former, leader] = on(major, [
      standby("n1", [copy(changes)]),
      primary([orders(living)], { name: "n2" }),
    ]);
    if (former?.reachable !== true || leader?.reachable !== true) throw new Error("not reached");
    return uselessCopies(former, leader);
  };

  test("goes where it cannot be a copy", () => {
    expect(left(16, {})).toEqual([]);
    expect(left(18, { failover: false, synced: false })).toEqual([]);
    expect(left(18, { failover: true, synced: false })).toEqual(["orders"]);
    expect(left(18, { failover: true, synced: true })).toEqual([]);
    expect(left(15, {})).toEqual(["orders"]);
    expect(left(15, { active: true })).toEqual([]);
    expect(left(15, {}, { plugin: "pgoutput" })).toEqual([]);
    expect(left(15, {}, { walStatus: "lost" })).toEqual([]);
  });
});
