// Copies that a standby decodes for itself: what is done about each, when one is proven, which are left over; and their mark.

import { describe, expect, test } from "vitest";
import { type CopyMark, formatCopyMarks, parseCopyMarks } from "../../../src/topology/copy-mark.ts";
import { findKeptSlots } from "../../../src/topology/kept-slots.ts";
import type { Slot } from "../../../src/topology/node.ts";
import { decideCopyWork, findLeftCopies } from "../../../src/topology/standby-copy.ts";
import { buildTopology, type Topology } from "../../../src/topology/topology.ts";
import { isAtMost } from "../../../src/topology/transaction-id.ts";
import { at, reached, setting } from "./build.ts";

const logical: Slot = {
  slotName: "c1",
  slotType: "logical",
  plugin: "test_decoding",
  database: "postgres",
  temporary: false,
  active: false,
  restartLsn: at("0/4000000"),
  confirmedFlushLsn: at("0/5000000"),
  walStatus: "reserved",
  failover: false,
  synced: false,
  invalidationReason: null,
  twoPhase: false,
  conflicting: false,
  catalogXmin: 800,
};
const physical: Slot = {
  ...logical,
  slotName: "n2",
  slotType: "physical",
  plugin: null,
  database: null,
  confirmedFlushLsn: null,
  catalogXmin: 700,
};
const whole: Slot = { ...logical, catalogXmin: 700 };

interface Situation {
  readonly slot?: Slot | null;
  readonly copy?: Slot | null;
  readonly mark?: CopyMark;
  readonly held?: number | null;
  readonly feedback?: "on" | "off";
}

function cluster(situation: Situation): Topology {
  const { slot = logical, copy = whole, mark, held = 700, feedback = "on" } = situation;
  return buildTopology("c", [
    reached({
      name: "n1",
      to: ["n2"],
      slots: [{ ...physical, catalogXmin: held }, ...(slot === null ? [] : [slot])],
    }),
    reached({
      name: "n2",
      from: "n1",
      at: "1@0/6000000",
      slots: copy === null ? [] : [copy],
      settings: { hot_standby_feedback: setting(feedback), primary_slot_name: setting("n2") },
      marks: { copies: mark === undefined ? [] : [mark] },
    }),
  ]);
}

const mark: CopyMark = { slotName: "c1", timeline: 1, heldFrom: at("0/5800000") };

function judged(situation: Situation) {
  const [kept] = findKeptSlots(cluster(situation));
  if (kept === undefined) throw new Error("nothing was judged");
  return kept;
}

test("transaction ids go around", () => {
  expect([isAtMost(3, 3), isAtMost(3, 4), isAtMost(4, 3)]).toEqual([true, true, false]);
  expect([isAtMost(4_294_967_290, 5), isAtMost(5, 4_294_967_290)]).toEqual([true, false]);
});

describe("the mark", () => {
  test("is read as it was written", () => {
    const marks = [mark, { ...mark, slotName: "c2", heldFrom: null }];
    expect(formatCopyMarks(marks)).toBe("c1=1@0/5800000,c2=1");
    expect(parseCopyMarks("c1=1@0/5800000,c2=1")).toEqual(marks);
  });

  test.each([null, "", "c1", "c1=0", "C=1", "c1=1@zz", "=1"])("is none of ours: %s", (text) => {
    expect(parseCopyMarks(text)).toEqual([]);
  });
});

describe("a copy is proven", () => {
  test("where the standby replayed past the point from which on it was held", () => {
    expect(judged({ mark }).against).toBeNull();
  });

  test("where the slot on the primary needs the same rows", () => {
    expect(judged({ copy: { ...whole, catalogXmin: 800 } }).against).toBeNull();
  });

  test.each([
    ["it is not marked", {}, /may still be broken by/],
    ["that is yet to be replayed", { mark: { ...mark, heldFrom: at("0/6000001") } }, /may still/],
    ["another primary led then", { mark: { ...mark, timeline: 2 } }, /may still be broken by/],
    ["nothing holds the rows", { mark, held: null }, /are not held on the primary/],
    ["newer rows are held alone", { mark, held: 701 }, /are not held on the primary/],
    ["there is no feedback", { mark, feedback: "off" }, /hot_standby_feedback is off/],
  ] as const)("and not where %s", (_, situation, reason) => {
    expect(judged(situation).against?.reason).toMatch(reason);
  });
});

describe("what is done about a copy", () => {
  test.each<[string, Situation, string]>([
    ["none there", { copy: null }, "make"],
    ["none there, and no feedback", { copy: null, feedback: "off" }, "leave"],
    ["a whole one", { mark }, "advance"],
    [
      "ahead of its consumer",
      { copy: { ...whole, confirmedFlushLsn: at("0/5800000") } },
      "advance",
    ],
    ["broken by replay", { copy: { ...whole, conflicting: true } }, "remake"],
    ["invalidated", { copy: { ...whole, invalidationReason: "rows_removed" } }, "remake"],
    ["its WAL gone", { copy: { ...whole, walStatus: "lost" } }, "remake"],
    [
      "broken, and no feedback",
      { copy: { ...whole, conflicting: true }, feedback: "off" },
      "leave",
    ],
    ["in use", { copy: { ...whole, conflicting: true, active: true } }, "leave"],
    ["of another database", { copy: { ...whole, database: "other" } }, "leave"],
    ["of another plugin", { copy: { ...whole, plugin: "pgoutput", conflicting: true } }, "leave"],
    ["a physical one", { copy: { ...physical, slotName: "c1" } }, "leave"],
    ["the server's own", { copy: { ...whole, synced: true } }, "leave"],
    ["another two-phase flag", { copy: { ...whole, twoPhase: true } }, "remake"],
    ["a slot that is lost itself", { slot: { ...logical, walStatus: "lost" } }, "leave"],
  ])("%s", (_, situation, kind) => {
    const kept = judged(situation);
    expect(decideCopyWork(kept, situation.mark ?? null).kind).toBe(kind);
  });

  test("a two-phase one that was made and not seen through is made anew", () => {
    const twoPhase = { slot: { ...logical, twoPhase: true }, copy: { ...whole, twoPhase: true } };
    const kept = judged(twoPhase);
    expect(decideCopyWork(kept, { ...mark, heldFrom: null }).kind).toBe("remake");
    expect(decideCopyWork(kept, mark).kind).toBe("advance");
    // Of an old primary, which its consumer used itself.
    expect(decideCopyWork(kept, null).kind).toBe("advance");
  });
});

describe("a copy is left over", () => {
  test.each<[string, Situation, readonly boolean[]]>([
    ["whose slot was dropped", { slot: null, mark }, [true]],
    [
      "whose slot is gone since another led",
      { slot: null, mark: { ...mark, timeline: 3 } },
      [false],
    ],
    ["never: nobody says that it is ours", { slot: null }, []],
    ["never: its slot is there", { mark }, []],
    ["never: somebody uses it", { slot: null, mark, copy: { ...whole, active: true } }, []],
  ])("%s", (_, situation, dropped) => {
    const left = findLeftCopies(cluster(situation), {});
    expect(left.map((each) => each.dropped)).toEqual(dropped);
  });

  test("only where it was asked about", () => {
    const topology = cluster({ slot: null, mark });
    expect(findLeftCopies(topology, { patterns: ["d*"] })).toEqual([]);
    expect(findLeftCopies(topology, { standbys: ["n3"] })).toEqual([]);
    expect(findLeftCopies(topology, { patterns: ["c*"], standbys: ["n2"] })).toHaveLength(1);
  });
});
