import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createControl, type ServerControl } from "../../src/host/control.ts";
import { processesIn } from "../../src/host/processes.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";

const limit = { timeoutMs: 30_000 };

async function select1(cluster: TestCluster): Promise<unknown> {
  const client = new pg.Client(cluster.server("n1").clientConfig());
  await client.connect();
  try {
    return (await client.query<{ one: number }>("SELECT 1 AS one")).rows[0]?.one;
  } finally {
    await client.end();
  }
}

/** Whether a process lives; one that has ended and was not reaped by its new parent does not. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe.each(testMajors)("control by pg_ctl, PostgreSQL %i", (major) => {
  let cluster: TestCluster;
  let control: ServerControl;
  let data: string;

  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 0 });
    const wish = cluster.config.nodes[0]?.control;
    if (!wish?.pgCtl) throw new Error("the sandbox gives no pg_ctl");
    data = wish.pgCtl.data;
    control = createControl(wish) ?? expect.unreachable();
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test("stops, and starts again", async () => {
    expect(await control.isStopped()).toBe(false);
    await control.stop({ ...limit, how: "clean" });
    expect(await processesIn(data)).toEqual([]);
    expect(await control.isStopped()).toBe(true);
    await control.stop(limit);
    await control.start(limit);
    expect(await select1(cluster)).toBe(1);
    await control.start(limit);
    expect(await select1(cluster)).toBe(1);
  });

  test("ends a frozen server when asked to be certain, and says so when asked to be clean", async () => {
    await cluster.server("n1").freeze();
    await expect(control.stop({ ...limit, how: "clean" })).rejects.toThrow(/is frozen/);
    await control.stop(limit);
    expect(await processesIn(data)).toEqual([]);
    await control.start(limit);
  });

  test("ends the backends that a killed postmaster left", async () => {
    const client = new pg.Client(cluster.server("n1").clientConfig());
    client.on("error", () => undefined);
    await client.connect();
    // A backend at work does not look whether its postmaster lives.
    const work = client.query("SELECT count(*) FROM generate_series(1, 100000000000) AS n");
    work.catch(() => undefined);
    await expect
      .poll(async () => (await processesIn(data)).some((p) => p.title.includes("SELECT")))
      .toBe(true);
    const postmaster = Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0]);
    process.kill(postmaster, "SIGKILL");
    await expect
      .poll(async () => (await processesIn(data)).some((p) => p.pid === postmaster))
      .toBe(false);
    expect((await processesIn(data)).some((p) => p.title.includes("SELECT"))).toBe(true);
    await control.stop(limit);
    expect(await processesIn(data)).toEqual([]);
    await expect(work).rejects.toThrow();
    await control.start(limit);
    expect(await select1(cluster)).toBe(1);
  });

  test("does not take another program with the pid of a killed server for the server", async () => {
    await cluster.server("n1").kill();
    const file = join(data, "postmaster.pid");
    const lines = readFileSync(file, "utf8").split("\n");
    writeFileSync(file, [String(process.pid), ...lines.slice(1)].join("\n"));
    await control.stop(limit);
    writeFileSync(file, lines.join("\n"));
    await control.start(limit);
    expect(await select1(cluster)).toBe(1);
  });

  test("cuts the log only of a stopped server, keeps what it cuts off, and puts it back", async () => {
    const wal = control.wal ?? expect.unreachable();
    const files = await wal.list();
    const last = files.at(-1) ?? expect.unreachable();
    const segmentSize = 16 * 1024 * 1024;
    const wanted = { files: [last], last, offset: 8192, segmentSize };
    await expect(wal.cut(wanted)).rejects.toThrow(/runs: its WAL stays/);
    await control.stop({ ...limit, how: "clean" });
    await expect(wal.cut({ ...wanted, last: "../PG_VERSION" })).rejects.toThrow(
      /no WAL segment file name/,
    );
    const path = join(data, "pg_wal", last);
    const before = readFileSync(path);
    const off = await wal.cut(wanted);
    const cut = readFileSync(path);
    expect(cut.length).toBe(segmentSize);
    expect(cut.subarray(0, 8192).equals(before.subarray(0, 8192))).toBe(true);
    expect(cut.subarray(8192).every((byte) => byte === 0)).toBe(true);
    expect(readFileSync(join(off.directory, last)).equals(before)).toBe(true);
    await off.putBack();
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(existsSync(off.directory)).toBe(false);
    await control.start(limit);
    expect(await select1(cluster)).toBe(1);
  });

  test("says why a server does not start, without its passwords", async () => {
    await control.stop(limit);
    writeFileSync(join(data, "postgresql.auto.conf"), "port = 'password=secret'\n");
    const failure = await control.start(limit).then(
      () => null,
      (error: unknown) => error as Error,
    );
    expect(failure?.message).toMatch(/^pg_ctl start failed with status 1/);
    expect(failure?.message).not.toContain("secret");
  });
});

describe("control by the user's commands", () => {
  let scratch: string;
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "remaster-test-"));
  });
  afterAll(() => {
    rmSync(scratch, { recursive: true });
  });
  const control = (stop: string) =>
    createControl({ start: null, stop, pgCtl: null }) ?? expect.unreachable();

  test("exit 0 is success, anything else an error with the output's last words, redacted", async () => {
    await control("true").stop(limit);
    await expect(
      control(
        "echo one; echo host=x password=hunter2; echo postgresql://u:hunter2@h/d; exit 7",
      ).stop(limit),
    ).rejects.toThrow(
      "control.stop failed with status 7: one; host=x password=***; postgresql://u:***@h/d",
    );
    await expect(control("true").start(limit)).rejects.toThrow(/gives no control.start/);
  });

  test("a command that hangs is ended with everything that it started", async () => {
    const pidFile = join(scratch, "pids");
    const command = `trap '' TERM; sh -c 'echo $$ > ${pidFile}; exec sleep 1000' & wait`;
    await expect(control(command).stop({ timeoutMs: 300 })).rejects.toThrow(
      /had not ended after \d+ ms, and was ended with all its processes/,
    );
    const pid = Number(readFileSync(pidFile, "utf8"));
    await expect.poll(() => runs(pid)).toBe(false);
  });

  test("an interrupt ends it", async () => {
    const abort = new AbortController();
    const stopping = control("sleep 1000").stop({ timeoutMs: 60_000, signal: abort.signal });
    await delay(50);
    abort.abort();
    await expect(stopping).rejects.toThrow(/was interrupted/);
  });

  test("a command that leaves a server behind is over when it exits", async () => {
    const pidFile = join(scratch, "left");
    await control(`setsid sleep 1000 & echo $! > ${pidFile}`).stop(limit);
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
  });
});
