import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareLsn, formatLsn, lsn, maxLsn, parseLsn } from "../../../src/wal/lsn.ts";
import { lsns } from "./arbitraries.ts";

describe("an LSN as text", () => {
  test("reads back what it prints", () => {
    fc.assert(fc.property(lsns, (value) => parseLsn(formatLsn(value)) === value));
  });

  test.each([
    ["0/0", 0n],
    ["16/B374D848", 0x16b374d848n],
    ["1/0", 0x1_0000_0000n],
    ["ffffffff/FFFFFFFF", 0xffff_ffff_ffff_ffffn],
  ])("%s", (text, value) => {
    expect(parseLsn(text)).toBe(value);
  });

  test.each([
    "",
    "0",
    "/",
    "0/",
    "/0",
    "0/123456789",
    "123456789/0",
    "0/G",
    " 0/0",
    "0/0 ",
    "0\\0",
    "-1/0",
  ])("refuses %j", (text) => {
    expect(parseLsn(text)).toBeNull();
  });

  test("prints both halves in upper case without leading zeros", () => {
    expect(formatLsn(lsn(0x10_0000_00abn))).toBe("10/AB");
  });
});

test("an integer outside 64 bits is no LSN", () => {
  expect(() => lsn(-1n)).toThrow(RangeError);
  expect(() => lsn(1n << 64n)).toThrow(RangeError);
});

test("LSNs compare by value, not as text", () => {
  const nine = parseLsn("9/0") ?? lsn(0n);
  const sixteen = parseLsn("10/0") ?? lsn(0n);
  expect(compareLsn(nine, sixteen)).toBe(-1);
  expect(compareLsn(sixteen, nine)).toBe(1);
  expect(compareLsn(nine, nine)).toBe(0);
});

test("the greater of two, where either may be unknown", () => {
  expect(maxLsn(lsn(1n), lsn(2n))).toBe(2n);
  expect(maxLsn(lsn(2n), lsn(1n))).toBe(2n);
  expect(maxLsn(null, lsn(1n))).toBe(1n);
  expect(maxLsn(lsn(1n), null)).toBe(1n);
  expect(maxLsn(null, null)).toBeNull();
});
