import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { versionNumber } from "../../../src/postgres/greet.ts";
import { looksLikeError, sniffStartup } from "../../../src/postgres/sniff.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

describe("the first bytes of an answer", () => {
  test.each([
    [bytes("R\0\0\0\x08\0\0\0\0"), { kind: "authentication", code: 0 }],
    [bytes("R\0\0\0\x0c\0\0\0\x05salt"), { kind: "authentication", code: 5 }],
    [bytes("R\0\0\0"), { kind: "more" }],
    [bytes("E\0\0\0\x50SFATAL\0"), { kind: "postgres" }],
    [bytes("v\0\0\0\x0c"), { kind: "postgres" }],
    [bytes("Ekonnte nicht\n\0"), { kind: "fork-failure", text: "konnte nicht" }],
    [bytes("Exceeded MaxStartups\r\n"), { kind: "other" }],
    [bytes("RFB 003.008\n"), { kind: "other" }],
    [bytes("HTTP/1.1 400"), { kind: "other" }],
    [bytes("E\0\0\0\x01"), { kind: "other" }],
  ])("%j", (received, sniffed) => {
    expect(sniffStartup(received)).toEqual(sniffed);
  });

  test("whatever comes, there is an answer, and nothing is read twice", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (received) => {
        const sniffed = sniffStartup(Buffer.from(received));
        expect(["more", "postgres", "other", "fork-failure", "authentication"]).toContain(
          sniffed.kind,
        );
        if (received.length >= 9) expect(sniffed.kind).not.toBe("more");
      }),
    );
  });

  test("an error is told from a banner", () => {
    expect(looksLikeError(bytes("E\0\0\0\x50SFATAL\0"))).toBe(true);
    expect(looksLikeError(bytes("Ecould not fork\n\0"))).toBe(true);
    expect(looksLikeError(bytes("ERROR\r\n"))).toBe(false);
    expect(looksLikeError(bytes("E"))).toBe(false);
  });
});

test.each([
  ["15.18 (Debian 15.18-0+deb12u1)", 150_018],
  ["18.4", 180_004],
  ["18beta2", 180_000],
  ["19devel", 190_000],
  ["9.6.24", 90_624],
  ["", 0],
  ["1.18.0/bouncer", 11_800],
])("version number of %j", (text, number) => {
  expect(versionNumber(text)).toBe(number);
});
