import { describe, expect, test } from "vitest";
import { acknowledgedNumbers, compareLedger } from "../../../src/sandbox/ledger.ts";
import { type Acknowledgement, longestGap } from "../../../src/sandbox/workload.ts";

const told = (first: number, last: number, atMs: number): Acknowledgement => ({
  first,
  last,
  node: "n1",
  atMs,
});

describe("the ledger", () => {
  test("tells what is missing from what was never acknowledged", () => {
    const acknowledged = acknowledgedNumbers([told(1, 1, 0), told(2, 4, 5), told(6, 6, 9)]);
    expect(acknowledged).toEqual([1, 2, 3, 4, 6]);
    expect(compareLedger(acknowledged, new Set([1, 2, 5, 6, 7]))).toEqual({
      missing: [3, 4],
      unacknowledged: [5, 7],
    });
    expect(compareLedger([], new Set())).toEqual({ missing: [], unacknowledged: [] });
  });

  test("finds the longest gap between two acknowledgements", () => {
    const all = [told(1, 1, 0), told(2, 2, 3), told(3, 3, 103), told(4, 4, 104)];
    expect(longestGap(all)).toMatchObject({ ms: 100, before: { first: 2 }, after: { first: 3 } });
    expect(longestGap(all.slice(0, 1))).toBeNull();
    expect(longestGap([])).toBeNull();
  });
});
