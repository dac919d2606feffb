import { describe, expect, test } from "vitest";
import {
  confirmingSenders,
  parseSynchronousStandbyNames,
} from "../../../src/topology/durability.ts";
import { sender } from "./build.ts";

describe("synchronous_standby_names", () => {
  test.each([
    ["n2", "first", 1, ["n2"]],
    ["n2, n3", "first", 1, ["n2", "n3"]],
    ["*", "first", 1, ["*"]],
    ["2 (n2, n3 , n4)", "first", 2, ["n2", "n3", "n4"]],
    ["FIRST 2 (n2,n3,n4)", "first", 2, ["n2", "n3", "n4"]],
    ["any 1(n2, *)", "any", 1, ["n2", "*"]],
    ['ANY 1 ("node 2", "say ""hi""")', "any", 1, ["node 2", 'say "hi"']],
    ["first, any", "first", 1, ["first", "any"]],
    ["  n2  ", "first", 1, ["n2"]],
    ["1", "first", 1, ["1"]],
  ] as const)("%s", (text, method, count, names) => {
    expect(parseSynchronousStandbyNames(text)).toEqual({ method, count, names });
  });

  test.each([
    "",
    "  ",
    "n2,",
    ",n2",
    "n2 n3",
    "2 (n2",
    "2 ()",
    "0 (n2)",
    'n"2',
    "ANY (n2)",
    "(n2)",
    "n2;",
  ])("%j demands nobody", (text) => {
    expect(parseSynchronousStandbyNames(text)).toBeNull();
  });
});

test("only those that are listed and stream confirm, names without case", () => {
  const rows = [
    sender("N2"),
    sender("n3", { state: "catchup" }),
    sender("n4", { state: "stopping" }),
    sender("n5"),
  ];
  const confirm = (text: string) => {
    const wanted = parseSynchronousStandbyNames(text);
    return wanted === null ? [] : confirmingSenders(wanted, rows).map((row) => row.applicationName);
  };
  expect(confirm("2 (n2, n3, n4)")).toEqual(["N2", "n4"]);
  expect(confirm("*")).toEqual(["N2", "n4", "n5"]);
});
