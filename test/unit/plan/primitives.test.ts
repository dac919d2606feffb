// What the primitive verbs decide, from topologies held in memory.

import { describe, expect, test } from "vitest";
import { planHeal, planStop } from "../../../src/plan/control.ts";
import { planExchange } from "../../../src/plan/exchange.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { planPromote } from "../../../src/plan/promote.ts";
import { planQuiesce, planUnquiesce } from "../../../src/plan/quiesce.ts";
import { planRepoint } from "../../../src/plan/repoint.ts";
import type { Observation, ReachedNode } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  address,
  history,
  position,
  reached,
  receiver,
  setting,
  slot,
  unreached,
} from "../topology/build.ts";

const topology = (...nodes: readonly Observation[]) => buildTopology("test", nodes);
const dead = unreached({ name: "n1", answer: "refused", speaksPostgres: false });

function orphan(name: string, changes: Partial<Parameters<typeof reached>[0]> = {}) {
  return reached({ name, role: "standby", configuredUpstream: address("n1"), ...changes });
}

/** `n2 n3` of the plan's steps, `already`, or the codes of the refusal. */
function outline(decision: Decision): string {
  switch (decision.kind) {
    case "already":
      return "already";
    case "refused":
      return decision.findings.map(({ code, node }) => `${code} ${node ?? ""}`.trim()).join(", ");
    case "plan":
      return decision.plan.stages
        .flatMap((stage) =>
          stage.steps.map(({ step }) =>
            step.verb === "drop-slot"
              ? `${step.verb} ${step.node} ${step.slot}`
              : `${step.verb} ${step.node}`,
          ),
        )
        .join(", ");
  }
}

describe("quiesce", () => {
  const decide = (nodes: readonly Observation[], named: readonly string[] = []) =>
    outline(planQuiesce(topology(...nodes), { nodes: named, cancelQueries: false }));

  test("takes every reachable standby when none is named", () => {
    expect(decide([dead, orphan("n2"), orphan("n3")])).toBe("quiesce n2, quiesce n3");
    expect(decide([dead])).toBe("node-unreachable");
  });

  test("refuses a named node that cannot be reached, or is a primary", () => {
    expect(decide([dead, orphan("n2")], ["n1", "n2"])).toBe("node-unreachable n1");
    expect(decide([reached({ name: "n1" }), orphan("n2")], ["n1"])).toBe("not-a-standby n1");
  });

  test("refuses a node in point-in-time recovery, and one not proven to be in standby mode", () => {
    const pitr = orphan("n2", { standbySignal: false, recoverySignal: true });
    expect(decide([dead, pitr], ["n2"])).toBe("not-in-standby-mode n2");
    const unknown = { standbySignal: null, recoverySignal: null };
    const restoring = { settings: { restore_command: setting("cp /archive/%f %p") } };
    expect(decide([dead, orphan("n2", { ...unknown, ...restoring })])).toBe(
      "not-in-standby-mode n2",
    );
    expect(decide([dead, orphan("n2", unknown)])).toBe("quiesce n2");
    const streaming = { ...unknown, ...restoring, receiver: receiver("n1") };
    expect(decide([dead, orphan("n2", streaming)])).toBe("quiesce n2");
  });

  test("refuses a restore_command on 13", () => {
    const settings = { restore_command: setting("cp /archive/%f %p") };
    const old = { version: 130_023, versionText: "13.23", settings };
    expect(decide([dead, orphan("n2", old)])).toBe("restore-command-13 n2");
  });

  test.each([
    ["paused", "replay-held-up n2"],
    ["delayed", "replay-held-up n2"],
    ["blocked", "replay-held-up n2"],
  ] as const)("refuses a node whose replay is %s", (replay, expected) => {
    expect(decide([dead, orphan("n2", { replay })])).toBe(expected);
  });

  test("--cancel-queries ends what blocks replay, not what delays it", () => {
    const request = { nodes: [], cancelQueries: true };
    const blocked = planQuiesce(topology(dead, orphan("n2", { replay: "blocked" })), request);
    expect(outline(blocked)).toBe("quiesce n2");
    const delayed = planQuiesce(topology(dead, orphan("n2", { replay: "delayed" })), request);
    expect(outline(delayed)).toBe("replay-held-up n2");
  });

  test("refuses settings that ALTER SYSTEM cannot reach", () => {
    const fixed = { restore_command: setting("cp /archive/%f %p", "command line") };
    expect(decide([dead, orphan("n2", { settings: fixed })])).toBe("setting-out-of-reach n2");
    const forbidden = { allow_alter_system: setting("off") };
    expect(decide([dead, orphan("n2", { settings: forbidden })])).toBe("setting-out-of-reach n2");
  });

  test("a node that was quiesced before is quiesced again by an undo", () => {
    const before = orphan("n2", { marks: { quiesced: true } });
    const decision = planQuiesce(topology(dead, before), { nodes: [], cancelQueries: false });
    const undo = decision.kind === "plan" ? decision.plan.stages[0]?.steps[0]?.undo?.verb : null;
    expect(undo).toBe("quiesce");
  });
});

describe("unquiesce", () => {
  test("takes those that bear a mark, or has nothing to do", () => {
    const marked = orphan("n2", { marks: { quiesced: true } });
    const told = orphan("n3", { marks: { repointing: address("n2") } });
    const decide = (...nodes: readonly Observation[]) =>
      outline(planUnquiesce(topology(...nodes), { nodes: [] }));
    expect(decide(dead, marked, told, orphan("n4"))).toBe("unquiesce n2, unquiesce n3");
    expect(decide(dead, orphan("n4"))).toBe("already");
    const n3 = orphan("n3", { slots: [slot("remaster_n2")] });
    expect(decide(dead, withSlotOn("n3"), n3)).toBe("unquiesce n2, drop-slot n3 remaster_n2");
    expect(decide(dead, withSlotOn("n3"), unreached({ name: "n3" }))).toBe("unquiesce n2");
  });
});

/** n2, for which a slot was made on that node by a run that was cut short. */
function withSlotOn(name: string): ReachedNode {
  const slotsAt = [{ address: address(name), node: name }];
  return orphan("n2", { marks: { quiesced: true, slotsAt } });
}

describe("exchange", () => {
  const decide = (nodes: readonly Observation[], from: string | null = null) =>
    outline(planExchange(topology(...nodes), { to: "n2", from }));

  test("brings a laggard what another one has", () => {
    expect(decide([dead, orphan("n2", { at: "1@0/4000000" }), orphan("n3")])).toBe("exchange n2");
    expect(decide([dead, orphan("n2"), orphan("n3")])).toBe("already");
    expect(decide([dead, orphan("n2"), orphan("n3", { at: "1@0/4000000" })], "n3")).toBe("already");
  });

  test("tidies up where there is nothing to bring, and a slot was made before", () => {
    const n3 = orphan("n3", { slots: [slot("remaster_n2")] });
    expect(decide([dead, withSlotOn("n3"), n3])).toBe("exchange n2");
    expect(decide([dead, withSlotOn("n3"), n3], "n3")).toBe("exchange n2");
    expect(decide([dead, withSlotOn("n3"), orphan("n3")])).toBe("already");
    const bare = { ...n3, lackingRights: ["REPLICATION"] };
    expect(decide([dead, withSlotOn("n3"), bare])).toBe("missing-right n3");
  });

  test("refuses when the source no longer has the WAL that is missing", () => {
    const walFiles = { oldest: "000000010000000000000005", newest: "000000010000000000000006" };
    const laggard = orphan("n2", { at: "1@0/4000000" });
    expect(decide([dead, laggard, orphan("n3", { walFiles })])).toBe("wal-gone n3");
    expect(decide([dead, orphan("n2", { at: "1@0/5000000" }), orphan("n3", { walFiles })])).toBe(
      "exchange n2",
    );
  });

  test("refuses a node that went another way", () => {
    const forked = orphan("n2", { at: "2@0/5000000", history: history(2, "1 0/3000000") });
    const ahead = orphan("n3", { at: "3@0/6000000", history: history(3, "1 0/4000000") });
    expect(decide([dead, forked, ahead], "n3")).toBe("diverged n2");
  });

  test("refuses itself as its source, and nodes that cannot be reached", () => {
    expect(decide([dead, orphan("n2"), orphan("n3")], "n1")).toBe("node-unreachable n1");
  });
});

describe("promote", () => {
  const decide = (nodes: readonly Observation[], require: string | null = null) =>
    outline(
      planPromote(topology(...nodes), {
        node: "n2",
        require: require === null ? null : position(require),
        patienceMs: 2000,
        acceptDataLoss: false,
      }),
    );

  test("asks one standby when no primary answers", () => {
    expect(decide([dead, orphan("n2"), orphan("n3")])).toBe("promote n2");
  });

  test("is done on a node that leads already, and refuses beside another primary", () => {
    expect(decide([dead, reached({ name: "n2", at: "2@0/5000100" })])).toBe("already");
    expect(decide([reached({ name: "n1" }), orphan("n2")])).toBe("primary-answers n1");
    const both = [reached({ name: "n1" }), reached({ name: "n2", at: "2@0/5000100" })];
    expect(decide(both)).toBe("primary-answers n1");
  });

  test("refuses while any standby still receives from a primary", () => {
    expect(decide([dead, orphan("n2"), orphan("n3", { receiver: receiver("n1") })])).toBe(
      "still-receiving n3",
    );
    const cascading = orphan("n3", {
      receiver: receiver("n2"),
      configuredUpstream: address("n2"),
    });
    expect(decide([dead, orphan("n2"), cascading])).toBe("promote n2");
  });

  test("goes beside a primary that is fenced at or below the required position", () => {
    const fenced = reached({ name: "n1", at: "1@0/5000060", marks: { fenced: true } });
    const nodes = [fenced, orphan("n2", { at: "1@0/5000060" })];
    expect(decide(nodes, "1@0/5000060")).toBe("promote n2");
    expect(decide(nodes)).toBe("primary-answers n1");
    expect(decide(nodes, "1@0/5000000")).toBe("primary-answers n1");
  });

  test("refuses a node that lacks the required position, or what another node has", () => {
    expect(decide([dead, orphan("n2")], "1@0/6000000")).toBe("position-not-held n2");
    const ahead = orphan("n3", { at: "1@0/6000000" });
    expect(decide([dead, orphan("n2"), ahead])).toBe("others-are-ahead n2");
    const accepted = planPromote(topology(dead, orphan("n2"), ahead), {
      node: "n2",
      require: null,
      patienceMs: 2000,
      acceptDataLoss: true,
    });
    expect(outline(accepted)).toBe("promote n2");
  });

  test("refuses while another still replays what it had at its start", () => {
    const busy = orphan("n3", { receiveLsn: null });
    expect(decide([dead, orphan("n2"), busy])).toBe("loss-not-excluded n3");
    const atRest = { receiveLsn: null, startupWait: "Timeout/RecoveryRetrieveRetryInterval" };
    expect(decide([dead, orphan("n2"), orphan("n3", atRest)])).toBe("promote n2");
  });

  test("refuses while a receiver may receive, for all that this role may see", () => {
    const hidden = { status: "unknown", senderHost: null, lastMessageAgeMs: null };
    const receiving = orphan("n3", { receiver: receiver("n1", hidden) });
    expect(decide([dead, orphan("n2"), receiving])).toBe("still-receiving n3");
  });

  test("refuses a node that may not lead, or whose replay is held up", () => {
    expect(decide([dead, orphan("n2", { promotable: false })])).toBe("not-promotable n2");
    expect(decide([dead, orphan("n2", { replay: "paused" })])).toContain("replay-held-up n2");
  });
});

describe("repoint", () => {
  const decide = (nodes: readonly Observation[], named: readonly string[], to: string) =>
    outline(
      planRepoint(topology(...nodes), {
        nodes: named,
        all: named.length === 0,
        to,
        until: "follow",
      }),
    );
  const primary = reached({ name: "n1", to: ["n2", "n3"] });
  const n2 = reached({ name: "n2", from: "n1", to: ["n4"] });
  const n3 = reached({ name: "n3", from: "n1" });
  const n4 = reached({ name: "n4", from: "n2" });

  test("moves the named ones, or all that are not above the upstream", () => {
    expect(decide([primary, n2, n3, n4], ["n4"], "n3")).toBe("repoint n4");
    expect(decide([primary, n2, n3, n4], [], "n3")).toBe("repoint n2, repoint n4");
    expect(decide([primary, n2, n3, n4], [], "n4")).toBe("repoint n3");
  });

  test("drops in the end the slot of ours that a standby leaves behind, and no other", () => {
    const ours = { settings: { primary_slot_name: setting("remaster_n4") } };
    const own = { settings: { primary_slot_name: setting("n4") } };
    const moving = (changes: Partial<Parameters<typeof reached>[0]>) =>
      reached({ name: "n4", from: "n2", configuredUpstream: address("n2"), ...changes });
    const holding = (...names: readonly string[]) =>
      reached({ name: "n2", from: "n1", to: ["n4"], slots: names.map((name) => slot(name)) });
    const others = holding("remaster_n3", "remaster_n4", "n4");
    expect(decide([primary, others, n3, moving(ours)], ["n4"], "n3")).toBe(
      "repoint n4, drop-slot n2 remaster_n4",
    );
    expect(decide([primary, others, n3, moving(ours)], ["n4"], "n2")).toBe("repoint n4");
    expect(decide([primary, others, n3, moving(own)], ["n4"], "n3")).toBe("repoint n4");
    expect(decide([primary, holding("n4"), n3, moving(ours)], ["n4"], "n3")).toBe("repoint n4");
    const told = planRepoint(topology(primary, others, n3, moving(ours)), {
      nodes: ["n4"],
      all: false,
      to: "n3",
      until: "set",
    });
    expect(outline(told)).toBe("repoint n4");
  });

  test("tells of the slot that is left where it cannot be dropped", () => {
    const gone = unreached({ name: "n2" });
    const settings = { primary_slot_name: setting("remaster_n4") };
    const findingsOf = (node: Observation, marks: Partial<ReachedNode["marks"]> = {}) => {
      const left = { name: "n4", role: "standby", configuredUpstream: address("n2") } as const;
      const moved = reached({ ...left, settings, marks });
      const request = { nodes: ["n4"], all: false, to: "n3", until: "follow" } as const;
      const decision = planRepoint(topology(primary, node, n3, moved), request);
      if (decision.kind !== "plan") return [decision.kind];
      return decision.plan.findings.map(({ code, severity, message }) => [code, severity, message]);
    };
    const message = "slot remaster_n4 is left on n2: connection refused";
    expect(findingsOf(gone)).toEqual([["slot-left", "note", message]]);
    expect(findingsOf(gone, { repointing: address("n3") })).toEqual([]);
    const mute = { lackingRights: ["REPLICATION"], slots: [slot("remaster_n4")] };
    expect(findingsOf(reached({ name: "n2", from: "n1", ...mute }))).toEqual([
      ["slot-left", "note", "slot remaster_n4 is left on n2: the role may not drop it"],
    ]);
  });

  test("refuses a node below itself, at once or through others", () => {
    expect(decide([primary, n2, n3, n4], ["n3"], "n3")).toBe("cannot-follow-itself n3");
    expect(decide([primary, n2, n3, n4], ["n2"], "n4")).toBe("cannot-follow-itself n2");
  });

  test("refuses a node that has more than its upstream, or another history", () => {
    const ahead = reached({ name: "n3", from: "n1", at: "1@0/6000000" });
    expect(decide([primary, n2, ahead, n4], ["n3"], "n2")).toBe("ahead-of-upstream n3");
    const leader = reached({ name: "n1", at: "2@0/6000000", history: history(2, "1 0/5000000") });
    const astray = orphan("n3", { at: "1@0/5500000" });
    expect(decide([leader, astray], ["n3"], "n1")).toBe("diverged n3");
  });

  test("refuses a node whose end is torn, and an upstream whose end others would get", () => {
    const leads = reached({ name: "n2", at: "2@0/5000100", history: history(2, "1 0/4FFFF00") });
    const torn = { at: "1@0/5000000", replayedTo: "1@0/4FFFF00" };
    expect(decide([leads, orphan("n3", torn)], ["n3"], "n2")).toBe("torn-tail n3");
    const resting = { startupWait: "Timeout/RecoveryRetrieveRetryInterval" };
    const still = orphan("n2", { ...torn, ...resting });
    const whole = orphan("n3", { at: "1@0/4FFFF00" });
    expect(decide([dead, still, whole], ["n3"], "n2")).toBe("torn-tail n2");
    expect(decide([dead, still, orphan("n3", { ...torn, ...resting })], ["n3"], "n2")).toBe(
      "repoint n3",
    );
  });

  test("sets a held-up node, which follows once it has replayed", () => {
    expect(decide([primary, n2, orphan("n3", { replay: "delayed" })], ["n3"], "n2")).toBe(
      "repoint n3",
    );
  });
});

describe("stop", () => {
  test("needs a control", () => {
    const nodes = topology(dead, orphan("n2"), orphan("n3", { hasControl: true }));
    expect(outline(planStop(nodes, { nodes: ["n2"] }))).toBe("no-control n2");
    expect(outline(planStop(nodes, { nodes: ["n3"] }))).toBe("stop n3");
  });
});

describe("heal", () => {
  const leads = reached({ name: "n2", at: "2@0/5000100", history: history(2, "1 0/5000060") });

  test("is decided without a control, and for a node that is down", () => {
    const nodes = topology(dead, leads, orphan("n3"));
    expect(outline(planHeal(nodes, { node: "n3", to: "n2" }))).toBe("heal n3");
    expect(outline(planHeal(nodes, { node: "n1", to: "n2" }))).toBe("heal n1");
  });

  test("needs the upstream, and another one than the node itself", () => {
    const nodes = topology(dead, leads, orphan("n3"));
    expect(outline(planHeal(nodes, { node: "n3", to: "n1" }))).toBe("node-unreachable n1");
    expect(outline(planHeal(nodes, { node: "n3", to: "n3" }))).toBe("cannot-follow-itself n3");
  });

  test("leaves a node alone that diverged, leads, or would lose its pause", () => {
    const heal = (node: ReachedNode) =>
      outline(planHeal(topology(dead, leads, node), { node: node.name, to: "n2" }));
    expect(heal(orphan("n3", { at: "1@0/6000000" }))).toBe("diverged n3");
    expect(heal(reached({ name: "n3" }))).toBe("not-a-standby n3");
    expect(heal(orphan("n3", { replay: "paused" }))).toBe("replay-held-up n3");
  });
});
