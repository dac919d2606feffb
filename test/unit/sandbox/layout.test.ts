import { describe, expect, test } from "vitest";
import { parsePasswd } from "../../../src/sandbox/account.ts";
import {
  hbaText,
  quoteConninfo,
  quoteSetting,
  upstreamConninfo,
} from "../../../src/sandbox/layout.ts";

describe("the files of a sandbox", () => {
  test("quote what stands in them", () => {
    expect(quoteSetting("it's C:\\x")).toBe("'it''s C:\\\\x'");
    expect(quoteConninfo("/tmp/plain-1")).toBe("/tmp/plain-1");
    expect(quoteConninfo("it's a\\b")).toBe("'it\\'s a\\\\b'");
    expect(quoteConninfo("")).toBe("''");
  });

  test("turn a cut node away before anybody is let in", () => {
    const lines = hbaText(["n2"]).split("\n");
    const rejects = lines.filter((line) => line.endsWith(" reject"));
    expect(rejects).toEqual([
      "host replication repl_n2 0.0.0.0/0 reject",
      "host all repl_n2 0.0.0.0/0 reject",
    ]);
    expect(lines.indexOf(rejects[1] ?? "")).toBeLessThan(
      lines.findIndex((line) => line.endsWith("scram-sha-256")),
    );
  });

  test("name a standby by its role and by its application name, and no password", () => {
    expect(upstreamConninfo("/srv/box", { node: "n3", port: 22001 })).toBe(
      "host=127.0.0.1 port=22001 user=repl_n3 dbname=postgres passfile=/srv/box/servers/passfile application_name=n3",
    );
  });

  test("read accounts from a passwd file, comments and macOS's negative ids too", () => {
    const text =
      "##\n# User Database\n##\nnobody:*:-2:-2:Unprivileged:/var/empty:/usr/bin/false\nroot:*:0:0::/root:/bin/sh\n\n";
    expect(parsePasswd(text)).toEqual([
      { user: "nobody", uid: -2, gid: -2, home: "/var/empty" },
      { user: "root", uid: 0, gid: 0, home: "/root" },
    ]);
  });
});
