import { describe, expect, test } from "vitest";
import { bugLines, hideSecrets, redactArgv } from "../../../src/cli/bug.ts";

describe("a command line without its secrets", () => {
  test.each([
    [["status", "-f", "x.toml"], "remaster status -f x.toml"],
    [["status", "--dsn", "host=a password=x"], "remaster status --dsn ****"],
    [["status", "--dsn=postgresql://u:x@a"], "remaster status --dsn=****"],
    [["status", "-d", "postgresql://u:x@a"], "remaster status -d ****"],
    [["status", "-qd", "host=a"], "remaster status -qd ****"],
    [["status", "-qdhost=a"], "remaster status -qd****"],
    [["promote", "password=hunter2"], "remaster promote password=****"],
  ])("%j", (argv, expected) => {
    expect(redactArgv(argv).join(" ")).toBe(expected);
  });
});

test.each([
  ["host=a password=x port=1", "host=a password=**** port=1"],
  ["password = 'it\\'s me' host=a", "password = **** host=a"],
  ["SSLPASSWORD=x", "SSLPASSWORD=****"],
  ["postgresql://user:p:a/ss@host/db", "postgresql://user:****@host/db"],
  ["postgresql://host/db?password=x&user=y", "postgresql://host/db?password=****&user=y"],
  ["postgresql://user:p@ss@host/db is no file", "postgresql://user:****@host/db is no file"],
  ["/home/me/postgresql:/user:pass@host/db", "/home/me/postgresql:/user:****@host/db"],
  ["password=two\\ words host=a", "password=**** host=a"],
  ["no secret here", "no secret here"],
])("%s", (text, expected) => {
  expect(hideSecrets(text)).toBe(expected);
});

test("a bug prints version, command and stack", () => {
  const lines = bugLines(new TypeError("x is not a function"), ["status", "-d", "secret"]);
  expect(lines).toMatch(
    /^remaster: this is a mistake in remaster itself\nversion: \d+\.\d+\.\d+, node v/,
  );
  expect(lines).toContain("\ncommand: remaster status -d ****\n");
  expect(lines).toMatch(/\nTypeError: x is not a function\n {4}at /);
});
