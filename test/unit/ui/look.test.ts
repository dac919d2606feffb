import { describe, expect, test } from "vitest";
import { lookFor } from "../../../src/ui/look.ts";

const terminal = { env: {}, isTTY: true, columns: 100, colour: true };

describe("colour", () => {
  test.each([
    ["a terminal", {}, true, true, true],
    ["no terminal", {}, false, true, false],
    ["--no-color", {}, true, false, false],
    ["--no-color over FORCE_COLOR", { FORCE_COLOR: "1" }, true, false, false],
    ["NO_COLOR", { NO_COLOR: "1" }, true, true, false],
    ["an empty NO_COLOR says nothing", { NO_COLOR: "" }, true, true, true],
    ["FORCE_COLOR without a terminal", { FORCE_COLOR: "" }, false, true, true],
    ["FORCE_COLOR=0", { FORCE_COLOR: "0" }, true, true, false],
    ["FORCE_COLOR over NO_COLOR", { FORCE_COLOR: "1", NO_COLOR: "1" }, false, true, true],
    ["a dumb terminal", { TERM: "dumb" }, true, true, false],
  ])("%s", (_, env, isTTY, colour, expected) => {
    expect(lookFor({ ...terminal, env, isTTY, colour }).colour).toBe(expected);
  });
});

describe("UTF-8", () => {
  test.each([
    [{ LANG: "en_US.UTF-8" }, true],
    [{ LANG: "de_DE.utf8" }, true],
    [{ LC_ALL: "C", LANG: "en_US.UTF-8" }, false],
    [{ LC_ALL: "", LC_CTYPE: "C.UTF-8", LANG: "C" }, true],
    [{}, false],
  ])("%j: %s", (env, expected) => {
    expect(lookFor({ ...terminal, env }).utf8).toBe(expected);
  });
});
