// Deciding slot-sync: which copies need work, and which physical slots standbys hold for their siblings.

import { describe, expect, test } from "vitest";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { findPrunable, planKeeping, wantedSlots } from "../../../src/plan/sibling-slots.ts";
import {
  planSlotSync,
  type SlotSyncRequest,
  tellOfAway,
  tellOfKeeping,
  tellOfUnready,
} from "../../../src/plan/slot-sync.ts";
import { planUndo } from "../../../src/plan/undo.ts";
import { findKeptSlots } from "../../../src/topology/kept-slots.ts";
import type { Observation, ReachedNode, Slot } from "../../../src/topology/node.ts";
import { reachedNode } from "../../../src/topology/structure.ts";
import { buildTopology, type Topology } from "../../../src/topology/topology.ts";
import { at, reached, type ReachedChanges, setting, slot, unreached } from "../topology/build.ts";

const logical = (changes: Partial<Slot> = {}): Slot =>
  slot("cdc", {
    slotType: "logical",
    plugin: "test_decoding",
    database: "app",
    active: false,
    confirmedFlushLsn: at("0/5000000"),
    catalogXmin: 700,
    ...changes,
  });

const idle = (name: string, restartLsn = "0/5000000"): Slot =>
  slot(name, { active: false, restartLsn: at(restartLsn) });

const primary = (...slots: readonly Slot[]): ReachedNode =>
  reached({ name: "n1", to: ["n2", "n3"], slots: [slot("n2", { catalogXmin: 690 }), ...slots] });

function standby(name: string, changes: Partial<ReachedChanges> = {}): ReachedNode {
  const settings = {
    hot_standby_feedback: setting("on"),
    primary_slot_name: setting(name),
    primary_conninfo: setting("host=n1 port=5432 dbname=postgres"),
  };
  return reached({ name, from: "n1", settings, ...changes });
}

const consents = { allowRestart: false, configure: false, enableFailover: false };

function decide(
  nodes: readonly Observation[],
  request: Partial<SlotSyncRequest> = {},
): readonly string[] {
  return told(planSlotSync(buildTopology("orders", nodes), { ...consents, ...request }));
}

function told(decision: Decision): readonly string[] {
  switch (decision.kind) {
    case "plan":
      return decision.plan.stages.map(stageCommandLine);
    case "already":
      return ["already"];
    case "refused":
      return decision.findings.map(({ code }) => code);
  }
}

function nodeOf(topology: Topology, name: string): ReachedNode {
  const node = reachedNode(topology, name);
  if (node === null) throw new Error(`no ${name}`);
  return node;
}

describe("copies of logical slots", () => {
  const level = standby("n2", { slots: [logical()] });

  test("one that is ready and level needs nothing", () => {
    expect(decide([primary(logical()), level])).toEqual(["already"]);
  });

  test("one that lags, lacks or is not ready is worked on", () => {
    const lagging = standby("n2", { slots: [logical({ confirmedFlushLsn: at("0/4000000") })] });
    for (const node of [lagging, standby("n2")]) {
      expect(decide([primary(logical()), node])).toEqual([
        "remaster slot-sync --standby n2 --slot cdc",
      ]);
    }
    expect(decide([primary(logical()), standby("n2")], { allowRestart: true })).toEqual([
      "remaster slot-sync --standby n2 --slot cdc --allow-restart",
    ]);
  });

  test("what the slot itself or a setting stands against is told of, and not tried", () => {
    const lost = logical({ walStatus: "lost" });
    expect(decide([primary(lost), standby("n2")])).toEqual(["already"]);
    const topology = buildTopology("orders", [primary(lost), standby("n2")]);
    const [kept] = findKeptSlots(topology);
    expect(kept === undefined ? [] : tellOfUnready(kept, "problem")).toMatchObject([
      { code: "slot-would-be-lost", severity: "problem", node: "n1" },
    ]);
  });

  test("without the one primary, or a standby that was named, it is refused", () => {
    expect(decide([unreached({ name: "n1" }), standby("n2")])).toEqual(["no-primary"]);
    const gone = unreached({ name: "n2" });
    expect(decide([primary(logical()), gone], { standbys: ["n2"] })).toEqual(["node-unreachable"]);
  });
});

test("nodes out of reach are told where they were named, or nobody who may lead is there", () => {
  const away = unreached({ name: "n3" });
  const codes = (nodes: readonly Observation[], standbys: readonly string[] = []) =>
    tellOfAway(buildTopology("orders", nodes), { standbys }).map(({ node }) => node);
  expect(codes([primary(logical()), away])).toEqual(["n3"]);
  expect(codes([primary(logical()), standby("n2"), away], ["n3"])).toEqual(["n3"]);
  expect(codes([primary(logical()), standby("n2"), away])).toEqual([]);
  expect(codes([primary(), away])).toEqual([]);
});

describe("synchronized_standby_slots", () => {
  const flagged = logical({ failover: true });
  const copy = { ...flagged, synced: true };
  const named = (names: string) => ({ synchronized_standby_slots: setting(names) });
  const on17 = (node: ReachedNode, names = ""): ReachedNode => ({
    ...node,
    version: 170_000,
    settings: { ...node.settings, ...named(names) },
  });
  const lead = on17(
    { ...primary(flagged), slots: [...primary(flagged).slots, slot("n3", { catalogXmin: 690 })] },
    "n2,n3",
  );
  const keeping = (name: string, other: string, names: string): ReachedNode =>
    on17(standby(name, { slots: [copy, idle(other)], keptSlots: [other] }), names);
  const configure = { configure: true, physical: "keep" } as const;

  test("of each standby names the others, for when it leads", () => {
    expect(decide([lead, keeping("n2", "n3", ""), keeping("n3", "n2", "")], configure)).toEqual([
      "remaster slot-settings n2 --synchronized n3; remaster slot-settings n3 --synchronized n2",
    ]);
    const fit = [lead, keeping("n2", "n3", "n3"), keeping("n3", "n2", "n2")];
    expect(decide(fit, configure)).toEqual(["already"]);
  });

  test("names nobody whose slot is not there, nor one that is about to go", () => {
    const dead = [lead, keeping("n2", "n3", "gone,n3"), keeping("n3", "n2", "n2")];
    expect(decide(dead, configure)).toEqual(["remaster slot-settings n2 --synchronized n3"]);
    expect(decide(dead)).toEqual(["already"]);
    const said = tellOfKeeping(buildTopology("orders", dead), consents);
    expect(said.map(({ code, node }) => `${code} ${node ?? ""}`)).toEqual([
      "synchronized-slots-unfit n2",
    ]);
  });
});

describe("slots for siblings", () => {
  const [n1, n2, n3] = [primary(), standby("n2"), standby("n3")];
  const keep = { physical: "keep" } as const;
  const holding = (name: string, other: string, changes: Partial<ReachedChanges> = {}) =>
    standby(name, { slots: [idle(other)], keptSlots: [other], ...changes });

  test("each standby that may lead gets one for each sibling, by the name that it asks for", () => {
    expect(decide([n1, n2, n3], keep)).toEqual(["remaster keep-slots n2; remaster keep-slots n3"]);
    const unnamed = reached({ name: "n3", from: "n1", promotable: false });
    const topology = buildTopology("orders", [n1, n2, unnamed]);
    expect(wantedSlots(topology, nodeOf(topology, "n2"))).toMatchObject([
      { sibling: "n3", slot: "remaster_n3" },
    ]);
    expect(wantedSlots(topology, nodeOf(topology, "n3"))).toEqual([]);
  });

  test("what is there, recorded and level needs nothing; nor does undo touch it", () => {
    const nodes = [n1, holding("n2", "n3"), holding("n3", "n2")];
    expect(decide(nodes, keep)).toEqual(["already"]);
    const own = (name: string, other: string) =>
      reached({
        name,
        from: "n1",
        slots: [idle(`remaster_${other}`)],
        keptSlots: [`remaster_${other}`],
      });
    const ours = [n1, own("n2", "n3"), own("n3", "n2")];
    expect(told(planUndo(buildTopology("orders", ours)))).toEqual(["already"]);
    const forgotten = [n1, own("n2", "n3"), { ...own("n3", "n2"), keptSlots: [] }];
    expect(told(planUndo(buildTopology("orders", forgotten)))).toEqual([
      "remaster drop-slot n3 --slot remaster_n2",
    ]);
  });

  test("moved on by whole segments, never past what the sibling has", () => {
    const behind = holding("n2", "n3", { slots: [idle("n3", "0/3FFFFFF")] });
    const keeping = (node: ReachedNode, sibling: ReachedNode) => {
      const topology = buildTopology("orders", [n1, node, sibling]);
      return planKeeping(topology, nodeOf(topology, "n2")).advance;
    };
    expect(keeping(behind, n3)).toEqual([{ slot: "n3", to: at("0/5000060") }]);
    expect(keeping(behind, standby("n3", { at: "1@0/3FFFFFE" }))).toEqual([]);
    expect(keeping(holding("n2", "n3", { replayedTo: "1@0/5000060" }), n3)).toEqual([]);
    // What was flushed on another timeline says nothing here.
    expect(keeping(behind, standby("n3", { at: "2@0/5000060" }))).toEqual([]);
  });

  test("one below a standby stays there, and needs none elsewhere", () => {
    const below = reached({ name: "n4", from: "n3" });
    const topology = buildTopology("orders", [
      n1,
      n2,
      standby("n3", { to: ["n4"], slots: [slot("n4")] }),
      below,
    ]);
    const names = (name: string) =>
      wantedSlots(topology, nodeOf(topology, name)).map(({ sibling }) => sibling);
    expect([names("n2"), names("n3")]).toEqual([["n3"], ["n2"]]);
  });

  test("one that is not recorded and bears another name than ours is somebody else's", () => {
    const foreign = standby("n2", { slots: [idle("n3", "0/1000000")] });
    const topology = buildTopology("orders", [n1, foreign, n3]);
    expect(planKeeping(topology, nodeOf(topology, "n2"))).toMatchObject({
      make: [],
      advance: [],
      drop: [],
      record: null,
      findings: [{ code: "slot-not-kept", severity: "note", node: "n2" }],
    });
  });

  test("dropped once its node was seen to need it no more, and not while that is out of reach", () => {
    const leads = reached({
      name: "n2",
      at: "1@0/5000060",
      settings: { primary_slot_name: setting("n2") },
    });
    const led = buildTopology("orders", [
      unreached({ name: "n1" }),
      leads,
      standby("n3", { from: "n2", slots: [idle("n2")], keptSlots: ["n2"] }),
    ]);
    expect(planKeeping(led, nodeOf(led, "n3"))).toMatchObject({ drop: ["n2"], record: [] });
    const away = buildTopology("orders", [n1, unreached({ name: "n2" }), holding("n3", "n2")]);
    expect(planKeeping(away, nodeOf(away, "n3"))).toMatchObject({ drop: [], record: null });
  });

  test("a primary bears no record: its slots are in use", () => {
    const topology = buildTopology("orders", [{ ...n1, keptSlots: ["n2"] }, n2]);
    expect(planKeeping(topology, nodeOf(topology, "n1"))).toMatchObject({ drop: [], record: [] });
  });

  test("pruned are ours that nobody needs, and no other", () => {
    const slots = ["remaster_n9", "remaster_n3", "mine", "n9"].map((name) => idle(name));
    const using = slot("remaster_n8");
    const nodes = [n1, standby("n2", { slots: [...slots, using], keptSlots: ["n9"] }), n3];
    const topology = buildTopology("orders", nodes);
    // n3 goes by the name n3: nobody will ask for remaster_n3.
    expect(findPrunable(topology, nodeOf(topology, "n2"))).toEqual([
      "remaster_n9",
      "remaster_n3",
      "n9",
    ]);
    const away = buildTopology("orders", [...nodes.slice(0, 2), unreached({ name: "n3" })]);
    expect(findPrunable(away, nodeOf(away, "n2"))).toEqual(["remaster_n9"]);
  });
});
