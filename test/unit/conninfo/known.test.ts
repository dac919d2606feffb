import { expect, test } from "vitest";
import { keepingAnswers } from "../../../src/conninfo/known.ts";

test("a text is answered once, until too many others were", () => {
  const asked: string[] = [];
  const answer = keepingAnswers((text) => {
    asked.push(text);
    return { text };
  });
  expect(answer("a")).toEqual({ text: "a" });
  expect(answer("a")).toBe(answer("a"));
  expect(asked).toEqual(["a"]);
  for (let at = 0; at < 100; at += 1) answer(`other ${at}`);
  expect(answer("a")).toEqual({ text: "a" });
  expect(asked.filter((text) => text === "a")).toHaveLength(2);
});
