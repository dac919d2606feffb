// Whether the rows that a copied slot file needs are held: only a hold of ours on the primary's timeline proves it.

import { describe, expect, test } from "vitest";
import { findKeptSlots } from "../../../src/topology/kept-slots.ts";
import type { ReachedNode, Slot } from "../../../src/topology/node.ts";
import { holdSlotName, isHoldSlotName, physicalSlotName } from "../../../src/topology/slot-name.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { at, reached, setting, slot } from "./build.ts";

const logical = (changes: Partial<Slot> = {}): Slot =>
  slot("c", {
    slotType: "logical",
    plugin: "test_decoding",
    database: "postgres",
    active: false,
    restartLsn: at("0/4000000"),
    confirmedFlushLsn: at("0/4000100"),
    twoPhase: false,
    catalogXmin: 700,
    ...changes,
  });

interface Case {
  /** On the primary. */
  readonly source?: Partial<Slot>;
  readonly copy?: Partial<Slot>;
  readonly hold?: Partial<Slot> | null;
  readonly feedback?: number | null;
  readonly timeline?: number;
  readonly standby?: Partial<ReachedNode>;
}

function against({ source, copy, hold, feedback, timeline = 1, standby }: Case = {}) {
  const where = `${timeline}@0/5000060`;
  const version = { version: 150_018, versionText: "15.18" };
  const holds =
    hold === null
      ? []
      : [
          slot("remasterhold_n2_t1", {
            restartLsn: null,
            active: false,
            catalogXmin: 700,
            ...hold,
          }),
        ];
  const nodes = [
    reached({
      name: "n1",
      to: ["n2"],
      at: where,
      ...version,
      slots: [slot("n2", { catalogXmin: feedback ?? 700 }), logical(source), ...holds],
    }),
    reached({
      name: "n2",
      from: "n1",
      at: where,
      ...version,
      settings: { hot_standby_feedback: setting("on"), primary_slot_name: setting("n2") },
      slots: [logical(copy)],
      ...standby,
    }),
  ];
  const [kept] = findKeptSlots(buildTopology("orders", nodes));
  return kept?.against?.reason ?? null;
}

const notHeld = "the catalogue rows that its copy on n2 needs are not held on the primary";

describe("a copied slot file", () => {
  test("is ready where our hold begins at or before it", () => {
    expect(against()).toBeNull();
    expect(against({ hold: { catalogXmin: 699 } })).toBeNull();
    expect(against({ source: { catalogXmin: 900 } })).toBeNull();
    // Transaction ids go around.
    expect(against({ hold: { catalogXmin: 4_294_967_290 }, copy: { catalogXmin: 5 } })).toBeNull();
  });

  test("is not proven by feedback, which may have been off meanwhile and asks for the old rows again", () => {
    expect(against({ hold: null, feedback: 690 })).toBe(notHeld);
    expect(against({ hold: { catalogXmin: 701 }, feedback: 690 })).toBe(notHeld);
  });

  test("nor by its consumer's own slot, which takes over such a horizon when it is made anew", () => {
    expect(against({ hold: null, source: { catalogXmin: 690 } })).toBe(notHeld);
  });

  test("nor by a hold of another timeline, a lost one, one that holds nothing, or another standby's", () => {
    expect(against({ timeline: 2 })).toBe(notHeld);
    expect(against({ hold: { walStatus: "lost" } })).toBe(notHeld);
    expect(against({ hold: { catalogXmin: null } })).toBe(notHeld);
    expect(against({ hold: { slotName: "remasterhold_n3_t1" } })).toBe(notHeld);
    expect(against({ hold: { slotType: "logical" } })).toBe(notHeld);
  });

  test("is not ready where it begins at what its standby has not received, or no WAL is left", () => {
    const ahead = { confirmedFlushLsn: at("0/6000000") };
    expect(against({ source: ahead, copy: ahead })).toContain("which n2 has not received");
    const files = {
      oldest: "000000010000000000000005",
      newest: "000000010000000000000006",
    };
    expect(against({ standby: { walFiles: files } })).toContain("has not the WAL any more");
  });

  test("that is missing takes a restart, which the remedy says", () => {
    expect(against({ copy: { slotName: "other" } })).toBe("n2 has no copy of it");
  });
});

test("names of holds are theirs alone, and whole", () => {
  for (const node of [
    "n2",
    "N2",
    "hold_n2_t1",
    "a-very-long-name-of-a-node-in-some-data-centre-17",
  ]) {
    const name = holdSlotName(node, 4_294_967_295);
    expect(name).toMatch(/^[a-z0-9_]{1,63}$/);
    expect(isHoldSlotName(name) && isHoldSlotName(name, node)).toBe(true);
    expect(isHoldSlotName(name, "n3")).toBe(false);
    expect(isHoldSlotName(physicalSlotName(node, null))).toBe(false);
  }
  expect(holdSlotName("N2", 1)).not.toBe(holdSlotName("n2", 1));
});
