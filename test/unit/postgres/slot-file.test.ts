// The state file of a slot is read whole or not at all.

import { expect, test } from "vitest";
import { fullXid } from "../../../src/postgres/catalog-hold.ts";
import { readSlotState, snapshotName } from "../../../src/postgres/slot-file.ts";
import { crc32c } from "../../../src/wal/crc32c.ts";
import { lsn } from "../../../src/wal/lsn.ts";

/** As PostgreSQL 15 writes it. */
function state(change: (bytes: Buffer) => void = () => undefined): Uint8Array {
  const bytes = Buffer.alloc(200);
  bytes.writeUInt32LE(0x0105_1ca1, 0);
  bytes.writeUInt32LE(2, 8);
  bytes.writeUInt32LE(184, 12);
  bytes.write("orders", 16);
  bytes.writeUInt32LE(730, 92);
  bytes.writeBigUInt64LE(0x2024548n, 96);
  bytes.writeBigUInt64LE(0x2024818n, 112);
  change(bytes);
  bytes.writeUInt32LE(crc32c(bytes.subarray(8)), 4);
  return new Uint8Array(bytes);
}

test("reads what the slot needs", () => {
  expect(readSlotState(state(), "orders")).toMatchObject({
    catalogXmin: 730,
    restartLsn: 0x2024548n,
    confirmedFlushLsn: 0x2024818n,
  });
  expect(snapshotName(lsn(0x1_0202_4548n))).toBe("1-2024548.snap");
});

test("refuses what is cut, torn, another's, not kept or lost", () => {
  const why = (bytes: Uint8Array, name = "orders") => {
    try {
      readSlotState(bytes, name);
      return null;
    } catch (error) {
      return error instanceof Error
        ? error.message.replace(`the state file of slot ${name} `, "")
        : "";
    }
  };
  expect(why(state().subarray(0, 60))).toBe("is too short");
  expect(why(state().subarray(0, 190))).toBe("has another length");
  const torn = state();
  torn[150] = 1;
  expect(why(torn)).toBe("has another checksum");
  expect(why(state(), "other")).toBe("is that of orders");
  expect(why(state((bytes) => bytes.writeUInt32LE(1, 0)))).toBe("has another magic number");
  expect(why(state((bytes) => bytes.writeUInt32LE(2, 84)))).toBe("is not to be kept");
  expect(why(state((bytes) => bytes.writeUInt32LE(9, 104)))).toBe("is not to be kept");
  expect(why(state((bytes) => bytes.writeUInt32LE(0, 92)))).toBe("is not consistent");
});

test("a transaction id gets the epoch that lies before the next one", () => {
  expect(fullXid(730, 800n)).toBe(730n);
  expect(fullXid(730, (3n << 32n) | 800n)).toBe((3n << 32n) | 730n);
  expect(fullXid(4_294_967_290, (3n << 32n) | 10n)).toBe((2n << 32n) | 4_294_967_290n);
});
