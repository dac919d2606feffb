// The demonstration, as a stranger runs it. Its verdict is the program's first promise, so it is held on every major.

import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findInstallation } from "../../src/sandbox/installation.ts";
import { serverPackage, testMajors } from "../support/cluster.ts";
import { leftoversOf } from "../support/leftovers.ts";
import { remaster } from "../support/program.ts";

interface Told {
  readonly outcome: string;
  readonly exitCode: number;
  readonly rehearsal: {
    readonly version: string;
    readonly checks: readonly { readonly name: string; readonly holds: boolean }[];
    readonly newPrimary: string;
    readonly missing: number;
    readonly survived: number;
    readonly died: number;
    readonly directory: string | null;
  };
}

let above: string;
beforeAll(() => {
  above = realpathSync(mkdtempSync(join(tmpdir(), "remaster-test-")));
});
afterAll(() => {
  rmSync(above, { recursive: true, force: true });
});

async function bindirOf(major: number): Promise<string> {
  return (await findInstallation({ major, resolveFrom: [serverPackage(major)] })).bindir;
}

describe.each(testMajors)("remaster rehearse, PostgreSQL %i", (major) => {
  test("loses no acknowledged row that a surviving node had, and leaves nothing behind", async () => {
    const directory = join(
      realpathSync(tmpdir()),
      `remaster-rehearsal-test-${process.pid}-${major}`,
    );
    const ran = await remaster(
      ["rehearse", "--json", "--bindir", await bindirOf(major), "--dir", directory],
      { env: { HOME: above } },
    );
    expect(ran.status, ran.stderr).toBe(0);
    const { outcome, exitCode, rehearsal } = JSON.parse(ran.stdout) as Told;
    expect({ outcome, exitCode }).toEqual({ outcome: "done", exitCode: 0 });
    expect(rehearsal.checks.map((check) => `${check.name} ${check.holds}`)).toEqual([
      "rows-on-one-alone true",
      "failover true",
      "no-row-lost true",
      "one-primary true",
      "all-follow true",
    ]);
    expect(rehearsal).toMatchObject({ missing: 0, directory: null });
    expect(rehearsal.version).toMatch(new RegExp(`^${major}\\.`));
    expect(["n2", "n3"]).toContain(rehearsal.newPrimary);
    expect(rehearsal.survived).toBeGreaterThan(100);
    expect(rehearsal.died).toBeGreaterThanOrEqual(0);
    expect(await leftoversOf(directory)).toEqual([]);
    // The journal of the failover went with the sandbox.
    expect(existsSync(join(above, ".local"))).toBe(false);
  });
});

describe("remaster rehearse", () => {
  test("tells what happens while it happens, and keeps the servers when asked to", async () => {
    const directory = join(realpathSync(tmpdir()), `remaster-rehearsal-test-${process.pid}-keep`);
    try {
      const bindir = await bindirOf(testMajors.at(-1) ?? 18);
      const ran = await remaster(["rehearse", "--keep", "--bindir", bindir, "--dir", directory]);
      expect(ran.status, ran.stderr).toBe(0);
      expect(ran.stderr).toMatch(/n1 is killed under load/);
      expect(ran.stderr).toMatch(/the surviving nodes have (all|\d+) of them, n4 alone has \d+/);
      expect(ran.stderr).toMatch(/holds: n[23] has (\d+) of \1 acknowledged rows that a surviving/);
      expect(ran.stdout).toMatch(
        /^passed: n[23] leads and has (all \d+|\d+ of the \d+) rows acknowledged before n1 died/,
      );
      expect(ran.stdout).toContain(`remaster status --config ${directory}/remaster.toml`);
      const status = await remaster(["status", "--config", join(directory, "remaster.toml")]);
      expect(status.stdout).toMatch(/n4/);
    } finally {
      const down = await remaster(["sandbox", "down", "--dir", directory]);
      expect(down.status).toBe(0);
    }
    expect(await leftoversOf(directory)).toEqual([]);
  });

  test("interrupted, it clears away what it made", async () => {
    const directory = join(realpathSync(tmpdir()), `remaster-rehearsal-test-${process.pid}-int`);
    const bindir = await bindirOf(testMajors.at(-1) ?? 18);
    const ran = await remaster(["rehearse", "--bindir", bindir, "--dir", directory], {
      onTalk: (child, talk) => {
        if (talk.includes("a client writes")) child.kill("SIGINT");
      },
    });
    expect(ran.status, ran.stderr).toBe(6);
    expect(await leftoversOf(directory)).toEqual([]);
  });

  test("without a PostgreSQL of that major, it says what to install", async () => {
    const ran = await remaster(["rehearse", "--bindir", above]);
    expect(ran).toMatchObject({ status: 3, stdout: "" });
    expect(ran.stderr).toMatch(/no PostgreSQL server programs in/);
  });
});
