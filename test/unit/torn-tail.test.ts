import { describe, expect, test } from "vitest";
import { type Lsn, parseLsn } from "../../src/wal/lsn.ts";
import { filesToSetAside, goesOn, isStranded } from "../../src/wal/torn-tail.ts";

const segmentSize = 16n * 1024n * 1024n;

function at(text: string): Lsn {
  const lsn = parseLsn(text);
  if (lsn === null) throw new Error(text);
  return lsn;
}

describe("a torn tail", () => {
  test.each([
    ["0/5000000", "0/4FFFFC0", true, "ends on the boundary behind the switchpoint"],
    ["0/5000000", "0/5000000", false, "ends on the boundary with a whole record"],
    ["0/4FFFFF0", "0/4FFFFC0", false, "ends within the switchpoint's segment"],
    ["0/5020000", "0/4FFFFC0", true, "ends within a record of many pages"],
    ["0/4000000", "0/4FFFFC0", false, "lags"],
    ["0/3000000", "0/4FFFFC0", false, "lags into an earlier segment"],
    ["1/0", "0/FFFFFFE8", true, "ends on the boundary of a log"],
  ])("received %s, switchpoint %s: stranded %s (%s)", (received, switchpoint, stranded) => {
    const tail = { received: at(received), switchpoint: at(switchpoint), segmentSize };
    expect(isStranded(tail)).toBe(stranded);
  });

  test("sets aside every file from the switchpoint's segment on, of every timeline", () => {
    const names = [
      "000000010000000000000003",
      "000000010000000000000004",
      "000000020000000000000004",
      "000000020000000000000005",
      "00000002.history",
      "000000010000000000000004.00000028.backup",
      "archive_status",
    ];
    expect(filesToSetAside(names, { switchpoint: at("0/4FFFFC0"), segmentSize })).toEqual([
      "000000010000000000000004",
      "000000020000000000000004",
      "000000020000000000000005",
    ]);
  });

  test("is none where the log goes on from the switchpoint's segment on a later timeline", () => {
    const last = "000000010000000000000004";
    expect(goesOn([last, "000000020000000000000004", "000000020000000000000005"], last)).toBe(true);
    expect(goesOn([last, "000000020000000000000005"], last)).toBe(false);
    expect(goesOn(["000000010000000000000003", last], last)).toBe(false);
  });
});
