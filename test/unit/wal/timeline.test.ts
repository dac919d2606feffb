import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatLsn } from "../../../src/wal/lsn.ts";
import {
  findFork,
  forkOfHistories,
  impliedHistories,
  parseTimelineHistory,
  parseTimelineId,
  sameHistory,
  type TimelineHistory,
} from "../../../src/wal/timeline.ts";
import { at, history } from "../topology/build.ts";
import { forests } from "./arbitraries.ts";

/** The text of a history file, as the server writes it. */
function historyText({ ancestors }: TimelineHistory): string {
  return ancestors
    .map((entry) => `${entry.timeline}\t${formatLsn(entry.end)}\tno recovery target specified\n`)
    .join("\n");
}

describe("a history file", () => {
  test("as TIMELINE_HISTORY 3 returns it", () => {
    const text = "1\t0/3000000\tno recovery target specified\n\n2\t0/50001A8\tbefore 2024-01-01\n";
    expect(parseTimelineHistory(3, text)).toEqual({
      timeline: 3,
      ancestors: [
        { timeline: 1, end: at("0/3000000") },
        { timeline: 2, end: at("0/50001A8") },
      ],
    });
  });

  test("with comments, blank lines, carriage returns and no reason", () => {
    const text = "# by hand\n\n  \t\n 1  0/3000000\r\n#2\t0/1\n";
    expect(parseTimelineHistory(2, text)?.ancestors).toEqual([
      { timeline: 1, end: at("0/3000000") },
    ]);
  });

  test("of timeline 1 is empty", () => {
    expect(parseTimelineHistory(1, "")).toEqual({ timeline: 1, ancestors: [] });
  });

  test.each([
    ["a line that is none", "hello"],
    ["a switchpoint that is none", "1\tnowhere"],
    ["a timeline that is none", "0\t0/1"],
    ["a timeline beyond 32 bits", "4294967296\t0/1"],
    ["timelines that do not rise", "2\t0/1\n1\t0/2"],
    ["a timeline twice", "1\t0/1\n1\t0/2"],
    ["a line after its own timeline", "1\t0/1\n4\t0/2"],
    ["an LSN with something behind it", "1\t0/1x"],
  ])("refuses %s", (_what, text) => {
    expect(parseTimelineHistory(4, text)).toBeNull();
  });

  test("what a recovery cut short is shared no further than the cut", () => {
    const cut = parseTimelineHistory(3, "1\t0/5000000\n2\t0/4000000\n");
    expect(cut?.ancestors).toEqual([
      { timeline: 1, end: at("0/4000000") },
      { timeline: 2, end: at("0/4000000") },
    ]);
  });

  test("reads back what the server would have written", () => {
    fc.assert(
      fc.property(forests, ({ histories }) => {
        for (const each of histories.values()) {
          expect(parseTimelineHistory(each.timeline, historyText(each))).toEqual(each);
        }
      }),
    );
  });
});

test("timeline numbers are 1 to 2^32-1, in decimal", () => {
  expect(parseTimelineId("1")).toBe(1);
  expect(parseTimelineId("4294967295")).toBe(4_294_967_295);
  for (const text of ["", "0", "-1", "1.0", "0x2", "4294967296", "A", "1 "]) {
    expect(parseTimelineId(text)).toBeNull();
  }
});

describe("where two timelines part", () => {
  const histories = new Map(
    [
      history(2, "1 0/3000000"),
      history(3, "1 0/3000000, 2 0/5000000"),
      history(4, "1 0/2000000"),
    ].map((each) => [each.timeline, each] as const),
  );

  test.each([
    ["one and the same", 3, 3, { timeline: 3, lsn: null }],
    ["parent and child", 2, 3, { timeline: 2, lsn: at("0/5000000") }],
    ["grandparent and grandchild", 1, 3, { timeline: 1, lsn: at("0/3000000") }],
    ["cousins: the smaller switchpoint", 3, 4, { timeline: 1, lsn: at("0/2000000") }],
  ] as const)("%s", (_what, a, b, fork) => {
    expect(findFork(a, b, histories)).toEqual(fork);
    expect(findFork(b, a, histories)).toEqual(fork);
  });

  test("the younger's history is enough for an ancestor, and not for a cousin", () => {
    const known = new Map([[3, history(3, "1 0/3000000, 2 0/5000000")]]);
    expect(findFork(3, 2, known)).toEqual({ timeline: 2, lsn: at("0/5000000") });
    expect(findFork(3, 4, known)).toBeNull();
    expect(findFork(2, 4, new Map())).toBeNull();
  });

  test("two servers that took one number tell different stories", () => {
    const one = history(2, "1 0/3000000");
    const other = history(2, "1 0/4000000");
    expect(sameHistory(one, other)).toBe(false);
    expect(forkOfHistories(one, other)).toEqual({ timeline: 1, lsn: at("0/3000000") });
  });

  test("timelines without a common ancestor have nothing in common", () => {
    const one = history(5, "3 0/3000000");
    const other = history(6, "4 0/4000000");
    expect(forkOfHistories(one, other)).toEqual({ timeline: null, lsn: 0n });
  });

  test("is the same from both sides, and known to whoever knows both", () => {
    fc.assert(
      fc.property(forests, fc.nat(), fc.nat(), ({ histories: all, timelines }, x, y) => {
        const a = timelines[x % timelines.length] ?? 1;
        const b = timelines[y % timelines.length] ?? 1;
        expect(findFork(a, b, all)).toEqual(findFork(b, a, all));
        expect(findFork(a, b, all)).not.toBeNull();
      }),
    );
  });
});

test("a history implies those of its ancestors", () => {
  fc.assert(
    fc.property(forests, ({ histories }) => {
      for (const each of histories.values()) {
        for (const implied of impliedHistories(each)) {
          expect(implied).toEqual(histories.get(implied.timeline));
        }
      }
    }),
  );
});
