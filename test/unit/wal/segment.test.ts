import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  defaultSegmentSize,
  formatSegmentName,
  isSegmentBoundary,
  parseSegmentName,
  parseSegmentSize,
  segmentStart,
} from "../../../src/wal/segment.ts";
import { at } from "../topology/build.ts";
import { lsns } from "./arbitraries.ts";

const sizes = fc.integer({ min: 20, max: 30 }).map((bits) => 1n << BigInt(bits));
const timelines = fc.integer({ min: 1, max: 0xffff_ffff });

describe("a segment's file name", () => {
  test.each([
    ["000000010000000000000001", 1, "0/1000000"],
    ["00000003000000160000 00B3".replace(" ", ""), 3, "16/B3000000"],
    ["0000000A00000001000000FF", 10, "1/FF000000"],
  ])("%s", (name, timeline, start) => {
    expect(parseSegmentName(name, defaultSegmentSize)).toEqual({ timeline, start: at(start) });
    expect(formatSegmentName(timeline, at(start), defaultSegmentSize)).toBe(name);
  });

  test.each([
    ["a history file", "00000002.history"],
    ["a partial segment", "000000010000000000000001.partial"],
    ["a backup label", "000000010000000000000001.00000028.backup"],
    ["timeline 0", "000000000000000000000001"],
    ["a number beyond what the segment size allows", "000000010000000000000100"],
    ["lower case", "00000001000000000000000a"],
    ["nothing", ""],
  ])("refuses %s", (_what, name) => {
    expect(parseSegmentName(name, defaultSegmentSize)).toBeNull();
  });

  test("names the segment that holds the byte, whatever the segment size", () => {
    fc.assert(
      fc.property(timelines, lsns, sizes, (timeline, where, size) => {
        const name = formatSegmentName(timeline, where, size);
        expect(name).toMatch(/^[0-9A-F]{24}$/);
        const segment = parseSegmentName(name, size);
        expect(segment).toEqual({ timeline, start: segmentStart(where, size) });
        expect(segment !== null && where - segment.start < size).toBe(true);
        expect(isSegmentBoundary(segmentStart(where, size), size)).toBe(true);
      }),
    );
  });

  test("names on one timeline sort as their positions do", () => {
    fc.assert(
      fc.property(lsns, lsns, sizes, (a, b, size) => {
        const [x, y] = [formatSegmentName(1, a, size), formatSegmentName(1, b, size)];
        if (segmentStart(a, size) < segmentStart(b, size)) expect(x < y).toBe(true);
      }),
    );
  });
});

test("a boundary is the first byte of a segment", () => {
  expect(isSegmentBoundary(at("0/3000000"), defaultSegmentSize)).toBe(true);
  expect(isSegmentBoundary(at("0/3000001"), defaultSegmentSize)).toBe(false);
  expect(isSegmentBoundary(at("0/3000000"), 1n << 26n)).toBe(false);
});

test.each([
  ["16777216", defaultSegmentSize],
  ["16MB", defaultSegmentSize],
  ["1GB", 1n << 30n],
  ["1048576", 1n << 20n],
  ["2048 kB", 1n << 21n],
  ["15MB", null],
  ["512kB", null],
  ["2GB", null],
  ["", null],
  ["x", null],
])("wal_segment_size %j", (text, size) => {
  expect(parseSegmentSize(text)).toBe(size);
});
