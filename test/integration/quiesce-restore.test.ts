// Quiescing standbys that have a restore_command, from an archive of real segments; and servers in recovery that are no
// standbys, which must be left alone.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  giveBackRestoreCommand,
  quiesce,
  quiesceHolds,
  unquiesce,
} from "../../src/postgres/quiesce.ts";
import { open } from "../support/access.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { level, reach, run, valueOf } from "../support/observing.ts";
import { autoConf, has, linesOf, patience, still, untilStill } from "../support/quieting.ts";

const keep = { ...patience, blockers: "keep" } as const;

describe.each(testMajors.filter((major) => major >= 14))("PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let archive: string;

  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 1, settings: { autovacuum: "off" } });
    archive = join(cluster.directory, "archive");
    mkdirSync(archive);
    chmodSync(archive, 0o777);
    await run(
      cluster,
      "n1",
      "CREATE TABLE public.t (i int)",
      "INSERT INTO public.t SELECT generate_series(1, 1000)",
    );
    await level(cluster, "n1", "n2");
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const file of ["slow", "began"]) rmSync(join(archive, file), { force: true });
  });

  /** Fetches from the archive; while the file `slow` is there it takes its time, and says that it began. */
  function restoreCommand(): string {
    return `case %f in *.history) exit 1;; esac; test -e ${archive}/%f || exit 1; touch ${archive}/began; while [ -e ${archive}/slow ]; do sleep 0.05; done; cp ${archive}/%f "%p" # it's \\ "mine"`;
  }

  async function setRestore(value: string): Promise<void> {
    await run(
      cluster,
      "n2",
      `ALTER SYSTEM SET restore_command = '${value.replaceAll("'", "''")}'`,
      "SELECT pg_reload_conf()",
    );
    await expect.poll(() => valueOf(cluster, "n2", "SHOW restore_command")).toBe(value);
  }

  /** Some segments of WAL that n2 can get from the archive alone: it is cut off meanwhile. */
  async function archiveSegments(): Promise<void> {
    await cluster.cut("n2");
    await expect
      .poll(async () => (await reach(cluster, "n2")).receiver, { timeout: 20_000 })
      .toBeNull();
    const first = await valueOf(cluster, "n1", "SELECT pg_walfile_name(pg_current_wal_lsn())");
    const names = [first ?? ""];
    for (let segment = 0; segment < 3; segment += 1) {
      await run(
        cluster,
        "n1",
        "INSERT INTO public.t SELECT generate_series(1, 1000)",
        "SELECT pg_switch_wal()",
      );
      const next = await valueOf(
        cluster,
        "n1",
        "SELECT pg_walfile_name(pg_current_wal_insert_lsn())",
      );
      names.push(next ?? "");
    }
    for (const name of new Set(names)) {
      const from = join(cluster.server("n1").dataDir, "pg_wal", name);
      const to = join(archive, name);
      // The last one is not finished, and no archive would have it.
      if (name === names.at(-1) || !existsSync(from)) continue;
      execFileSync("cp", [from, to]);
      chmodSync(to, 0o644);
    }
  }

  test("rests with the old command kept in place, and gets it back to the letter", async () => {
    await setRestore(restoreCommand());
    await using n2 = await open(cluster.server("n2").conninfo);
    await still(n2);
    const quiesced = await reach(cluster, "n2");
    expect(quiesced.marks).toMatchObject({ quiesced: true, restoreQuiesced: true });
    expect(quiesced.settings.restore_command?.value).toBe(`false # ${restoreCommand()}`);
    await unquiesce(n2, patience);
    expect(await valueOf(cluster, "n2", "SHOW restore_command")).toBe(restoreCommand());
    await level(cluster, "n1", "n2");
  });

  test("is given back to a candidate that is seen to take it, or not at all", async () => {
    await setRestore(restoreCommand());
    await using n2 = await open(cluster.server("n2").conninfo);
    await still(n2);
    const marked = autoConf(cluster.server("n2"));
    const broken = join(cluster.server("n2").dataDir, "postgresql.conf");
    const whole = readFileSync(broken, "utf8");
    writeFileSync(broken, `${whole}\nno such line\n`);
    expect(await giveBackRestoreCommand(n2, { timeoutMs: 300 })).toMatchObject({
      done: false,
      refusal: { code: "setting-out-of-reach" },
    });
    expect(linesOf(autoConf(cluster.server("n2")))).toEqual(linesOf(marked));
    writeFileSync(broken, whole);
    expect(await giveBackRestoreCommand(n2, patience)).toEqual({ done: true });
    expect(await valueOf(cluster, "n2", "SHOW restore_command")).toBe(restoreCommand());
    await unquiesce(n2, patience);
    await level(cluster, "n1", "n2");
  });

  test("waits for a restore in flight, and lets no other begin", async () => {
    await setRestore(restoreCommand());
    writeFileSync(join(archive, "slow"), "");
    await archiveSegments();
    await using n2 = await open(cluster.server("n2").conninfo);
    await run(cluster, "n2", "SELECT pg_reload_conf()");
    await expect.poll(() => existsSync(join(archive, "began")), { timeout: 20_000 }).toBe(true);
    expect(await quiesce(n2, keep)).toEqual({ done: true });
    expect(await quiesceHolds(n2)).toMatchObject({ holds: false });
    // A pause that is only asked for stops no restore.
    await run(cluster, "n2", "SELECT pg_wal_replay_pause()");
    expect(await quiesceHolds(n2)).toMatchObject({ holds: false });
    await run(cluster, "n2", "SELECT pg_wal_replay_resume()");
    rmSync(join(archive, "slow"));
    rmSync(join(archive, "began"));
    await untilStill(n2);
    const resting = await has(n2);
    const primary = await valueOf(cluster, "n1", "SELECT pg_current_wal_lsn()");
    // One segment was in flight; two more are in the archive and stay there.
    expect(
      await valueOf(
        cluster,
        "n2",
        `SELECT '${resting ?? ""}'::pg_lsn < '${primary ?? ""}'::pg_lsn`,
      ),
    ).toBe("t");
    for (let round = 0; round < 20; round += 1) {
      await run(cluster, "n2", "SELECT pg_reload_conf()");
      expect(await has(n2)).toBe(resting);
    }
    expect(existsSync(join(archive, "began"))).toBe(false);

    // A candidate gets it back alone, and goes on by its archive.
    expect(await giveBackRestoreCommand(n2, patience)).toEqual({ done: true });
    await expect.poll(() => has(n2), { timeout: 20_000 }).not.toBe(resting);
    expect((await reach(cluster, "n2")).marks).toMatchObject({
      quiesced: true,
      restoreQuiesced: false,
    });
    await unquiesce(n2, patience);
    await cluster.join("n2");
    await level(cluster, "n1", "n2");
  });

  test("refuses a server in point-in-time recovery", async () => {
    const server = cluster.server("n2");
    await server.stop();
    // A server must get beyond where it was before it lets anybody in, so the target lies in WAL that it has yet to fetch.
    await run(cluster, "n1", "INSERT INTO public.t SELECT generate_series(1, 100)");
    const file = await valueOf(cluster, "n1", "SELECT pg_walfile_name(pg_current_wal_lsn())");
    const target = await valueOf(cluster, "n1", "SELECT pg_current_wal_lsn()");
    await run(cluster, "n1", "INSERT INTO public.t VALUES (1)", "SELECT pg_switch_wal()");
    execFileSync("cp", [join(cluster.server("n1").dataDir, "pg_wal", file ?? ""), archive]);
    chmodSync(join(archive, file ?? ""), 0o644);
    renameSync(signal(server, "standby"), signal(server, "recovery"));
    execFileSync("sh", [
      "-c",
      `printf "%s\\n" "recovery_target_lsn = '${target ?? ""}'" "recovery_target_inclusive = off" "recovery_target_action = pause" >> "$1/postgresql.auto.conf"`,
      "sh",
      server.dataDir,
    ]);
    await server.start();
    const found = await reach(cluster, "n2");
    expect(found).toMatchObject({ role: "standby", standbySignal: false, recoverySignal: true });
    const conf = autoConf(server);
    await using n2 = await open(server.conninfo);
    expect(await quiesce(n2, keep)).toMatchObject({
      done: false,
      refusal: { code: "not-in-standby-mode" },
    });
    expect(autoConf(server)).toBe(conf);
    expect((await reach(cluster, "n2")).role).toBe("standby");
  });
});

describe.runIf(testMajors.includes(13))("PostgreSQL 13", () => {
  test("refuses a node with a restore_command, and touches nothing", async () => {
    await using cluster = await startCluster({
      major: 13,
      standbys: 1,
      settings: { restore_command: "false" },
    });
    const before = autoConf(cluster.server("n2"));
    await using n2 = await open(cluster.server("n2").conninfo);
    expect(await quiesce(n2, keep)).toMatchObject({
      done: false,
      refusal: { code: "restore-command-13" },
    });
    expect(autoConf(cluster.server("n2"))).toBe(before);
  });
});

function signal(server: TestServer, kind: "standby" | "recovery"): string {
  return join(server.dataDir, `${kind}.signal`);
}
