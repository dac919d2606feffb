import { describe, expect, test } from "vitest";
import { nextPause } from "../../../src/postgres/poll.ts";

describe("the pause between two looks", () => {
  test.each([
    { waited: 0, every: 2, pause: 2 },
    { waited: 40, every: 2, pause: 2 },
    { waited: 200, every: 2, pause: 10 },
    { waited: 4_000, every: 2, pause: 200 },
    { waited: 60_000, every: 2, pause: 250 },
    { waited: 60_000, every: 500, pause: 500 },
  ])("$pause ms after $waited ms, every $every ms at least", ({ waited, every, pause }) => {
    expect(nextPause(every, waited)).toBe(pause);
  });
});
