// The judgement of a logical slot's copy: each reason that keeps it from being ready, and that it is ready without it.

import { describe, expect, test } from "vitest";
import {
  findKeptSlots,
  type KeptSlot,
  missingSettings,
  slotMethod,
  type SlotWish,
} from "../../../src/topology/kept-slots.ts";
import type { Observation, ReachedNode, Slot } from "../../../src/topology/node.ts";
import { isAtMost } from "../../../src/topology/transaction-id.ts";
import { reachedNode } from "../../../src/topology/structure.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { at, reached, type ReachedChanges, setting, slot, unreached } from "./build.ts";

const logical = (changes: Partial<Slot> = {}, name = "cdc"): Slot =>
  slot(name, {
    slotType: "logical",
    plugin: "test_decoding",
    database: "app",
    active: false,
    confirmedFlushLsn: at("0/5000000"),
    catalogXmin: 700,
    failover: false,
    synced: false,
    twoPhase: false,
    conflicting: false,
    ...changes,
  });

const physical = (name: string, catalogXmin: number | null): Slot => slot(name, { catalogXmin });

const keeps = (slotName: string) => ({
  hot_standby_feedback: setting("on"),
  primary_slot_name: setting(slotName),
  primary_conninfo: setting("host=n1 port=5432 dbname=postgres"),
});

/** As slot-sync leaves it: the rows were held before what is still to be replayed. */
const marks = { copies: [{ slotName: "cdc", timeline: 1, heldFrom: at("0/4000000") }] };

function primary(changes: Partial<ReachedChanges> = {}): ReachedNode {
  return reached({ name: "n1", to: ["n2"], slots: [logical(), physical("n2", 690)], ...changes });
}

function standby(changes: Partial<ReachedChanges> = {}): ReachedNode {
  const slots = [logical({ catalogXmin: 695 })];
  return reached({ name: "n2", from: "n1", slots, settings: keeps("n2"), marks, ...changes });
}

function judge(nodes: readonly Observation[], wish: SlotWish = {}): readonly KeptSlot[] {
  return findKeptSlots(buildTopology("orders", nodes), wish);
}

/** `ready`, or what speaks against the only one. */
function verdict(...nodes: readonly Observation[]): string {
  const [kept, more] = judge(nodes);
  if (kept === undefined || more !== undefined) throw new Error("not one slot on one standby");
  return kept.against === null ? "ready" : `${kept.against.of}: ${kept.against.reason}`;
}

describe("ready", () => {
  test("a level copy whose rows are held", () => {
    expect(verdict(primary(), standby())).toBe("ready");
    expect(judge([primary(), standby()])).toMatchObject([{ repeatBytes: 0n, aheadBytes: null }]);
  });

  test("one that is behind its consumer: what lies between comes once more", () => {
    const copy = logical({ confirmedFlushLsn: at("0/4FFFF00"), catalogXmin: 695 });
    expect(judge([primary(), standby({ slots: [copy] })])).toMatchObject([
      { against: null, repeatBytes: 256n },
    ]);
  });

  test("it says how far the consumer is ahead of what the standby has received", () => {
    const behind = standby({ at: "1@0/4FFFFC0" });
    expect(judge([primary(), behind])).toMatchObject([{ aheadBytes: 64n }]);
  });
});

describe("the slot on the primary", () => {
  const broken: readonly (readonly [string, Partial<Slot>])[] = [
    ["wal_removed", { invalidationReason: "wal_removed" }],
    ["conflicts with replay", { conflicting: true }],
    ["its WAL is gone", { walStatus: "lost" }],
  ];
  test.each(broken)("lost: %s", (why, changes) => {
    const slots = [logical(changes), physical("n2", 690)];
    expect(verdict(primary({ slots }), standby())).toBe(`source: it is lost on n1 itself: ${why}`);
  });

  test("nobody has read from it", () => {
    const slots = [logical({ confirmedFlushLsn: null }), physical("n2", 690)];
    expect(verdict(primary({ slots }), standby())).toMatch(/^source: nobody has read from it/);
  });

  test("a temporary one, and a physical one, are nobody's to keep", () => {
    const slots = [logical({ temporary: true }), physical("n2", 690)];
    expect(judge([primary({ slots }), standby()])).toEqual([]);
  });
});

describe("settings on the way", () => {
  test.each([
    ["hot_standby_feedback is off on n2", { hot_standby_feedback: setting("off") }],
    ["n2 streams without a physical slot (primary_slot_name)", { primary_slot_name: setting("") }],
    ["n1 has no slot other", { primary_slot_name: setting("other") }],
  ] as const)("%s", (why, changes) => {
    expect(verdict(primary(), standby({ settings: { ...keeps("n2"), ...changes } }))).toBe(
      `settings: ${why}`,
    );
  });

  test("dbname is wanted for failover slots alone", () => {
    const bare = { ...keeps("n2"), primary_conninfo: setting("host=n1 port=5432") };
    const topology = buildTopology("orders", [primary(), standby({ settings: bare })]);
    const node = reachedNode(topology, "n2");
    if (node === null) throw new Error("no n2");
    expect(missingSettings(topology, node, "standby-slot")).toEqual([]);
    expect(missingSettings(topology, node, "failover-slot")).toEqual([
      "primary_conninfo of n2 names no dbname",
    ]);
  });
});

describe("the copy", () => {
  const of = (changes: Partial<Slot>): string =>
    verdict(primary(), standby({ slots: [logical({ catalogXmin: 695, ...changes })] }));

  test("there is none", () => {
    expect(verdict(primary(), standby({ slots: [] }))).toBe("copy: n2 has no copy of it");
  });

  test.each([
    ["another plugin", { plugin: "pgoutput" }],
    ["another database", { database: "other" }],
    ["two-phase, which the slot is not", { twoPhase: true }],
    ["a physical one", { slotType: "physical" }],
  ] as const)("of another kind: %s", (_, changes) => {
    expect(of(changes)).toMatch(/^copy: n2 has another slot of that name/);
  });

  test.each([
    ["rows_removed", { invalidationReason: "rows_removed" }],
    ["conflicts with replay", { conflicting: true }],
    ["its WAL is gone", { walStatus: "lost" }],
  ] as const)("lost: %s", (why, changes) => {
    expect(of(changes)).toBe(`copy: its copy on n2 is lost: ${why}`);
  });

  test("ahead of its consumer: what lies between would be left out", () => {
    expect(of({ confirmedFlushLsn: at("0/5000001") })).toBe(
      "copy: its copy on n2 begins at 0/5000001, ahead of its consumer",
    );
    // Not consistent yet, it begins where its WAL does at the earliest.
    expect(of({ confirmedFlushLsn: null, restartLsn: at("0/5000001") })).toMatch(/begins at/);
  });

  test("not consistent yet, or temporary", () => {
    expect(of({ confirmedFlushLsn: null })).toMatch(/not consistent yet$/);
    expect(of({ temporary: true })).toMatch(/not ready for use yet$/);
  });

  test("of a slot with the failover flag: only the server's own", () => {
    const flagged = primary({ slots: [logical({ failover: true }), physical("n2", 690)] });
    const copy = (synced: boolean) =>
      standby({ slots: [logical({ failover: true, synced, catalogXmin: 695 })] });
    expect(verdict(flagged, copy(true))).toBe("ready");
    expect(verdict(flagged, copy(false))).toMatch(/^copy: n2 has a slot .* does not keep level/);
  });
});

describe("the catalogue rows that a copy needs", () => {
  const held = (source: number | null, link: number | null, needs: number | null): string =>
    verdict(
      primary({ slots: [logical({ catalogXmin: source }), physical("n2", link)] }),
      standby({ slots: [logical({ catalogXmin: needs })] }),
    );

  test.each([
    [700, 690, 695],
    [700, 695, 695],
    [690, null, 695],
    // Transaction ids go around: 4294967290 was before 5.
    [10, 4_294_967_290, 5],
    [4_294_967_290, null, 3],
  ])("held: source %s, physical slot %s, copy %s", (source, link, needs) => {
    expect(held(source, link, needs)).toBe("ready");
  });

  test.each([
    [700, 696, 695],
    [700, null, 695],
    [null, null, 695],
    [700, 690, null],
    [10, 5, 4_294_967_290],
  ])("not held: source %s, physical slot %s, copy %s", (source, link, needs) => {
    expect(held(source, link, needs)).toMatch(/are not held on the primary$/);
  });

  test("ids of one half of the circle are before, of the other behind", () => {
    expect([isAtMost(3, 3), isAtMost(3, 4), isAtMost(4, 3)]).toEqual([true, true, false]);
    expect([isAtMost(4_294_967_295, 3), isAtMost(3, 4_294_967_295)]).toEqual([true, false]);
  });

  const cascade = (onPrimary: number | null, onMiddle: number | null): readonly KeptSlot[] =>
    judge(
      [
        primary({ slots: [logical(), physical("n2", onPrimary)] }),
        standby({ to: ["n3"], slots: [physical("n3", onMiddle)] }),
        reached({
          name: "n3",
          from: "n2",
          slots: [logical({ catalogXmin: 695 })],
          settings: keeps("n3"),
          marks,
        }),
      ],
      { standbys: ["n3"] },
    );

  test("below another standby: each step of the way up has to hold them", () => {
    expect(cascade(690, 692)).toMatchObject([{ node: "n3", against: null }]);
    for (const [onPrimary, onMiddle] of [
      [696, 692],
      [690, 696],
      [null, 692],
      [690, null],
    ] as const) {
      expect(cascade(onPrimary, onMiddle)).toMatchObject([{ against: { of: "copy" } }]);
    }
  });
});

describe("which slots on which standbys", () => {
  const names = (wish: SlotWish, ...more: readonly Observation[]): readonly string[] => {
    const slots = [
      logical({}, "cdc"),
      logical({}, "cdc_2"),
      logical({}, "a.b"),
      logical({}, "axb"),
    ];
    return judge([primary({ slots }), standby(), ...more], wish).map(
      ({ slot: { slotName }, node }) => `${slotName} ${node}`,
    );
  };

  test("a pattern stands for the whole name, and * for anything", () => {
    expect(names({ patterns: ["cdc"] })).toEqual(["cdc n2"]);
    expect(names({ patterns: ["cdc*"] })).toEqual(["cdc n2", "cdc_2 n2"]);
    expect(names({ patterns: ["*_2", "cdc"] })).toEqual(["cdc n2", "cdc_2 n2"]);
    expect(names({ patterns: ["a.b"] })).toEqual(["a.b n2"]);
    expect(names({ patterns: ["nothing*"] })).toEqual([]);
  });

  test("standbys that may lead, or those that are named", () => {
    const n3 = reached({ name: "n3", from: "n1", promotable: false });
    expect(names({ patterns: ["cdc"] }, n3)).toEqual(["cdc n2"]);
    expect(names({ patterns: ["cdc"], standbys: ["n3"] }, n3)).toEqual(["cdc n3"]);
  });

  test("none without the one primary", () => {
    expect(judge([unreached({ name: "n1" }), standby()])).toEqual([]);
  });

  test("the way of a copy goes by the standby's major and the slot's flag", () => {
    const on = (version: number, failover: boolean | null) =>
      slotMethod(buildTopology("orders", []), reached({ name: "n2", version }), { failover });
    expect([on(130_020, null), on(150_010, null)]).toEqual(["slot-file", "slot-file"]);
    expect([on(160_004, null), on(170_002, false)]).toEqual(["standby-slot", "standby-slot"]);
    expect(on(180_000, true)).toBe("failover-slot");
  });
});
