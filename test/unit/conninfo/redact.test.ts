import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatConninfo } from "../../../src/conninfo/format.ts";
import { parseConninfo } from "../../../src/conninfo/parse.ts";
import { redactConninfo, withoutSecrets } from "../../../src/conninfo/redact.ts";

describe("redactConninfo", () => {
  test.each([
    ["host=a port=5432", "host=a port=5432"],
    ["password=secret host=a", "password=**** host=a"],
    ["host=a password = 'se cret' port=1", "host=a password = **** port=1"],
    [String.raw`sslpassword='s\'e' user=x`, "sslpassword=**** user=x"],
    ["password=a password=b", "password=**** password=****"],
    ["oauth_client_secret=x scram_client_key=y", "oauth_client_secret=**** scram_client_key=****"],
    ["postgresql://u:secret@h/db", "postgresql://u:****@h/db"],
    ["postgresql://u@h:5432/db", "postgresql://u@h:5432/db"],
    ["postgresql://h:5432/db?application_name=a@b", "postgresql://h:5432/db?application_name=a@b"],
    ["postgresql://u:p?w@h/db?port=1", "postgresql://u:****@h/db?port=1"],
    ["postgresql://h/?user=u&password=x&port=1", "postgresql://h/?user=u&password=****&port=1"],
    ["postgresql://h/?pass%77ord=x", "postgresql://h/?pass%77ord=****"],
  ])("%j", (text, redacted) => {
    expect(redactConninfo(text)).toBe(redacted);
  });

  test.each([
    "host=a password=cor rect horse port=1",
    "host=a password='correct horse port=1",
    "password=correct horse=battery",
    "postgresql://u:correct/horse@h/db",
    "postgresql://u:correct@horse@h/db",
    "postgresql://u:cor:rect/horse@h:99/db?x=y",
    "postgresql://u:correct horse@h/db",
    "postgresql://h?password=correct horse",
  ])("hides too much rather than too little in %j", (text) => {
    expect(redactConninfo(text)).not.toMatch(/rect|horse|battery/);
  });

  test("leaves no secret in any string that parses, and the rest as it was", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Z '\\@/?&=%:]*[A-Z]{8}$/),
        fc.stringMatching(/^[a-z ']{1,9}$/),
        (secret, user) => {
          const text = formatConninfo({ user, password: secret, port: "5432" });
          const shown = redactConninfo(text);
          expect(parseConninfo(shown)).toEqual({
            ok: true,
            conninfo: { user, password: "****", port: "5432" },
          });
          const uri = `postgresql://u:${encodeURIComponent(secret)}@h/db`;
          expect(redactConninfo(uri)).toBe("postgresql://u:****@h/db");
        },
      ),
    );
  });
});

test("withoutSecrets takes a secret out of a text in every form it may have", () => {
  const conninfo = { host: "h", password: "it's a\\secret" };
  const text = String.raw`a it's a\secret b 'it\'s a\\secret' c it's%20a%5Csecret d it''s a\secret e`;
  expect(withoutSecrets(text, conninfo)).toBe("a **** b **** c **** d **** e");
  expect(withoutSecrets("nothing here", { host: "h" })).toBe("nothing here");
});
