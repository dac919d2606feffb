import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findPassword } from "../../../src/postgres/passfile.ts";

const query = { host: "db1", port: 5432, database: "app", user: "u" };

describe("the password of the first line that matches", () => {
  test.each<[string, string | null]>([
    ["db1:5432:app:u:secret", "secret"],
    ["db1:5432:app:u:secret\r\n", "secret"],
    ["*:*:*:*:any", "any"],
    ["db2:*:*:*:other\n*:*:*:*:any", "any"],
    ["# db1:5432:app:u:comment\ndb1:5432:app:u:real", "real"],
    ["db1:5432:app:u:", ""],
    ["db1:5432:app:u", null],
    ["db1:5432:app:x:no", null],
    ["db1:5433:app:u:no", null],
    ["DB1:5432:app:u:no", null],
    ["db1x:5432:app:u:no", null],
    ["db1:5432:app*:u:no", null],
    ["", null],
    [String.raw`db1:5432:app:u:a\:b\\c`, String.raw`a:b\c`],
    [String.raw`db\1:5432:app:u:escaped anyway`, "escaped anyway"],
    ["db1:5432:app:u:ends:here", "ends"],
    [String.raw`db1:5432:app:u:back\ `.trimEnd(), "back\\"],
  ])("%j", (text, password) => {
    expect(findPassword(text, query)).toBe(password);
  });

  test("the default sockets go by the name of localhost, others by their path", () => {
    const text = "localhost:*:*:*:local\n/srv/run:*:*:*:own";
    const at = (host: string): string | null => findPassword(text, { ...query, host });
    expect(at("")).toBe("local");
    expect(at("/tmp")).toBe("local");
    expect(at("/var/run/postgresql")).toBe("local");
    expect(at("/srv/run")).toBe("own");
    expect(at("127.0.0.1")).toBe(null);
  });

  test("every value finds its way back, escaped", () => {
    const word = fc.string({ unit: "grapheme", minLength: 1 }).filter((w) => !/[\r\n]/.test(w));
    const escaped = (text: string): string => text.replace(/[\\:]/g, "\\$&");
    fc.assert(
      fc.property(word, word, word, word, (host, database, user, password) => {
        fc.pre(!/^[/@#*]/.test(host) && database !== "*" && user !== "*");
        const line = [host, "5432", database, user, password].map(escaped).join(":");
        expect(findPassword(line, { host, port: 5432, database, user })).toBe(password);
      }),
    );
  });
});
