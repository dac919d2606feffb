// One operator at a time: who holds the lock, how it ends, what becomes of a run that loses it.

import { type ChildProcess, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import {
  changedConfig,
  type CliReport,
  type Operator,
  operatorOf,
  stepsIn,
} from "../support/cli.ts";
import { allSettings, expectLed, makeRows, sql, untilSees } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, fewMajors } from "../support/cluster.ts";
import { hasPooler, startPooler } from "../support/pooler.ts";
import { typed } from "../support/typed.ts";
import { entryPoint, type ProgramResult, remaster } from "../support/program.ts";

const hasTerminal = spawnSync("script", ["--version"]).error === undefined;
const failover = ["failover", "--primary-is-dead"] as const;
const me = `${userInfo().username}@${hostname()}`;

const lockRow = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted`;
const lockPid = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted`;

/** Runs `remaster lock -- sh -c SCRIPT`; in the script, `remaster` is the program on this cluster. */
function locked(
  cluster: TestCluster,
  script: string,
  options: {
    /** Another topology file than the cluster's own. */
    readonly config?: string;
    readonly onOutput?: (child: ChildProcess, stdout: string) => void;
  } = {},
): Promise<ProgramResult> {
  const program = `remaster() { '${process.execPath}' '${entryPoint}' "$@"; }`;
  const { config = cluster.configFile, onOutput } = options;
  return remaster(["lock", "--", "sh", "-c", `${program}\n${script}`], {
    env: { XDG_STATE_HOME: `${cluster.directory}/desk`, REMASTER_CONFIG: config },
    ...(onOutput === undefined ? {} : { onOutput }),
  });
}

async function sqlIn(
  cluster: TestCluster,
  name: string,
  { database, statement }: { readonly database: string; readonly statement: string },
): Promise<void> {
  const client = new Client({ ...cluster.server(name).clientConfig(), database });
  await client.connect();
  await client.query(statement);
  await client.end();
}

/** What a screen shows, as one line. */
const plain = (screen: string): string =>
  screen.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replace(/\s+/g, " ");

/** Acts once, when the run has said this. */
function once(said: string, act: (child: ChildProcess) => unknown) {
  const acts: Promise<Error | null>[] = [];
  const perform = async (child: ChildProcess): Promise<Error | null> => {
    try {
      await act(child);
      return null;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  const hear = (child: ChildProcess, text: string): void => {
    if (acts.length === 0 && text.includes(said)) acts.push(perform(child));
  };
  const acted = async (): Promise<void> => {
    expect(acts).toHaveLength(1);
    for (const error of await Promise.all(acts)) if (error !== null) throw error;
  };
  return { hear, acted };
}

/** A command that holds the lock until the test lets it go on. */
const untilLine = "echo locked; sleep 60 & trap 'kill $!; exit 0' TERM; wait";

async function whileLocked(
  cluster: TestCluster,
  act: (child: ChildProcess) => Promise<void>,
): Promise<ProgramResult> {
  const moment = once("locked", async (child) => {
    try {
      await act(child);
    } finally {
      child.kill("SIGTERM");
    }
  });
  const result = await locked(cluster, untilLine, { onOutput: moment.hear });
  await moment.acted();
  return result;
}

/** A failover that cannot finish its exchange, because n2 gets nothing: and what was done meanwhile. */
async function duringExchange(
  cluster: TestCluster,
  operator: Operator,
  act: (child: ChildProcess) => unknown,
): Promise<ProgramResult> {
  await makeRows(cluster, "n1", 1);
  await cluster.cut("n2");
  await makeRows(cluster, "n1", 50_000);
  await untilSees(cluster, ["n3"], { statement: "SELECT count(*) FROM rows", value: "50001" });
  await cluster.server("n1").kill();
  const moment = once("bring n2 what", act);
  const result = await operator.run([...failover, "--to", "n2", "--yes", "--json"], {
    onTalk: moment.hear,
  });
  await moment.acted();
  return result;
}

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("the second operator is told who holds it, from where and since when", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const other = operatorOf(cluster, { desk: "other" });
    const before = allSettings(cluster);
    const began = new Date().toISOString().slice(0, 15);
    const holder = await whileLocked(cluster, async () => {
      const { status, report } = await other.change("quiesce");
      expect(status).toBe(5);
      expect(report.findings).toHaveLength(1);
      const [finding] = report.findings;
      expect(finding).toMatchObject({ code: "locked", severity: "problem" });
      expect(finding?.message).toMatch(
        new RegExp(
          `^${me} \\(remaster lock, process \\d+, role remaster, from 127\\.0\\.0\\.1, since ${began}`,
        ),
      );
      expect(finding?.message).toMatch(/holds the lock on n1, n2, n3$/);
      expect(finding?.hint).toContain("--take-over");
      // Whoever only looks is not kept out, and keeps nobody out.
      expect((await other.ask("status")).status).toBe(0);
      expect((await other.ask("quiesce", "--dry-run")).status).toBe(0);
      expect((await other.run(["quiesce", "--script"])).status).toBe(0);
    });
    expect(holder.status).toBe(0);
    expect(allSettings(cluster)).toEqual(before);
    await untilSees(cluster, ["n1", "n2", "n3"], { statement: lockRow, value: "0" });
    expect((await other.change("quiesce")).status).toBe(0);
  });

  test("a killed holder lets go at once", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const other = operatorOf(cluster, { desk: "other" });
    const moment = once("locked", (child) => child.kill("SIGKILL"));
    const killed = await locked(cluster, "echo locked; exec sleep 2", { onOutput: moment.hear });
    expect(killed.signal).toBe("SIGKILL");
    await untilSees(cluster, ["n1", "n2"], { statement: lockRow, value: "0" });
    expect((await other.change("quiesce")).status).toBe(0);
  });

  test("of two that start at once one goes on", async () => {
    await using cluster = await startCluster({ major, standbys: 3 });
    const desks = ["a", "b", "c"].map((desk) => operatorOf(cluster, { desk }));
    for (const verb of ["quiesce", "unquiesce", "quiesce", "unquiesce"]) {
      const ends = await Promise.all(desks.map((desk) => desk.change(verb)));
      // A late one finds that the goal holds, or is turned away; none of them fails for another's half-done work.
      expect(ends.map(({ status }) => status)).toContain(0);
      for (const { status, report } of ends) {
        expect([0, 5]).toContain(status);
        if (status === 5) expect(report.findings.map(({ code }) => code)).toEqual(["locked"]);
      }
    }
  });

  test("taken over, a run stops where it stands and takes nothing back", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const other = operatorOf(cluster, { desk: "other" });
    let marks: unknown;
    const first = await duringExchange(cluster, operatorOf(cluster), async () => {
      const refused = await other.change("unquiesce");
      expect(refused.report.findings).toMatchObject([{ code: "locked" }]);
      expect(refused.report.findings[0]?.message).toContain("remaster failover");
      expect(refused.status).toBe(5);
      const over = await other.change("unquiesce", "--take-over");
      expect(over.status).toBe(0);
      marks = allSettings(cluster);
    });
    const report = JSON.parse(first.stdout) as CliReport;
    expect(report.findings).toContainEqual(expect.objectContaining({ code: "lock-lost" }));
    expect(report.outcome).toBe("incomplete");
    expect(first.status).toBe(8);
    expect(stepsIn(report).filter((step) => step.startsWith("undone"))).toEqual([]);
    expect(allSettings(cluster)).toEqual(marks);
    expect(JSON.stringify(marks)).not.toContain("/remaster/quiesced");
  });

  test("taken over before its first change, a run is refused", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const before = allSettings(cluster);
    const over = once("locked", async () => {
      const other = operatorOf(cluster, { desk: "other" });
      expect((await other.change("quiesce", "--take-over")).status).toBe(0);
      expect((await other.change("unquiesce")).status).toBe(0);
    });
    const script = "echo locked; trap : TERM; sleep 3; sleep 3; remaster quiesce --yes";
    const result = await locked(cluster, script, { onOutput: over.hear });
    await over.acted();
    expect(result.stderr).toContain("lock-lost");
    expect(result.status).toBe(8);
    expect(allSettings(cluster)).toEqual(before);
  });

  test("a promotion does not end it", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    await cluster.server("n1").kill();
    await cluster.cut("n3");
    const pids: string[] = [];
    const quiet = once("still every standby", async () => {
      pids.push(...(await sql(cluster.server("n2"), lockPid)));
    });
    const led = once("see them follow n2", async () => {
      await untilSees(cluster, ["n2"], { statement: "SELECT pg_is_in_recovery()", value: "false" });
      pids.push(...(await sql(cluster.server("n2"), lockPid)));
      const other = await operatorOf(cluster, { desk: "other" }).change(...failover);
      expect(other.report.findings).toMatchObject([{ code: "locked" }]);
      expect(other.status).toBe(5);
      await cluster.join("n3");
    });
    const { status } = await operator.run([...failover, "--yes", "--json"], {
      onTalk: (child, text) => {
        quiet.hear(child, text);
        led.hear(child, text);
      },
    });
    await quiet.acted();
    await led.acted();
    expect(status).toBe(0);
    expect(pids).toHaveLength(2);
    expect(pids[1]).toBe(pids[0]);
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("verbs within `remaster lock` share it, and a stranger gets in between none of them", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await cluster.server("n1").kill();
    const script = [
      "set -e",
      "remaster quiesce --yes",
      "echo locked",
      "sleep 2",
      "remaster promote n2 --yes --quiet",
      "remaster repoint --all --to n2 --yes --quiet",
    ].join("\n");
    const other = operatorOf(cluster, { desk: "other" });
    const moment = once("locked", async () => {
      const turnedAway = await other.change("unquiesce");
      expect(turnedAway.report.findings).toMatchObject([{ code: "locked" }]);
      expect(turnedAway.status).toBe(5);
    });
    const result = await locked(cluster, script, { onOutput: moment.hear });
    await moment.acted();
    expect(result.stderr).not.toContain("problem");
    expect(result.status).toBe(0);
    await expectLed(cluster, other, { by: "n2", timeline: 2, followers: { n3: "n2" } });
  });

  test("within a `remaster lock` that was killed nothing goes on", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const before = allSettings(cluster);
    const moment = once("locked", (child) => child.kill("SIGKILL"));
    const script = "echo locked; sleep 1; remaster quiesce --yes; echo status $?";
    const result = await locked(cluster, script, { onOutput: moment.hear });
    await moment.acted();
    expect(result.signal).toBe("SIGKILL");
    expect(result.stderr).toContain("does not hold the lock of this cluster");
    expect(result.stdout).toContain("status 5");
    expect(allSettings(cluster)).toEqual(before);
  });

  test("`remaster lock` passes on status and signals of its command", async () => {
    await using cluster = await startCluster({ major, standbys: 0 });
    expect(await locked(cluster, "exit 42")).toMatchObject({ status: 42, stdout: "" });
    expect(await locked(cluster, "kill -KILL $$")).toMatchObject({ status: 137 });
    expect(await locked(cluster, "echo out; echo err >&2")).toEqual({
      status: 0,
      signal: null,
      stdout: "out\n",
      stderr: "err\n",
    });
    const missing = await remaster(["lock", "--config", cluster.configFile, "--", "/no/program"]);
    expect(missing.status).toBe(127);
    expect(missing.stderr).toContain("ENOENT");
    const moment = once("ready", (child) => child.kill("SIGTERM"));
    const trapped = "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    const told = await locked(cluster, trapped, { onOutput: moment.hear });
    expect(told).toMatchObject({ status: 9, stdout: "ready\ntold\n" });
  });

  test("where the lock's database is closed to us, nothing is changed", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const before = allSettings(cluster);
    const template = "ALTER DATABASE postgres ALLOW_CONNECTIONS false";
    const config = changedConfig(cluster, "elsewhere", (text) =>
      text.replace('dbname = "postgres"', 'dbname = "template1"'),
    );
    const elsewhere = operatorOf(cluster, { config, desk: "elsewhere" });
    // The lock is in the same database whatever the operator calls his own.
    await whileLocked(cluster, async () => {
      const { report } = await elsewhere.change("quiesce");
      expect(report.findings).toMatchObject([{ code: "locked" }]);
    });
    const passfile = join(cluster.directory, "narrow");
    const lines = readFileSync(join(cluster.directory, "passfile"), "utf8");
    writeFileSync(passfile, lines.replaceAll(":*:remaster:", ":template1:remaster:"), {
      mode: 0o600,
    });
    const narrow = changedConfig(cluster, "narrow", () =>
      readFileSync(config, "utf8").replace(/passfile = .*/, `passfile = "${passfile}"`),
    );
    const without = await operatorOf(cluster, { config: narrow }).change("quiesce");
    expect(without.report.findings.map(({ code }) => code)).toContain("lock-unavailable");
    expect(without.report.findings[0]?.message).toContain("wants a password");
    expect(without.status).toBe(5);
    await sqlIn(cluster, "n1", { database: "template1", statement: template });
    const { status, report } = await elsewhere.change("quiesce");
    expect(report.findings.map(({ code }) => code)).toContain("lock-unavailable");
    expect(report.findings[0]?.message).toMatch(/not currently accepting connections/);
    expect(status).toBe(5);
    expect((await elsewhere.ask("status")).report.topology?.primaries).toEqual(["n1"]);
    expect(allSettings(cluster)).toEqual(before);
  });

  test.skipIf(!hasPooler)(
    "through a pooler nothing is changed, and no lock is left there",
    async () => {
      await using cluster = await startCluster({ major, standbys: 2 });
      const n2 = cluster.server("n2");
      await using pooler = await startPooler(n2, [
        "pool_mode = transaction",
        "ignore_startup_parameters = search_path,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,IntervalStyle,bytea_output,extra_float_digits,tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count,tcp_user_timeout",
      ]);
      const config = changedConfig(cluster, "pooled", (text) =>
        text.replaceAll(`port=${n2.port}`, `port=${pooler.port}`),
      );
      const { status, report } = await operatorOf(cluster, { config }).change("quiesce", "n3");
      expect(report.findings).toMatchObject([{ code: "through-pooler", node: "n2" }]);
      expect(status).toBe(5);
      await untilSees(cluster, ["n1", "n2", "n3"], { statement: lockRow, value: "0" });
    },
  );

  test("taking over takes the right to end the other's sessions", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const config = changedConfig(cluster, "app", (text) =>
      text.replace('user = "remaster"', 'user = "app"'),
    );
    const app = operatorOf(cluster, { config, desk: "app" });
    await whileLocked(cluster, async () => {
      const { status, report } = await app.change("unquiesce", "--take-over");
      expect(report.findings.map(({ code }) => code)).toEqual(["missing-right", "missing-right"]);
      expect(report.findings[0]?.message).toContain("of role remaster");
      expect(report.findings[0]?.hint).toContain("pg_signal_backend");
      expect(status).toBe(5);
    });
    // The same role may, without any further right.
    const lost = once("locked", () =>
      remaster(["lock", "--take-over", "--config", config, "--", "true"]).then(({ status }) => {
        expect(status).toBe(0);
      }),
    );
    const first = await locked(cluster, untilLine, { config, onOutput: lost.hear });
    await lost.acted();
    expect(first.stderr).toContain("lock-lost");
    expect(first.status).toBe(8);
  });

  test.skipIf(!hasTerminal)(
    "while a question is open nobody is kept out, and then the plan is made again",
    async () => {
      await using cluster = await startCluster({ major, standbys: 2 });
      const other = operatorOf(cluster, { desk: "other" });
      const question = "stop the intake of WAL on these standbys?";
      const overtaken = await typed(
        operatorOf(cluster),
        ["quiesce"],
        [
          {
            at: question,
            text: "y",
            meanwhile: async () => {
              expect((await other.change("quiesce", "n2")).status).toBe(0);
            },
          },
        ],
      );
      expect(plain(overtaken.screen)).toContain("the cluster changed while the question was open");
      expect(overtaken.status).toBe(5);
      const undisturbed = await typed(
        operatorOf(cluster),
        ["quiesce"],
        [{ at: question, text: "y" }],
      );
      expect(undisturbed.status).toBe(0);
      await whileLocked(cluster, async () => {
        const answers = [{ at: "give these standbys their own upstream back?", text: "y" }];
        const refused = await typed(other, ["unquiesce"], answers);
        expect(plain(refused.screen)).toContain("holds the lock on n1, n2, n3");
        expect(refused.status).toBe(5);
      });
    },
  );

  test("a node that is started anew is locked again", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const result = await whileLocked(cluster, async () => {
      await cluster.server("n2").stop();
      await cluster.server("n2").start();
      await untilSees(cluster, ["n2"], { statement: lockRow, value: "1" });
    });
    expect(result.status).toBe(0);
  });
});
