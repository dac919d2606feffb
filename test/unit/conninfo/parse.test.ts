import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Conninfo } from "../../../src/conninfo/conninfo.ts";
import { formatConninfo } from "../../../src/conninfo/format.ts";
import { keywords, secretKeywords } from "../../../src/conninfo/keywords.ts";
import { parseConninfo } from "../../../src/conninfo/parse.ts";

function parsed(text: string): Conninfo {
  const result = parseConninfo(text);
  if (!result.ok) throw new Error(result.message);
  return result.conninfo;
}

function refusal(text: string): string {
  const result = parseConninfo(text);
  if (result.ok) throw new Error(`parsed: ${JSON.stringify(result.conninfo)}`);
  return result.message;
}

describe("keyword strings", () => {
  test.each<[string, Conninfo]>([
    ["", {}],
    ["  \t\n", {}],
    ["host=a port=5432", { host: "a", port: "5432" }],
    ["host = a\tport= 5432", { host: "a", port: "5432" }],
    ["host=a host=b", { host: "b" }],
    ["host='a b' port=''", { host: "a b", port: "" }],
    ["host='a'port='1'", { host: "a", port: "1" }],
    [String.raw`user='it\'s' password=a\ b\\c`, { user: "it's", password: "a b\\c" }],
    [String.raw`password=ends\ `.trimEnd(), { password: "ends" }],
    [String.raw`password='\x'`, { password: "x" }],
    ["host= port=1", { host: "port=1" }],
    ["user=x=y", { user: "x=y" }],
    ["user=a'b'", { user: "a'b'" }],
    ["requiressl=1", { sslmode: "require" }],
    ["requiressl=0", { sslmode: "prefer" }],
  ])("%j", (text, conninfo) => {
    expect(parsed(text)).toEqual(conninfo);
  });

  test.each([
    ["host", 'connection string: no "=" after the word at character 1'],
    ["host a", 'connection string: no "=" after the word at character 1'],
    ["host='a", "connection string: the quote at character 6 is not closed"],
    [String.raw`host='a\'`, "connection string: the quote at character 6 is not closed"],
    ["hots=a", 'connection string: unknown keyword "hots", did you mean "host"?'],
    ["ssl_mode=a", 'connection string: unknown keyword "ssl_mode", did you mean "sslmode"?'],
    ["zzzzzz=a", 'connection string: unknown keyword "zzzzzz"'],
    ["Host=a", 'connection string: unknown keyword "Host", did you mean "host"?'],
    ["host=a\0", "connection string holds a zero byte"],
  ])("%j is refused", (text, message) => {
    expect(refusal(text)).toContain(message);
  });

  test("a word behind a password is never shown: it may be the rest of it", () => {
    expect(refusal("password=correct horse=battery")).not.toContain("horse");
    expect(refusal("password=correct horse")).not.toContain("horse");
  });
});

describe("URIs", () => {
  test.each<[string, Conninfo]>([
    ["postgresql://", {}],
    ["postgres://", {}],
    ["postgresql://localhost", { host: "localhost" }],
    ["postgresql://localhost:5433/mydb", { host: "localhost", port: "5433", dbname: "mydb" }],
    ["postgresql://user:secret@localhost", { user: "user", password: "secret", host: "localhost" }],
    ["postgresql://u@/db", { user: "u", dbname: "db" }],
    [
      "postgresql://other@h1:123,h2:456/db?target_session_attrs=any&application_name=app",
      {
        user: "other",
        host: "h1,h2",
        port: "123,456",
        dbname: "db",
        target_session_attrs: "any",
        application_name: "app",
      },
    ],
    ["postgresql://h1,h2:456", { host: "h1,h2", port: ",456" }],
    ["postgresql://[2001:db8::1234]:5/db", { host: "2001:db8::1234", port: "5", dbname: "db" }],
    ["postgresql://[::1],[::2]:7", { host: "::1,::2", port: ",7" }],
    ["postgresql:///db?host=/var/lib/postgresql", { dbname: "db", host: "/var/lib/postgresql" }],
    ["postgresql://%2Fvar%2Frun/db", { host: "/var/run", dbname: "db" }],
    ["postgresql://u:p%40%2F%3a@h", { user: "u", password: "p@/:", host: "h" }],
    ["postgresql://u:p:q@h", { user: "u", password: "p:q", host: "h" }],
    ["postgresql://h?host=b&port=1&", { host: "b", port: "1" }],
    ["postgresql://h?ssl=true", { host: "h", sslmode: "require" }],
    ["postgresql://h?%68ost=b", { host: "b" }],
    ["postgresql://h/%C3%A9", { host: "h", dbname: "é" }],
    ["postgresql://h/db ", { host: "h", dbname: "db" }],
  ])("%j", (text, conninfo) => {
    expect(parsed(text)).toEqual(conninfo);
  });

  test.each([
    ["postgresql://[::1", 'no matching "]"'],
    ["postgresql://[]", "IPv6 address is empty"],
    ["postgresql://[::1]x", "unexpected character after the IPv6 address"],
    ["postgresql://h?port", 'no "=" in a query parameter'],
    ["postgresql://h?port=1=2", 'more than one "=" in a query parameter'],
    ["postgresql://h?port=1&&host=a", 'no "=" in a query parameter'],
    ["postgresql://h?prot=1", 'unknown query parameter "prot", did you mean "port"?'],
    ["postgresql://h?ssl=1", 'unknown query parameter "ssl"'],
    ["postgresql://h/%4", "invalid percent-encoded character"],
    ["postgresql://h/%zz", "invalid percent-encoded character"],
    ["postgresql://h/%00", "forbidden %00"],
    ["postgresql://h/a b", "unexpected space"],
    ["Postgresql://h/db", 'no "="'],
  ])("%j is refused", (text, message) => {
    expect(refusal(text)).toContain(message);
  });
});

const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));

describe("what is written", () => {
  test("is read back the same", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keywords), value), (conninfo) => {
        expect(parsed(formatConninfo(conninfo))).toEqual({ ...conninfo });
      }),
    );
  });

  test("is plain where it can be", () => {
    expect(formatConninfo({ host: "10.0.0.1", port: "5432", options: "-c a=b", user: "" })).toBe(
      "host=10.0.0.1 port=5432 options='-c a=b' user=''",
    );
  });
});

describe("messages", () => {
  const secret = fc.stringMatching(/^[A-Z]{6,12}$/);
  const noise = fc.constantFrom(
    " ",
    "'",
    "\\",
    "=",
    "@",
    "/",
    "?",
    "&",
    "%",
    ":",
    "host=",
    "[",
    "",
  );

  test("a password with a bare & does not show up as a query parameter", () => {
    const result = parseConninfo("postgresql://h/db?password=&AAAAAAhost=&x=y");
    expect(result).toEqual({ ok: false, message: "connection URI: unknown query parameter" });
  });

  test("a password with a bare / and ? does not show up as a query parameter", () => {
    const result = parseConninfo("postgresql://u:?AAAAAAhost=/@h/db");
    expect(result).toEqual({ ok: false, message: "connection URI: unknown query parameter" });
  });

  test("never show a secret, however broken the text", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...secretKeywords),
        secret,
        fc.array(noise, { maxLength: 4 }),
        fc.array(noise, { maxLength: 4 }),
        (keyword, word, before, after) => {
          const inner = before.join("") + word + after.join("");
          for (const text of [
            `host=a ${keyword}=${inner} port=1`,
            `${keyword} = '${inner}'x`,
            `postgresql://u:${inner}@h/db`,
            `postgresql://h/db?${keyword}=${inner}&x=y`,
          ]) {
            const result = parseConninfo(text);
            if (!result.ok) expect(result.message).not.toContain(word);
          }
        },
      ),
    );
  });
});
