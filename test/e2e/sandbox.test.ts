import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { processesIn } from "../../src/host/processes.ts";
import { removeSandbox } from "../../src/sandbox/remove.ts";
import { leftoversOf } from "../support/leftovers.ts";

const program = new URL("../../bin/remaster.js", import.meta.url).pathname;
const isRoot = process.getuid?.() === 0;

let above: string;
let directory: string;

beforeEach(() => {
  above = realpathSync(mkdtempSync(join(tmpdir(), "remaster-test-")));
  chmodSync(above, 0o755);
  directory = join(above, "sandbox");
});

afterEach(async () => {
  await removeSandbox(directory).catch(() => undefined);
  rmSync(above, { recursive: true, force: true });
});

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function remaster(args: readonly string[], under: readonly string[] = []): Ran {
  const [file = "", ...words] = [...under, process.execPath, program, ...args];
  const { status, stdout, stderr } = spawnSync(file, words, {
    encoding: "utf8",
    timeout: 120_000,
    env: { ...process.env, HOME: above, NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

function states(ran: Ran): unknown {
  const report = JSON.parse(ran.stdout) as {
    sandbox: { nodes: { name: string; state: string; role: string | null }[] };
  };
  return report.sandbox.nodes.map(({ name, state, role }) => `${name} ${state} ${role ?? "-"}`);
}

describe("remaster sandbox", () => {
  test("runs a cluster from up to down", () => {
    const where = ["--dir", directory];
    const up = remaster(["sandbox", "up", "--standbys", "2", "--not-promotable", "n3", ...where]);
    expect(up).toMatchObject({ status: 0, stderr: "" });
    expect(up.stdout).toContain(`export REMASTER_CONFIG=${directory}/remaster.toml`);
    expect(up.stdout).toMatch(/^psql 'host=127\.0\.0\.1 port=\d+ user=app /m);
    expect(readFileSync(join(directory, "remaster.toml"), "utf8")).toContain("promotable = false");
    expect(states(remaster(["sandbox", "status", "--json", ...where]))).toEqual([
      "n1 up primary",
      "n2 up standby",
      "n3 up standby",
    ]);
    expect(remaster(["sandbox", "kill", "n1", ...where]).status).toBe(0);
    const left = remaster(["sandbox", "status", "--json", ...where]);
    expect(left.status).toBe(1);
    expect(states(left)).toEqual(["n1 down -", "n2 up standby", "n3 up standby"]);
    expect(remaster(["sandbox", "freeze", "n1", ...where])).toMatchObject({ status: 5 });
    expect(remaster(["sandbox", "stop", "n9", ...where])).toEqual({
      status: 2,
      stdout: "",
      stderr: "remaster: the sandbox has no node n9\nhint: it has n1, n2, n3\n",
    });
    expect(remaster(["sandbox", "kill", "n2", "n2", ...where])).toMatchObject({ status: 2 });
    expect(remaster(["sandbox", "up", "n1", ...where])).toMatchObject({ status: 2 });
    expect(remaster(["sandbox", "down", ...where])).toMatchObject({ status: 0 });
    expect(existsSync(directory)).toBe(false);
    expect(remaster(["sandbox", "status", ...where])).toMatchObject({ status: 1 });
  });

  test("says one word or nothing with --quiet, and counts one node as one", () => {
    const where = ["--dir", directory];
    const quietly = (...words: string[]) => remaster(["sandbox", ...words, "-q", ...where]);
    const said = (status: number, stdout: string) => ({ status, stdout, stderr: "" });
    const file = `${directory}/remaster.toml\n`;
    expect(quietly("status")).toEqual(said(1, "none\n"));
    expect(quietly("up", "--standbys", "0")).toEqual(said(0, file));
    expect(quietly("up", "--standbys", "0")).toEqual(said(0, file));
    expect(quietly("status")).toEqual(said(0, "up\n"));
    expect(remaster(["sandbox", "status", ...where]).stdout).toContain("1 of 1 node up");
    expect(quietly("kill", "n1")).toEqual(said(0, ""));
    expect(quietly("status")).toEqual(said(1, "partly\n"));
    expect(quietly("start")).toEqual(said(0, ""));
    const another = quietly("up", "--standbys", "1");
    expect(another).toMatchObject({ status: 5, stdout: "" });
    expect(another.stderr).toContain("with 0 standbys");
    expect(quietly("down")).toEqual(said(0, ""));
  });

  // How far it had come, by what stands in the directory.
  const stages: readonly (readonly [string, (directory: string) => boolean])[] = [
    ["the marker was written", (at) => existsSync(join(at, "sandbox.json"))],
    ["initdb was at work", (at) => existsSync(join(at, "servers", "n1", "pg_wal"))],
    ["a standby was being copied", (at) => existsSync(join(at, "servers", "n2", "base"))],
    ["servers were starting", (at) => existsSync(join(at, "servers", "n1", "postmaster.pid"))],
  ];

  test.each(stages)("up, killed when %s, is cleared away by down", async (_, reached) => {
    await killUp(reached);
    expect(existsSync(directory)).toBe(true);
    expect(remaster(["sandbox", "down", "--dir", directory])).toMatchObject({ status: 0 });
    expect(await leftoversOf(directory)).toEqual([]);
  });

  test("up makes anew what was killed half-way", async () => {
    await killUp((at) => existsSync(join(at, "servers", "n1", "postmaster.pid")));
    const up = remaster(["sandbox", "up", "--standbys", "1", "--dir", directory, "--json"]);
    expect(states(up)).toEqual(["n1 up primary", "n2 up standby"]);
    expect(remaster(["sandbox", "down", "--dir", directory]).status).toBe(0);
    expect(await leftoversOf(directory)).toEqual([]);
  });

  async function killUp(reached: (directory: string) => boolean): Promise<void> {
    const child = spawn(
      process.execPath,
      [program, "sandbox", "up", "--standbys", "1", "--dir", directory],
      {
        stdio: "ignore",
      },
    );
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => {
        resolve();
      });
    });
    while (!reached(directory)) {
      if (child.exitCode !== null) throw new Error("up ended before it could be killed");
      await delay(1);
    }
    child.kill("SIGKILL");
    await ended;
  }

  test("an interrupted up leaves nothing", async () => {
    const child = spawn(
      process.execPath,
      [program, "sandbox", "up", "--standbys", "1", "--dir", directory],
      {
        stdio: "ignore",
      },
    );
    const ended = new Promise<number | null>((resolve) => {
      child.once("exit", resolve);
    });
    await expect
      .poll(() => existsSync(join(directory, "servers", "n1")), { interval: 5, timeout: 20_000 })
      .toBe(true);
    child.kill("SIGINT");
    expect(await ended).toBe(6);
    expect(await leftoversOf(directory)).toEqual([]);
  });

  test.runIf(isRoot)("says so when its servers' user cannot reach the directory", () => {
    chmodSync(above, 0o700);
    const up = remaster(["sandbox", "up", "--dir", directory]);
    expect(up).toMatchObject({ status: 3, stdout: "" });
    expect(up.stderr).toMatch(/the servers run as user \w+, who cannot reach/);
    expect(existsSync(directory)).toBe(false);
  });

  test.runIf(isRoot)("serves an ordinary user, whose servers run as that user", async () => {
    spawnSync("chown", ["nobody", above]);
    const as = ["setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"];
    const where = ["--dir", directory];
    const up = remaster(["sandbox", "up", "--standbys", "1", "--json", ...where], as);
    expect(states(up)).toEqual(["n1 up primary", "n2 up standby"]);
    const servers = await processesIn(directory);
    const users = new Set(servers.map(({ pid }) => ownerOf(pid)));
    expect(users).toEqual(new Set(["65534"]));
    // Its record is no word of root's.
    expect(remaster(["sandbox", "down", ...where])).toMatchObject({ status: 3 });
    for (const act of ["kill", "start", "cut", "join", "freeze", "thaw", "stop"]) {
      expect(remaster(["sandbox", act, "n2", ...where], as)).toMatchObject({
        status: 0,
        stderr: "",
      });
    }
    expect(remaster(["sandbox", "down", ...where], as)).toMatchObject({ status: 0, stderr: "" });
    expect(await leftoversOf(directory)).toEqual([]);
  });

  function ownerOf(pid: number): string | undefined {
    return /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  }

  test.runIf(isRoot)(
    "serves a root that may not look into others' processes, as in a container",
    async () => {
      const as = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
      const where = ["--dir", directory];
      const up = remaster(["sandbox", "up", "--standbys", "1", "--json", ...where], as);
      expect(states(up)).toEqual(["n1 up primary", "n2 up standby"]);
      for (const act of ["freeze", "thaw", "kill", "start", "stop"]) {
        expect(remaster(["sandbox", act, "n2", ...where], as)).toMatchObject({
          status: 0,
          stderr: "",
        });
      }
      expect(remaster(["sandbox", "down", ...where], as)).toMatchObject({ status: 0, stderr: "" });
      expect(await leftoversOf(directory)).toEqual([]);
    },
  );
});
