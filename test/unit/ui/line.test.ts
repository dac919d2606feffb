import { describe, expect, test } from "vitest";
import { buildTopology } from "../../../src/topology/topology.ts";
import { paint, plainStyles, stylesFor } from "../../../src/ui/colour.ts";
import { fold, line, printable, span, textWidth } from "../../../src/ui/line.ts";
import { renderTree } from "../../../src/ui/tree.ts";
import { reached, slot, unreached } from "../topology/build.ts";
import { colourLook, plainLook } from "./lines.ts";

describe("text that came from elsewhere", () => {
  test.each([
    ["\u001b[2J", "\\x1b[2J"],
    ["\u009b31m", "\\x9b31m"],
    ["a\r\nb\tc\u0000", "a\\x0d\\x0ab\\x09c\\x00"],
    ["\u202egnp.exe", "\\u202egnp.exe"],
    ["\u007f", "\\x7f"],
    ["\ud800x", "\\ud800x"],
    ["Größe 🐘 日本", "Größe 🐘 日本"],
  ])("%j is shown as %s", (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  test("cannot drive the terminal from anywhere in a tree", () => {
    const evil = "\u001b]0;owned\u0007\u001b[31m";
    const topology = buildTopology("orders", [
      reached({ name: "n1", versionText: evil, slots: [slot(evil, { active: false })] }),
      unreached({ name: "n2", reason: evil }),
    ]);
    const text = paint(renderTree(topology, plainLook), plainStyles);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(text).toContain("\\x1b]0;owned");
  });

  test("styles are the only escape sequences, and only with colour", async () => {
    const lines = [line(span("\u001b[1mx", "bad"))];
    expect(paint(lines, await stylesFor(plainLook))).toBe("\\x1b[1mx\n");
    expect(paint(lines, await stylesFor(colourLook))).toBe("\u001b[31m\\x1b[1mx\u001b[39m\n");
  });
});

describe("folding", () => {
  test("breaks at spaces and leaves a long word whole", () => {
    expect(fold("one two three", 7)).toEqual(["one two", "three"]);
    expect(fold("abcdefghij k", 4)).toEqual(["abcdefghij", "k"]);
    expect(fold("", 4)).toEqual([]);
  });

  test("counts columns, not code units", () => {
    expect(textWidth("e\u0301")).toBe(1);
    expect(textWidth("日本")).toBe(4);
    expect(textWidth("🐘")).toBe(2);
  });
});
