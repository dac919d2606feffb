import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Comparison,
  compareHeld,
  comparePositions,
  formatPosition,
  type Held,
  type Position,
  parsePosition,
  type Relation,
} from "../../../src/wal/position.ts";
import { history, position } from "../topology/build.ts";
import { forests, lsns, positionsIn, realPositionsIn } from "./arbitraries.ts";

const opposite: Readonly<Record<Relation, Relation>> = {
  same: "same",
  ahead: "behind",
  behind: "ahead",
  diverged: "diverged",
  unknown: "unknown",
};

describe("a position as text", () => {
  test("reads back what it prints", () => {
    const positions = fc.record({
      timeline: fc.integer({ min: 1, max: 0xffff_ffff }),
      lsn: lsns,
    });
    fc.assert(
      fc.property(positions, (each) => {
        expect(parsePosition(formatPosition(each))).toEqual(each);
      }),
    );
  });

  test("3@16/B374D848", () => {
    expect(parsePosition("3@16/B374D848")).toEqual({ timeline: 3, lsn: 0x16b374d848n });
    expect(formatPosition(position("3@16/b374d848"))).toBe("3@16/B374D848");
  });

  test.each(["", "3", "@0/1", "3@", "0@0/1", "3@0", "x@0/1", "3@0/1@0/2", "3 @0/1", "16/B374D848"])(
    "refuses %j",
    (text) => {
      expect(parsePosition(text)).toBeNull();
    },
  );
});

describe("how one position stands to another", () => {
  // 1 ----- 0/3000000 -> 2 ----- 0/5000000 -> 3
  //     \-- 0/2000000 -> 4
  const histories = new Map(
    [
      history(2, "1 0/3000000"),
      history(3, "1 0/3000000, 2 0/5000000"),
      history(4, "1 0/2000000"),
    ].map((each) => [each.timeline, each] as const),
  );

  test.each([
    ["one timeline, by LSN", "1@10/0", "1@9/0", "ahead", null],
    ["the same", "2@0/4000000", "2@0/4000000", "same", null],
    [
      "on the ancestor, before the switchpoint",
      "1@0/2800000",
      "3@0/5000100",
      "behind",
      "1@0/3000000",
    ],
    ["on the ancestor, at the switchpoint", "1@0/3000000", "2@0/3000000", "same", "1@0/3000000"],
    [
      "on the ancestor, past the switchpoint",
      "1@0/3000001",
      "2@0/3000001",
      "diverged",
      "1@0/3000000",
    ],
    [
      "past it, and the descendant has not gone on",
      "1@0/4000000",
      "2@0/3000000",
      "ahead",
      "1@0/3000000",
    ],
    ["cousins, both before they part", "2@0/1000000", "4@0/2000000", "behind", "1@0/2000000"],
    ["cousins, one past", "4@0/2000000", "3@0/2000001", "behind", "1@0/2000000"],
    ["cousins, both past", "4@0/2000001", "3@0/5000001", "diverged", "1@0/2000000"],
    ["a higher timeline proves nothing", "4@0/2000010", "2@0/4000000", "diverged", "1@0/2000000"],
    ["a history that is not known", "7@0/2000010", "2@0/4000000", "unknown", null],
  ] as const)("%s", (_what, a, b, relation, switchpoint) => {
    const comparison = comparePositions(position(a), position(b), histories);
    expect(comparison.relation).toBe(relation);
    expect(comparison.switchpoint).toEqual(switchpoint === null ? null : position(switchpoint));
  });

  test("bytes are what lies between, and null where nothing can be counted", () => {
    const bytes = (a: string, b: string) =>
      comparePositions(position(a), position(b), histories).bytes;
    expect(bytes("1@0/2800000", "3@0/5000100")).toBe(0x2800100n);
    expect(bytes("3@0/5000100", "1@0/2800000")).toBe(0x2800100n);
    expect(bytes("1@0/3000001", "2@0/3000001")).toBeNull();
    expect(bytes("7@0/1", "2@0/1")).toBeNull();
  });

  const pairs = forests.chain((forest) =>
    fc.tuple(fc.constant(forest), positionsIn(forest), positionsIn(forest)),
  );

  test("it is the opposite seen from the other side", () => {
    fc.assert(
      fc.property(pairs, ([forest, a, b]) => {
        const there = comparePositions(a, b, forest.histories);
        const back = comparePositions(b, a, forest.histories);
        expect(back).toEqual({ ...there, relation: opposite[there.relation] } satisfies Comparison);
      }),
    );
  });

  test("a position is the same as itself", () => {
    fc.assert(
      fc.property(pairs, ([forest, a]) => {
        expect(comparePositions(a, a, forest.histories)).toMatchObject({
          relation: "same",
          bytes: 0n,
        });
      }),
    );
  });

  test("knowing all histories, nothing is unknown; knowing none, other timelines are", () => {
    fc.assert(
      fc.property(pairs, ([forest, a, b]) => {
        expect(comparePositions(a, b, forest.histories).relation).not.toBe("unknown");
        const blind = comparePositions(a, b, new Map());
        expect(blind.relation === "unknown").toBe(a.timeline !== b.timeline);
      }),
    );
  });

  test("along one lineage order is total and transitive", () => {
    // A descendant, its ancestors up to where it left them: the positions that one node passes through in its life.
    const lives = forests.chain((forest) =>
      fc
        .constantFrom(...forest.timelines)
        .chain((timeline) =>
          fc.tuple(
            fc.constant(forest),
            fc.array(positionsOnLineOf(forest, timeline), { minLength: 3, maxLength: 3 }),
          ),
        ),
    );
    fc.assert(
      fc.property(lives, ([forest, [a, b, c]]) => {
        if (a === undefined || b === undefined || c === undefined)
          throw new Error("three positions");
        const relation = (x: Position, y: Position) =>
          comparePositions(x, y, forest.histories).relation;
        const notAhead = (x: Position, y: Position) => ["same", "behind"].includes(relation(x, y));
        expect(["same", "ahead", "behind"]).toContain(relation(a, b));
        if (notAhead(a, b) && notAhead(b, c)) expect(notAhead(a, c)).toBe(true);
      }),
    );
  });

  test("two that really are on different timelines past the fork diverged", () => {
    const real = forests.chain((forest) =>
      fc.tuple(fc.constant(forest), realPositionsIn(forest), realPositionsIn(forest)),
    );
    fc.assert(
      fc.property(real, ([forest, a, b]) => {
        const { relation, switchpoint } = comparePositions(a, b, forest.histories);
        const past = switchpoint !== null && a.lsn > switchpoint.lsn && b.lsn > switchpoint.lsn;
        expect(relation === "diverged").toBe(past);
      }),
    );
  });
});

/** Positions on a timeline and on its ancestors, each within the stretch that is shared. */
function positionsOnLineOf(
  forest: { readonly histories: ReadonlyMap<number, ReturnType<typeof history>> },
  timeline: number,
): fc.Arbitrary<Position> {
  const own = forest.histories.get(timeline);
  const ancestors = own?.ancestors ?? [];
  return fc.integer({ min: 0, max: 200 }).map((value) => {
    const at = BigInt(value);
    const stretch = ancestors.find((entry) => at <= entry.end);
    const found = position("1@0/0");
    return { timeline: stretch?.timeline ?? timeline, lsn: (found.lsn + at) as Position["lsn"] };
  });
}

describe("how one node stands to another", () => {
  const histories = new Map([[2, history(2, "1 0/3000000")]]);
  const held = (received: string, replayed = received): Held => ({
    received: position(received),
    replayed: position(replayed),
    history: null,
  });

  test("received decides who is ahead, not replayed", () => {
    const laggard = held("1@0/2900000", "1@0/1000000");
    const reader = held("1@0/2000000", "1@0/2000000");
    expect(compareHeld(laggard, reader, histories)).toMatchObject({
      relation: "ahead",
      bytes: 0x900000n,
    });
  });

  test("a torn tail received past the switchpoint and not replayed is no divergence", () => {
    const leader = held("2@0/3000100");
    const torn = held("1@0/3000060", "1@0/2FFFF00");
    expect(compareHeld(torn, leader, histories)).toMatchObject({
      relation: "behind",
      bytes: 0x100n,
    });
    expect(compareHeld(leader, torn, histories)).toMatchObject({
      relation: "ahead",
      bytes: 0x100n,
    });
  });

  test("what was replayed past the switchpoint is", () => {
    const leader = held("2@0/3000100");
    const stray = held("1@0/3000060", "1@0/3000060");
    expect(compareHeld(stray, leader, histories)).toMatchObject({
      relation: "diverged",
      switchpoint: position("1@0/3000000"),
    });
  });

  test("two that both hold more than the other, neither replayed, diverged", () => {
    const one = held("2@0/3000100", "2@0/3000000");
    const other = held("1@0/3000060", "1@0/2FFFF00");
    expect(compareHeld(one, other, histories).relation).toBe("diverged");
  });

  test("a node's own history goes before what others tell of its timeline", () => {
    const mine: Held = { ...held("2@0/5000000"), history: history(2, "1 0/4000000") };
    const theirs: Held = { ...held("2@0/5000000"), history: history(2, "1 0/3000000") };
    expect(compareHeld(mine, theirs, histories)).toMatchObject({
      relation: "diverged",
      switchpoint: position("1@0/3000000"),
    });
  });

  test("a position that is not known cannot be compared", () => {
    const blind: Held = { received: null, replayed: null, history: null };
    expect(compareHeld(blind, held("1@0/1"), histories).relation).toBe("unknown");
    expect(compareHeld(held("1@0/1"), blind, histories).relation).toBe("unknown");
  });

  test("it is the opposite seen from the other side", () => {
    const cases = forests.chain((forest) => {
      const nodes = fc
        .tuple(positionsIn(forest), fc.nat({ max: 60 }))
        .map(([received, behind]): Held => {
          const replayed = received.lsn > BigInt(behind) ? received.lsn - BigInt(behind) : 0n;
          return {
            received,
            replayed: { timeline: received.timeline, lsn: replayed as Position["lsn"] },
            history: forest.histories.get(received.timeline) ?? null,
          };
        });
      return fc.tuple(fc.constant(forest), nodes, nodes);
    });
    fc.assert(
      fc.property(cases, ([forest, a, b]) => {
        const there = compareHeld(a, b, forest.histories);
        expect(compareHeld(b, a, forest.histories)).toEqual({
          ...there,
          relation: opposite[there.relation],
        });
      }),
    );
  });
});
