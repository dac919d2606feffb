// Changing settings of real servers: exact to the letter, refused where it would be in vain, without secrets in errors,
// and with no more rights than PostgreSQL 15 asks for.

import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { followState, pointAt, settle } from "../../src/postgres/follow.ts";
import { quiesce, unquiesce } from "../../src/postgres/quiesce.ts";
import type { Session } from "../../src/postgres/session.ts";
import {
  alterSystem,
  reload,
  reloadAll,
  resetSystem,
  restoreSystem,
  settingObstacles,
} from "../../src/postgres/settings.ts";
import { ensureSlot } from "../../src/postgres/slots.ts";
import { letIn, open } from "../support/access.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { level, nodeOf, reach, run, valueOf } from "../support/observing.ts";
import { lead } from "../support/promoting.ts";
import { autoConf, linesOf, patience, untilHolds, untilStill } from "../support/quieting.ts";

const keep = { ...patience, blockers: "keep" } as const;

const grants = [
  "CREATE ROLE operator LOGIN REPLICATION PASSWORD 'w' IN ROLE pg_monitor, pg_signal_backend",
  "GRANT EXECUTE ON FUNCTION pg_promote, pg_reload_conf, pg_wal_replay_pause, pg_wal_replay_resume TO operator",
];
const grantsSince15 =
  "GRANT SET, ALTER SYSTEM ON PARAMETER primary_conninfo, primary_slot_name, restore_command TO operator";

describe.each(testMajors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;
  let n2: Session;

  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 2 });
    await run(cluster, "n1", ...grants, ...(major >= 15 ? [grantsSince15] : []));
    await level(cluster, "n1", "n2", "n3");
    for (const server of cluster.servers) {
      await letIn(server, ["host all all 127.0.0.1/32 scram-sha-256"]);
    }
    n2 = await open(cluster.server("n2").conninfo);
  });
  afterAll(async () => {
    await n2.close();
    await cluster[Symbol.asyncDispose]();
  });

  function asOperator(name: string): Promise<Session> {
    return open(
      `host=127.0.0.1 port=${cluster.server(name).port} user=operator password=w dbname=postgres`,
    );
  }

  test.each([
    "it's",
    "back\\slash",
    "a 'quoted' \\'thing\\'",
    "host=h password='it\\'s \\\\ secret' # no comment",
    '%f $PATH `x` "y" é 漢字',
    " leading and trailing ",
  ])("writes %s to the letter, and takes it back", async (value) => {
    const before = autoConf(cluster.server("n3"));
    await using n3 = await open(cluster.server("n3").conninfo);
    expect(await alterSystem(n3, "synchronous_standby_names", "x")).toEqual({ done: true });
    await resetSystem(n3, "synchronous_standby_names");
    // A setting that takes any text; on 13 restore_command would want a restart.
    expect(await alterSystem(n3, "primary_conninfo", `application_name=a ${value}`)).toEqual({
      done: true,
    });
    const [row] = await n3.query(
      "SELECT setting FROM pg_file_settings WHERE name = 'primary_conninfo' ORDER BY seqno DESC LIMIT 1",
    );
    expect(row?.["setting"]).toBe(`application_name=a ${value}`);
    const running = await valueOf(cluster, "n3", "SHOW primary_conninfo");
    expect(await restoreSystem(n3, "primary_conninfo", running ?? "")).toEqual({ done: true });
    expect(linesOf(autoConf(cluster.server("n3")))).toEqual(linesOf(before));
  });

  test("keeps a secret out of the refusal", async () => {
    const refused = await alterSystem(n2, "synchronous_standby_names", "ANY s3cret ((");
    expect(refused).toMatchObject({ done: false, refusal: { code: "setting-out-of-reach" } });
    expect(JSON.stringify(refused)).not.toContain("s3cret");
    const broken = await alterSystem(n2, "primary_conninfo", "password=s3cret\nhost=x");
    expect(broken.done).toBe(false);
    expect(JSON.stringify(broken)).not.toContain("s3cret");
  });

  test("sees a configuration that does not load", async () => {
    const server = cluster.server("n2");
    expect(await reloadAll(n2, patience)).toBe(true);
    appendFileSync(join(server.dataDir, "postgresql.conf"), "this is = no setting at all\n");
    expect(await reloadAll(n2, { timeoutMs: 300 })).toBe(false);
    expect(await quiesce(n2, { ...keep, timeoutMs: 300 })).toMatchObject({
      done: false,
      refusal: { code: "setting-out-of-reach" },
    });
    // What was refused has left nothing behind that a later reload would bring to life.
    expect(autoConf(server)).not.toContain("/remaster/quiesced");
    spawnSync("sed", ["-i", "$d", join(server.dataDir, "postgresql.conf")]);
    expect(await reloadAll(n2, patience)).toBe(true);
  });

  test("leaves nothing in force of a change that ran out of time", async () => {
    const server = cluster.server("n2");
    const conf = autoConf(server);
    const loaded = await valueOf(cluster, "n2", "SELECT pg_conf_load_time()");
    // A postmaster that is held tells nobody of the new settings.
    const postmaster = Number(
      readFileSync(join(server.dataDir, "postmaster.pid"), "utf8").split("\n")[0],
    );
    process.kill(postmaster, "SIGSTOP");
    const late = await quiesce(n2, { ...keep, timeoutMs: 200 }).finally(() => {
      process.kill(postmaster, "SIGCONT");
    });
    expect(late).toMatchObject({
      done: false,
      refusal: { message: expect.stringContaining("time was up") as unknown },
    });
    expect(linesOf(autoConf(server))).toEqual(linesOf(conf));
    // The reload of the change itself may still be on its way: what counts is what it comes to without another.
    await untilHolds(async () => {
      const sql = `SELECT pg_conf_load_time() > '${loaded ?? ""}'
          AND current_setting('primary_conninfo') NOT LIKE '%quiesced%'`;
      const clean = await valueOf(cluster, "n2", sql);
      return clean === "t" ? { holds: true, detail: null } : { holds: false, why: "in force" };
    });
  });

  test.runIf(major >= 17)("refuses where ALTER SYSTEM is not allowed", async () => {
    const server = cluster.server("n2");
    appendFileSync(join(server.dataDir, "postgresql.conf"), "allow_alter_system = off\n");
    await reloadAll(n2, patience);
    expect(await quiesce(n2, keep)).toMatchObject({
      done: false,
      refusal: {
        code: "setting-out-of-reach",
        message: expect.stringContaining("ALTER SYSTEM") as unknown,
      },
    });
    spawnSync("sed", ["-i", "$d", join(server.dataDir, "postgresql.conf")]);
    await reloadAll(n2, patience);
    expect(await settingObstacles(n2, ["primary_conninfo"])).toEqual([]);
  });

  test("refuses a setting from the server's command line", async () => {
    const server = cluster.server("n3");
    await server.stop();
    pgCtl(cluster, server, "start", "-w", "-o", "-c primary_conninfo=host=127.0.0.1");
    await using n3 = await open(server.conninfo);
    const before = autoConf(server);
    expect(await quiesce(n3, keep)).toMatchObject({
      done: false,
      refusal: {
        code: "setting-out-of-reach",
        message: expect.stringContaining("command line") as unknown,
      },
    });
    expect(autoConf(server)).toBe(before);
    await server.stop();
    await server.start();
  });

  test.runIf(major < 15)("before 15 names the right that only a superuser has", async () => {
    await using operator = await asOperator("n2");
    const before = autoConf(cluster.server("n2"));
    expect(await quiesce(operator, keep)).toMatchObject({
      done: false,
      refusal: {
        code: "missing-right",
        message: "role operator may not change primary_conninfo",
        hint: expect.stringContaining("superuser") as unknown,
      },
    });
    expect(autoConf(cluster.server("n2"))).toBe(before);
  });

  test.runIf(major >= 15)("a role without superuser's rights does it all", async () => {
    await using low2 = await asOperator("n2");
    await using low3 = await asOperator("n3");
    await cluster.server("n1").kill();
    for (const session of [low2, low3]) {
      expect(await quiesce(session, keep)).toEqual({ done: true });
      await untilStill(session);
    }
    const upstream = nodeOf(cluster, "n2").replication;
    expect(await ensureSlot(low2, "n3")).toMatchObject({ done: true });
    const target = { upstream, slotName: "n3", purpose: "follow" } as const;
    expect(await pointAt(low3, target)).toMatchObject({ done: true });
    expect(await lead(low2)).toMatchObject({ timeline: 2 });
    await follows(low3, low2);
    expect(await settle(low3, upstream, patience)).toMatchObject({ done: true });
    await follows(low3, low2);
    expect(await unquiesce(low2, patience)).toEqual({ done: true });
    const n3 = await reach(cluster, "n3", { user: "operator", password: "w" });
    expect(n3).toMatchObject({ timeline: 2, missingRights: [], marks: { repointing: null } });
    expect(autoConf(cluster.server("n2"))).not.toContain("/remaster/quiesced");
  });

  async function follows(standby: Session, upstream: Session): Promise<void> {
    let looks = 0;
    await untilHolds(async () => {
      looks += 1;
      if (looks % 15 === 0) await reload(standby);
      return followState(standby, upstream, { slotName: null });
    });
  }
});

/** pg_ctl as the servers' user, whoever runs the test. */
function pgCtl(cluster: TestCluster, server: TestServer, ...args: readonly string[]): void {
  const control = nodeOf(cluster, server.name).control?.pgCtl;
  if (control === undefined || control === null) throw new Error("no pg_ctl");
  const { uid, gid } = statSync(control.data);
  const done = spawnSync(join(control.bindir, "pg_ctl"), ["-D", control.data, ...args], {
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
    cwd: "/",
    stdio: "ignore",
  });
  if (done.status !== 0) throw new Error(`pg_ctl ${args.join(" ")}: ${done.status ?? "no status"}`);
}
