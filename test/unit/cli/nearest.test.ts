import { expect, test } from "vitest";
import { nearest } from "../../../src/cli/nearest.ts";

const verbs = ["status", "compare-lsn", "quiesce", "unquiesce", "promote", "repoint", "history"];

test.each([
  ["staus", "status"],
  ["comp", "compare-lsn"],
  ["quisce", "quiesce"],
  ["reponit", "repoint"],
  ["p", null],
  ["destroy", null],
  ["", null],
])("%j was probably meant as %s", (typed, meant) => {
  expect(nearest(typed, verbs)).toBe(meant);
});
