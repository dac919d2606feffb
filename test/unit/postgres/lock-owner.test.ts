// The name under which a run holds the lock: what it says, and that it is read back as it was meant.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeHolder, type Holder } from "../../../src/postgres/lock.ts";
import { lockedFindings } from "../../../src/postgres/lock-findings.ts";
import { formatOwner, makeOwner, parseOwner } from "../../../src/postgres/lock-owner.ts";

const ann = makeOwner({
  verb: "failover",
  user: "ann",
  host: "laptop",
  pid: 4711,
  letters: "k3f9",
});

describe("the name of a run's sessions", () => {
  test("says verb, operator and process", () => {
    expect(formatOwner(ann)).toBe("remaster failover ann@laptop 4711.k3f9");
    expect(parseOwner(formatOwner(ann))).toEqual(ann);
  });

  test("fits PostgreSQL's 63 bytes of ASCII and is read back, whatever user and host are called", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("quiesce", "unquiesce", "compare-lsn", "lock"),
        fc.string({ maxLength: 300, unit: "grapheme" }),
        fc.string({ maxLength: 300, unit: "grapheme" }),
        fc.integer({ min: 1, max: 2 ** 22 }),
        (verb, user, host, pid) => {
          const owner = makeOwner({ verb, user, host, pid, letters: "0zz9" });
          const name = formatOwner(owner);
          expect(name).toMatch(/^[\x20-\x7e]{1,63}$/);
          expect(parseOwner(name)).toEqual(owner);
        },
      ),
    );
  });

  test.each([
    "",
    "remaster",
    "psql",
    "remaster failover ann@laptop",
    "remaster failover ann@laptop 4711",
    "remaster failover ann @laptop 4711.k3f9",
    "remaster failover ann@laptop 4711.k3f9 ",
  ])("is not what somebody else calls himself: %j", (name) => {
    expect(parseOwner(name)).toBeNull();
  });
});

describe("who holds it", () => {
  const holder: Holder = {
    pid: 99,
    role: "remaster",
    applicationName: formatOwner(ann),
    owner: ann,
    address: "10.0.0.7",
    since: Date.UTC(2026, 0, 31, 3, 12, 44, 200),
  };

  test("is named with the place and the time", () => {
    expect(describeHolder(holder)).toBe(
      "ann@laptop (remaster failover, process 4711, role remaster, from 10.0.0.7, since 2026-01-31T03:12:44Z)",
    );
  });

  test("is named as far as the role may see, and where it is no run of remaster", () => {
    const stranger = {
      ...holder,
      owner: null,
      applicationName: "psql",
      address: null,
      since: null,
    };
    expect(describeHolder(stranger)).toBe("psql (backend 99, role remaster)");
    expect(describeHolder({ ...stranger, applicationName: "", role: null })).toBe(
      "a session (backend 99)",
    );
  });

  test("is told once for all of a run's nodes", () => {
    const other = makeOwner({ verb: "undo", user: "bob", host: "desk", pid: 5, letters: "aaaa" });
    const findings = lockedFindings(
      new Map([
        ["n1", holder],
        ["n2", { ...holder, owner: other }],
        ["n3", { ...holder, pid: 7 }],
      ]),
    );
    expect(findings.map(({ node, message }) => [node, message.replace(/ \(.*\)/, "")])).toEqual([
      [undefined, "ann@laptop holds the lock on n1, n3"],
      ["n2", "bob@desk holds the lock on n2"],
    ]);
  });
});
