// The operator's own commands around a change of primary, on real servers: when they run and what they are told, who may
// say no, what hangs or fails, and that what they write is kept without passwords.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alarmsIn, changedConfig, type Operator, operatorOf, stepsIn } from "../support/cli.ts";
import { allSettings, expectLed, slotsOf, sql } from "../support/cluster-state.ts";
import { fewMajors, startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { entryPoint } from "../support/program.ts";

const names = ["before_fence", "after_promote", "after_finish", "on_failure"] as const;
type Name = (typeof names)[number];

/** A command that writes down when it ran and its facts, then does what is asked of this hook. */
function hooksOf(cluster: TestCluster, then: Readonly<Partial<Record<Name, string>>> = {}) {
  const log = join(cluster.directory, "hooks.log");
  const command = join(cluster.directory, "hook.sh");
  // In one piece: the hook may be ended at any moment.
  const record = `facts=$(date +at=%s%N; env | grep ^REMASTER_ | sort); printf '%s\\n\\n' "$facts" >>'${log}'`;
  const cases = Object.entries(then).map(([name, text]) => `${name}) ${text} ;;`);
  const script = ["#!/bin/sh", record, 'case "$REMASTER_HOOK" in', ...cases, "esac", "exit 0", ""];
  writeFileSync(command, script.join("\n"), { mode: 0o755 });
  return { log, command };
}

function operatorWith(
  cluster: TestCluster,
  then: Readonly<Partial<Record<Name, string>>> = {},
  timeout = "5s",
): Operator {
  const { command } = hooksOf(cluster, then);
  const lines = names.map(
    (name) =>
      `${name} = { command = ${JSON.stringify(`exec ${command}`)}, timeout = "${timeout}" }`,
  );
  const config = changedConfig(cluster, "hooked", (text) =>
    [text, "[hooks]", ...lines, ""].join("\n"),
  );
  return operatorOf(cluster, { config, secrets: ["geheim"] });
}

type Facts = Readonly<Record<string, string>>;

/** What the hooks were told, in the order in which they ran. */
function toldIn(cluster: TestCluster): readonly Facts[] {
  const log = join(cluster.directory, "hooks.log");
  if (!existsSync(log)) return [];
  const blocks = readFileSync(log, "utf8")
    .split("\n\n")
    .filter((block) => block !== "");
  return blocks.map((block) =>
    Object.fromEntries(
      block.split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    ),
  );
}

function hookIn(told: readonly Facts[], name: Name): Facts {
  const found = told.find((facts) => facts["REMASTER_HOOK"] === name);
  if (found === undefined) throw new Error(`${name} did not run`);
  return found;
}

function ranIn(cluster: TestCluster): readonly (string | undefined)[] {
  return toldIn(cluster).map((facts) => facts["REMASTER_HOOK"]);
}

/** All that a hook is told of a hand-over from n1 to n2. */
function factsOf(cluster: TestCluster, changes: Facts): Facts {
  return {
    REMASTER_CLUSTER: "sandbox",
    REMASTER_NEW_PRIMARY: "n2",
    REMASTER_NEW_PRIMARY_HOST: "127.0.0.1",
    REMASTER_NEW_PRIMARY_PORT: String(cluster.server("n2").port),
    REMASTER_OLD_PRIMARY: "n1",
    REMASTER_OLD_PRIMARY_HOST: "127.0.0.1",
    REMASTER_OLD_PRIMARY_PORT: String(cluster.server("n1").port),
    REMASTER_OUTCOME: "",
    REMASTER_POSITION: "",
    REMASTER_VERB: "switchover",
    ...changes,
  };
}

const startedSql = "SELECT pg_postmaster_start_time()";

interface RecordedRun {
  readonly run: {
    readonly steps: readonly {
      readonly commandLine: string;
      readonly state: string;
      readonly output: string | null;
    }[];
  };
}

/** Output of the hooks of a recorded run, by the hook's name. */
async function outputsOf(
  operator: Operator,
  run: string,
): Promise<Readonly<Record<string, string | null>>> {
  const { stdout } = await operator.run(["history", run, "--json"]);
  const { steps } = (JSON.parse(stdout) as RecordedRun).run;
  const hooks = steps.filter(({ commandLine }) => commandLine.startsWith("remaster hook "));
  return Object.fromEntries(
    hooks.map(({ commandLine, output }) => [commandLine.split(" ")[2] ?? "", output]),
  );
}

const position = /^2@0\/[0-9A-F]+$/;
const followed = { by: "n2", timeline: 2, followers: { n1: "n2", n3: "n2" } };

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("they run in their order, with the facts, and what they write is kept", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorWith(cluster, {
      before_fence: `echo 'on stdout'; echo 'PGPASSWORD=geheim postgresql://me:geheim@h/db' >&2; cat '${join(cluster.directory, "passfile")}' >/dev/null`,
      after_finish: "i=0; while [ $i -lt 9000 ]; do echo 'much to tell'; i=$((i+1)); done",
    });
    const shown = await operator.ask("switchover", "--to", "n2", "--dry-run");
    expect(toldIn(cluster)).toEqual([]);
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, alarmsIn(report)]).toEqual([0, []]);
    expect(report.plan?.stages).toEqual(shown.report.plan?.stages);
    expect(stepsIn(report)).toEqual([
      "done repoint n3 --to n2 --keep-mark",
      "done checkpoint n1",
      "done checkpoint n2",
      "done hook before_fence --for switchover --from n1 --to n2",
      "done checkpoint n1",
      "done checkpoint n2",
      "done demote n1 --to n2",
      "done promote n2",
      "done hook after_promote --for switchover --from n1 --to n2",
      "done rejoin n1 --to n2",
      "done repoint n3 --to n2",
      ...stepsIn(report).filter((step) => step.includes("drop-slot")),
      "done hook after_finish --for switchover --from n1 --to n2",
    ]);
    await expectLed(cluster, operator, followed);

    const told = toldIn(cluster);
    const run = told[0]?.["REMASTER_RUN"] ?? "";
    const common = { at: expect.any(String) as string, REMASTER_RUN: run };
    expect(told).toEqual([
      factsOf(cluster, { ...common, REMASTER_HOOK: "before_fence" }),
      factsOf(cluster, {
        ...common,
        REMASTER_HOOK: "after_promote",
        REMASTER_POSITION: expect.stringMatching(position) as string,
      }),
      factsOf(cluster, {
        ...common,
        REMASTER_HOOK: "after_finish",
        REMASTER_POSITION: expect.stringMatching(position) as string,
        REMASTER_OUTCOME: "done",
      }),
    ]);

    const outputs = await outputsOf(operator, run);
    expect(outputs).toMatchObject({
      before_fence: "on stdout\nPGPASSWORD=*** postgresql://me:***@h/db\n",
      after_promote: "",
    });
    expect(outputs["after_finish"]).toMatch(/^(much to tell\n)+$/);
    expect(outputs["after_finish"]?.length).toBeGreaterThan(60_000);
    expect(outputs["after_finish"]?.length).toBeLessThan(65_536);
    const page = await operator.run(["history", run]);
    expect(page.stdout).toContain(
      "output of hook before_fence --for switchover --from n1 --to n2\n  on stdout\n",
    );
  });

  test("before_fence says no: all is taken back, and the primary was left alone", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorWith(cluster, { before_fence: "echo 'the batch runs'; exit 3" });
    const state = async () => [allSettings(cluster), await slotsOf(cluster, ["n1", "n2", "n3"])];
    const before = await state();
    const started = await sql(cluster.server("n1"), startedSql);
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, report.outcome, alarmsIn(report)]).toEqual([7, "undone", ["hook-vetoed n2"]]);
    expect(report.findings[0]?.message).toBe(
      "writes were not stopped, because the hook before_fence failed with status 3: the batch runs",
    );
    expect(await state()).toEqual(before);
    await expectLed(cluster, operator, {
      by: "n1",
      timeline: 1,
      followers: { n2: "n1", n3: "n1" },
    });
    expect(ranIn(cluster)).toEqual(["before_fence", "on_failure"]);
    expect(hookIn(toldIn(cluster), "on_failure")).toMatchObject(
      factsOf(cluster, { REMASTER_OUTCOME: "undone" }),
    );
    expect(await sql(cluster.server("n1"), startedSql)).toEqual(started);
  });
});

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("what hangs is ended with all its processes, and that is a no as well", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const pids = join(cluster.directory, "pids");
    const operator = operatorWith(
      cluster,
      {
        before_fence: `trap '' TERM; sleep 600 & echo "$$ $!" >'${pids}'; echo 'I wait'; wait; sleep 600`,
      },
      "500ms",
    );
    const { status, report } = await operator.change("switchover");
    expect([status, alarmsIn(report)]).toEqual([7, ["hook-vetoed n2"]]);
    expect(report.findings[0]?.message).toMatch(
      /before_fence had not ended after \d+ ms, and was ended with all its processes: I wait$/,
    );
    expect(readFileSync(pids, "utf8").trim().split(" ").map(runs)).toEqual([false, false]);
    await expectLed(cluster, operator, { by: "n1", timeline: 1, followers: { n2: "n1" } });
    expect(ranIn(cluster)).toEqual(["before_fence", "on_failure"]);
  });

  test("the others stop nothing: they are warnings, and cost no standby its place", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorWith(cluster, {
      after_promote: "echo 'no name server'; exit 1",
      after_finish: "exec /no/such/program",
    });
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, alarmsIn(report)]).toEqual([0, ["hook-failed n2", "hook-failed n2"]]);
    expect(report.findings.map(({ severity }) => severity)).toEqual(["warning", "warning"]);
    expect(report.findings.map(({ message }) => message)).toEqual([
      "the hook after_promote failed with status 1: no name server",
      expect.stringMatching(/^the hook after_finish failed with status 127: .*\/no\/such\/program/),
    ]);
    await expectLed(cluster, operator, followed);
    expect(ranIn(cluster)).toEqual(["before_fence", "after_promote", "after_finish"]);
  });

  test("one that hangs behind the promotion leaves the others half of the time", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorWith(cluster, { after_promote: "sleep 600" }, "1h");
    const { status, report } = await operator.change(
      "switchover",
      "--to",
      "n2",
      "--timeout",
      "20s",
    );
    expect([status, alarmsIn(report)]).toEqual([0, ["hook-failed n2"]]);
    await expectLed(cluster, operator, followed);
  });

  test("a run that fails behind the promotion tells on_failure", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    // Who may not start again cannot come back.
    const auto = join(cluster.server("n1").dataDir, "postgresql.auto.conf");
    const settings = readFileSync(auto, "utf8");
    const operator = operatorWith(cluster, {
      after_promote: `echo 'no_such_setting = 1' >>'${auto}'`,
    });
    const { status, report } = await operator.change(
      "switchover",
      "--to",
      "n2",
      "--timeout",
      "12s",
    );
    expect([status, report.outcome]).toEqual([8, "incomplete"]);
    expect(ranIn(cluster)).toEqual(["before_fence", "after_promote", "on_failure"]);
    expect(hookIn(toldIn(cluster), "on_failure")).toMatchObject(
      factsOf(cluster, { REMASTER_OUTCOME: "incomplete" }),
    );
    const bad = readFileSync(auto, "utf8");
    expect(bad).not.toBe(settings);
    writeFileSync(auto, bad.replace("no_such_setting = 1\n", ""));
    expect(await operator.change("rejoin", "n1", "--to", "n2")).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, { by: "n2", timeline: 2, followers: { n1: "n2" } });
  });

  test("an interrupt ends the hook that runs, and is told to on_failure", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorWith(cluster, { before_fence: "sleep 600" }, "1m");
    const interrupts: NodeJS.Timeout[] = [];
    const { status } = await operator.run(["switchover", "--to", "n2", "--yes"], {
      onTalk: (child, text) => {
        if (interrupts.length > 0 || !text.includes("ask before_fence")) return;
        const whenItRuns = setInterval(() => {
          if (ranIn(cluster).length === 0) return;
          clearInterval(whenItRuns);
          child.kill("SIGINT");
        }, 5);
        interrupts.push(whenItRuns);
      },
    });
    expect(status).toBe(7);
    await expectLed(cluster, operator, {
      by: "n1",
      timeline: 1,
      followers: { n2: "n1", n3: "n1" },
    });
    expect(ranIn(cluster)).toEqual(["before_fence", "on_failure"]);
  });

  test("an operator killed in a hook: the next run goes on", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const flag = join(cluster.directory, "killed");
    const kill = `[ -e '${flag}' ] || { touch '${flag}'; kill -KILL $PPID; }`;
    const operator = operatorWith(cluster, { before_fence: kill });
    const killed = await operator.run(["switchover", "--to", "n2", "--yes"]);
    expect(killed.signal).toBe("SIGKILL");
    const { status, report } = await operator.change("switchover", "--to", "n2");
    expect([status, alarmsIn(report)]).toEqual([0, []]);
    await expectLed(cluster, operator, followed);
    expect(ranIn(cluster)).toEqual([
      "before_fence",
      "before_fence",
      "after_promote",
      "after_finish",
    ]);
  });

  test("of a failover, where there is nothing to ask", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await cluster.server("n1").kill();
    const operator = operatorWith(cluster);
    const words = ["failover", "--to", "n2", "--primary-is-dead"];
    // Nothing is begun: nothing is told.
    expect((await operator.run(words)).status).toBe(5);
    const { status, report } = await operator.change(...words);
    expect([status, report.outcome]).toEqual([0, "done"]);
    const failover = { REMASTER_VERB: "failover" };
    expect(toldIn(cluster)).toMatchObject([
      factsOf(cluster, {
        ...failover,
        REMASTER_HOOK: "after_promote",
        REMASTER_POSITION: expect.stringMatching(position) as string,
      }),
      factsOf(cluster, {
        ...failover,
        REMASTER_HOOK: "after_finish",
        REMASTER_OUTCOME: "done",
        REMASTER_POSITION: expect.stringMatching(position) as string,
      }),
    ]);
  });

  test("a failover that leaves a standby behind is a failure, and not finished", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await cluster.server("n1").kill();
    await cluster.cut("n3");
    const operator = operatorWith(cluster);
    const words = ["failover", "--to", "n2", "--primary-is-dead", "--timeout", "8s"];
    const { status } = await operator.change(...words);
    expect(status).toBe(8);
    expect(ranIn(cluster)).toEqual(["after_promote", "on_failure"]);
    expect(hookIn(toldIn(cluster), "on_failure")).toMatchObject({ REMASTER_OUTCOME: "incomplete" });
  });

  test("its script tells them the same", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorWith(cluster);
    const ran = await runScript(cluster, operator, ["switchover", "--to", "n2"]);
    expect([ran.status, ran.stderr]).toEqual([0, expect.not.stringContaining("did not work")]);
    await expectLed(cluster, operator, followed);
    const each = { at: expect.any(String) as string, REMASTER_RUN: expect.any(String) as string };
    expect(toldIn(cluster).map(withoutLock)).toEqual([
      factsOf(cluster, { ...each, REMASTER_HOOK: "before_fence" }),
      factsOf(cluster, {
        ...each,
        REMASTER_HOOK: "after_promote",
        REMASTER_POSITION: expect.stringMatching(position) as string,
      }),
      factsOf(cluster, {
        ...each,
        REMASTER_HOOK: "after_finish",
        REMASTER_POSITION: expect.stringMatching(position) as string,
        REMASTER_OUTCOME: "done",
      }),
    ]);
  });

  test("its script stops where before_fence says no", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorWith(cluster, { before_fence: "exit 4" });
    const ran = await runScript(cluster, operator, ["switchover", "--to", "n2"]);
    expect([ran.status, ran.stderr]).toEqual([7, expect.stringContaining("next: remaster undo")]);
    expect(ranIn(cluster)).toEqual(["before_fence", "on_failure"]);
    expect(hookIn(toldIn(cluster), "on_failure")).toMatchObject({ REMASTER_OUTCOME: "incomplete" });
    expect(await operator.change("undo")).toMatchObject({ status: 0 });
    await expectLed(cluster, operator, {
      by: "n1",
      timeline: 1,
      followers: { n2: "n1", n3: "n1" },
    });
  });
});

/** Ended and not yet waited for by anybody counts as ended. */
function runs(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Names the run of `remaster lock` that the script has around it. */
function withoutLock(facts: Facts): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([name]) => name !== "REMASTER_LOCK"));
}

/** Prints the script of a command line, saves it and runs it with `remaster` in the PATH. */
async function runScript(cluster: TestCluster, operator: Operator, words: readonly string[]) {
  const printed = await operator.run([...words, "--script"]);
  expect([printed.status, printed.stderr]).toEqual([0, ""]);
  const bin = join(cluster.directory, "bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(entryPoint, join(bin, "remaster"));
  const file = join(cluster.directory, "the plan.sh");
  writeFileSync(file, printed.stdout);
  return spawnSync("sh", [file], {
    cwd: "/",
    encoding: "utf8",
    env: { PATH: `${bin}:${process.env["PATH"] ?? ""}`, HOME: "/nonexistent", ...operator.env },
  });
}
