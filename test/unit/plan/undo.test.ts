// What undo takes back, and where it refuses: by the marks and what the nodes show, and nothing else.

import { describe, expect, test } from "vitest";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import { planDropSlot } from "../../../src/plan/drop-slot.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { planUndo } from "../../../src/plan/undo.ts";
import type { Observation, ReachedNode } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  address,
  healthy,
  type ReachedChanges,
  reached,
  setting,
  slot,
  unreached,
} from "../topology/build.ts";

const dead = unreached({ name: "n1" });
const resting = "Timeout/RecoveryRetrieveRetryInterval";

/** A standby of the dead n1, at rest, and known not to have been asked to lead. */
function orphan(name: string, changes: Partial<ReachedChanges> = {}): ReachedNode {
  return reached({
    name,
    at: "1@0/5000000",
    role: "standby",
    configuredUpstream: address("n1"),
    startupWait: resting,
    promoteSignal: false,
    ...changes,
  });
}

const quiesced = { marks: { quiesced: true } };
const told = (to: string) => ({ marks: { repointing: address(to) } });
const idle = (name: string) => slot(name, { active: false });

function outline(decision: Decision): readonly string[] {
  if (decision.kind === "already") return ["already"];
  return decision.kind === "refused"
    ? decision.findings.map(({ code, node }) => `${decision.outcome}: ${code} ${node ?? ""}`)
    : decision.plan.stages.map((stage) => stageCommandLine(stage).replaceAll("remaster ", ""));
}

const undo = (...nodes: readonly Observation[]) => outline(planUndo(buildTopology("test", nodes)));

describe("what is taken back", () => {
  test("nothing where no node bears a mark", () => {
    expect(undo(...healthy())).toEqual(["already"]);
    expect(undo(dead, orphan("n2"), orphan("n3"))).toEqual(["already"]);
  });

  test("every mark, whatever it is", () => {
    const exchanging = { marks: { repointing: address("n3"), exchanging: true } };
    const restore = { marks: { restoreQuiesced: true } };
    const nodes = [orphan("n2", exchanging), orphan("n3", quiesced), orphan("n4", restore)];
    expect(undo(dead, ...nodes)).toEqual(["unquiesce n2 n3 n4"]);
  });

  test("the word that a node is about to lead, where it shows that it was not asked to", () => {
    expect(undo(dead, orphan("n2", quiesced), orphan("n3", told("n2")))).toEqual([
      "unquiesce n2 n3",
    ]);
  });

  test("a repoint below a primary that led all along", () => {
    const moved = reached({ name: "n4", from: "n3", ...told("n1") });
    const [n1, n2, n3] = healthy() as [Observation, Observation, Observation];
    expect(undo(n1, n2, n3, moved)).toEqual(["unquiesce n4"]);
    const cascading = reached({ name: "n4", from: "n1", ...told("n3") });
    const takes = reached({ name: "n3", from: "n1", promoteSignal: false });
    expect(undo(n1, n2, takes, cascading)).toEqual(["unquiesce n4"]);
  });

  test("a repoint below a primary that was lost meanwhile", () => {
    expect(undo(dead, orphan("n2"), orphan("n3", told("n1")))).toEqual(["unquiesce n3"]);
  });

  test("nodes that let nobody in are named", () => {
    const decision = planUndo(buildTopology("test", [dead, orphan("n2", quiesced)]));
    const findings = decision.kind === "plan" ? decision.plan.findings : [];
    expect(findings).toMatchObject([{ code: "node-unreachable", severity: "warning", node: "n1" }]);
    expect(undo(dead, unreached({ name: "n2" }))).toEqual([
      "unreachable: node-unreachable n1",
      "unreachable: node-unreachable n2",
    ]);
  });
});

describe("slots", () => {
  const at = (host: string, node: string | null = null) => ({ address: address(host), node });
  const named = (name: string) => ({ settings: { primary_slot_name: setting(name) } });

  test("that were made for a word that was not yet said are dropped", () => {
    const n2 = orphan("n2", { slots: [idle("remaster_n3"), idle("remaster_n9"), idle("mine")] });
    expect(undo(dead, n2, orphan("n3"))).toEqual(["drop-slot n2 --slot remaster_n3"]);
  });

  test("of a name of somebody's own go only where the mark says that they were made", () => {
    const n2 = orphan("n2", { slots: [idle("n3")] });
    const made = { repointing: address("n2"), slotsAt: [at("n2")] };
    expect(undo(dead, n2, orphan("n3", { ...named("n3"), marks: made }))).toEqual([
      "unquiesce n3",
      "drop-slot n2 --slot n3",
    ]);
    const found = { repointing: address("n2"), slotsAt: [] };
    expect(undo(dead, n2, orphan("n3", { ...named("n3"), marks: found }))).toEqual([
      "unquiesce n3",
    ]);
  });

  test("of which a mark tells that is in force no more are dropped as well", () => {
    const n3 = orphan("n3", { slots: [idle("n2"), idle("mine")] });
    const n4 = orphan("n4", { slots: [idle("n2")] });
    const left = (...names: readonly string[]) =>
      orphan("n2", {
        ...named("n2"),
        marks: { quiesced: true, slotsAt: names.map((each) => at(each)) },
      });
    expect(undo(dead, left("n3"), n3, n4)).toEqual(["unquiesce n2", "drop-slot n3 --slot n2"]);
    expect(undo(dead, left("n3", "n4"), n3, n4)).toEqual([
      "unquiesce n2",
      "drop-slot n3 --slot n2; drop-slot n4 --slot n2",
    ]);
    expect(undo(dead, left("vip"), n3, n4)).toEqual(["unquiesce n2"]);
    expect(undo(dead, left("n3"), unreached({ name: "n3" }), n4)).toEqual(["unquiesce n2"]);
    // Whoever made it knows the node by another address.
    const far = { exchanging: true, repointing: address("far"), slotsAt: [at("far", "n3")] };
    expect(undo(dead, orphan("n2", { ...named("n2"), marks: far }), n3, n4)).toEqual([
      "unquiesce n2",
      "drop-slot n3 --slot n2",
    ]);
    // A slot by our own rule is told of twice.
    const ruled = orphan("n3", { slots: [idle("remaster_n2")] });
    const told = orphan("n2", { marks: { quiesced: true, slotsAt: [at("n3")] } });
    expect(undo(dead, told, ruled)).toEqual(["unquiesce n2", "drop-slot n3 --slot remaster_n2"]);
  });

  test("of a standby's own upstream are left, also where it is not known which one that is", () => {
    const n1 = reached({ name: "n1", slots: [idle("remaster_n2"), idle("remaster_n3")] });
    const elsewhere = orphan("n3", { configuredUpstream: address("vip") });
    expect(undo(n1, orphan("n2"), elsewhere)).toEqual(["already"]);
    const told = orphan("n2", { marks: { quiesced: true, slotsAt: [at("n1")] } });
    expect(undo(n1, told)).toEqual(["unquiesce n2"]);
  });

  test("drop-slot leaves alone what somebody uses", () => {
    const n2 = orphan("n2", {
      slots: [idle("old"), slot("busy"), idle("n3"), slot("logical", { slotType: "logical" })],
    });
    const n3 = orphan("n3", { ...named("n3"), configuredUpstream: address("n2") });
    const topology = buildTopology("test", [dead, n2, n3]);
    const drop = (node: string, name: string) =>
      outline(planDropSlot(topology, { node, slot: name }));
    expect(drop("n2", "old")).toEqual(["drop-slot n2 --slot old"]);
    expect(drop("n2", "none")).toEqual(["already"]);
    for (const name of ["busy", "n3", "logical"]) {
      expect(drop("n2", name)).toEqual(["refused: slot-in-use n2"]);
    }
    expect(drop("n1", "old")).toEqual(["unreachable: node-unreachable n1"]);
  });
});

describe("the way is forward", () => {
  const pending = ["refused: promotion-may-be-pending n2"];

  test.each([
    ["was asked", orphan("n2", { ...quiesced, promoteSignal: true })],
    ["cannot be known not to have been asked", orphan("n2", { ...quiesced, promoteSignal: null })],
    ["has taken the request up", orphan("n2", { ...quiesced, startupWait: "IPC/RestoreCommand" })],
    ["works, on what cannot be seen", orphan("n2", { ...quiesced, startupWait: null })],
    ["cannot be reached", unreached({ name: "n2" })],
  ])("where the node that others were told of %s", (_, n2) => {
    expect(undo(dead, n2, orphan("n3", told("n2")))).toEqual(pending);
  });

  test("where a node without siblings was asked, or may hang in what it was asked", () => {
    expect(undo(dead, orphan("n2", { ...quiesced, promoteSignal: true }))).toEqual(pending);
    const hanging = { ...quiesced, startupWait: "IPC/RestoreCommand" };
    expect(undo(dead, orphan("n2", hanging))).toEqual(pending);
    const still = { marks: { quiesced: true, restoreQuiesced: true } };
    expect(undo(dead, orphan("n2", { ...still, startupWait: "IPC/RestoreCommand" }))).toEqual([
      "unquiesce n2",
    ]);
  });

  test("once the node leads", () => {
    const done = ["refused: promotion-done n2"];
    const leader = reached({ name: "n2", at: "2@0/5000100" });
    expect(undo(dead, leader, orphan("n3", told("n2")))).toEqual(done);
    expect(undo(dead, reached({ ...leader, marks: { quiesced: true } }))).toEqual(done);
    // The old primary came back: a standby of its own is not led back to it.
    const old = reached({ name: "n1" });
    expect(undo(old, leader, orphan("n3", told("n2")))).toEqual(done);
  });

  test("where a mark leads to no node of the topology file", () => {
    expect(undo(dead, orphan("n2"), orphan("n3", told("elsewhere")))).toEqual([
      "refused: promotion-may-be-pending n3",
    ]);
  });
});
