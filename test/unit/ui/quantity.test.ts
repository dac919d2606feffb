import { expect, test } from "vitest";
import { formatBytes, formatMs } from "../../../src/ui/quantity.ts";

test.each([
  [0n, "0 B"],
  [1023n, "1023 B"],
  [1024n, "1.0 kB"],
  [10_239n, "9.9 kB"],
  [10_240n, "10 kB"],
  [16n * 1024n * 1024n, "16 MB"],
  [(1n << 63n) - 1n, "7.9 EB"],
])("%s bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, "0 ms"],
  [999.4, "999 ms"],
  [999.6, "1.0 s"],
  [1234, "1.2 s"],
  [59_999, "1 min 0 s"],
  [200_000, "3 min 20 s"],
  [7_500_000, "2 h 5 min"],
])("%s ms are %s", (ms, text) => {
  expect(formatMs(ms)).toBe(text);
});
