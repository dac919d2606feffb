import { describe, expect, test } from "vitest";
import { coversWal } from "../../src/postgres/wal-files.ts";
import { physicalSlotName } from "../../src/topology/slot-name.ts";
import { quoteLiteral } from "../../src/postgres/settings.ts";
import { type Lsn, parseLsn } from "../../src/wal/lsn.ts";

const segmentSize = 16n * 1024n * 1024n;

function at(text: string): Lsn {
  const lsn = parseLsn(text);
  if (lsn === null) throw new Error(text);
  return lsn;
}

describe("the WAL that a node still has", () => {
  const files = [
    "000000010000000000000004",
    "000000010000000000000005",
    "000000020000000000000005",
    "000000020000000000000006",
    "00000002.history",
  ];
  test.each([
    [1, "0/4000010", true, "in its own timeline's file"],
    [1, "0/5FFFFFF", true, "in the segment where the timeline ended"],
    [1, "0/3FFFFFF", false, "removed"],
    [2, "0/4000010", false, "in an earlier timeline's file alone"],
    [2, "0/6000000", true, "in the last file"],
    [2, "0/7000000", false, "not written yet"],
  ])("timeline %d from %s: %s (%s)", (timeline, lsn, covered) => {
    expect(coversWal(files, { timeline, lsn: at(lsn), segmentSize }).covered).toBe(covered);
  });

  test("begins with the oldest file that can serve", () => {
    expect(coversWal(files, { timeline: 1, lsn: at("0/1"), segmentSize }).oldest).toBe(
      at("0/4000000"),
    );
    expect(coversWal([], { timeline: 1, lsn: at("0/1"), segmentSize }).oldest).toBeNull();
  });
});

describe("the name of a standby's slot", () => {
  test("is the one it has", () => {
    expect(physicalSlotName("n1", "mine")).toBe("mine");
  });

  test.each([
    ["n1", "remaster_n1"],
    ["db_west_2", "remaster_db_west_2"],
  ])("%s: %s", (node, name) => {
    expect(physicalSlotName(node, null)).toBe(name);
    expect(physicalSlotName(node, "")).toBe(name);
  });

  test("differs for names that come out the same, and is one that PostgreSQL takes", () => {
    const long = "x".repeat(200);
    const nodes = ["n-1", "n_1", "N_1", "n.1", "host:5432", "é", long, `${long}y`];
    const names = nodes.map((node) => physicalSlotName(node, null));
    expect(new Set(names).size).toBe(nodes.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9_]{1,63}$/);
  });
});

describe("a string literal", () => {
  test.each([
    ["", "''"],
    ["it's", "'it''s'"],
    ["a\\b", "E'a\\\\b'"],
    ["'\\''", "E'''\\\\'''''"],
  ])("%s becomes %s", (value, literal) => {
    expect(quoteLiteral(value)).toBe(literal);
  });
});
