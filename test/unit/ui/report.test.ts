import { describe, expect, test } from "vitest";
import type { Report } from "../../../src/plan/report.ts";
import { type OutputOptions, renderOutput } from "../../../src/ui/output.ts";
import { colourLook, plainLook } from "./lines.ts";
import { reports } from "./reports.ts";

const people: OutputOptions = {
  json: false,
  quiet: false,
  verbose: false,
  stdout: plainLook,
  stderr: plainLook,
};

/** Both streams, as a terminal would show them. */
async function streams(report: Report, options: Partial<OutputOptions> = {}): Promise<string> {
  const { stdout, stderr } = await renderOutput(report, { ...people, ...options });
  return `\n${stdout}${stderr === "" ? "" : `--- stderr\n${stderr}`}`;
}

describe("for people", () => {
  test("status", async () => {
    expect(await streams(reports.status)).toMatchInlineSnapshot(`
      "
      orders
      NODE      ROLE     POSITION     LAG   STATE
      n1        primary  1@0/5000060        PostgreSQL 17.10
      ├─ n2     standby  1@0/5000060  none  streaming
      └─ n3     standby  1@0/5000060  none  streaming
         └─ n4  standby  1@0/5000060  none  streaming

      4 of 4 nodes reachable, primary: n1, no problems
      "
    `);
  });

  test("status with findings", async () => {
    expect(await streams(reports.troubledStatus)).toMatchInlineSnapshot(`
      "
      orders
      NODE   ROLE     POSITION     LAG           STATE
      n1     primary  2@1/5000060                PostgreSQL 17.10
      │  slot cdc: logical, in use, at 1/5000000
      └─ n2  standby  2@1/4000060  16 MB, 1.5 s  streaming, replay paused
      n3     standby  unknown      none          quiesced, told of 10.0.0.9:5432
      n4     down                                connection refused

      problem: n4: the database system is starting up [node-unreachable]
      hint: wait for it, or read its log
      warning: replay of n2 is paused [replay-paused]

      3 of 4 nodes reachable, primary: n1, 1 problem
      "
    `);
  });

  test("recorded runs", async () => {
    expect(await streams(reports.history)).toMatchInlineSnapshot(`
      "
      WHEN                  VERB      OUTCOME     CLUSTER    TOOK  WHO       RUN
      2026-08-02 03:11:12Z  failover  incomplete  orders   190 ms  ana@desk  20260802T031112120Z-4711
      2026-08-02 03:11:12Z  failover  unfinished  orders           ana@desk  20260801T221500000Z-99

      there are more: --limit 0 lists all
      "
    `);
    expect(await streams(reports.history, { quiet: true })).toMatchInlineSnapshot(`
      "
      20260802T031112120Z-4711
      20260801T221500000Z-99
      "
    `);
  });

  test("one recorded run", async () => {
    expect(await streams(reports.oneRun)).toMatchInlineSnapshot(`
      "
      failover of orders: incomplete
      command     remaster failover --primary-is-dead --yes
      began       2026-08-02 03:11:12Z by ana@desk
      took        190 ms
      remaster    0.1.0
      journal     /home/ana/.local/state/remaster/orders-20260802T031112120Z-failover-4711.jsonl

      plan of failover, 4 stages
      1  remaster quiesce n2 n3 n4
         still every standby, so that what each one has is certain; best effort on n3,
         n4
      2  remaster exchange --to n2
         bring n2 what any reachable node has and it lacks
      ── from here on nothing can be taken back ──
      3  remaster promote n2
         make n2 the primary, on a new timeline
      4  remaster repoint n3 n4 --to n2
         see them follow n2; best effort

          AT  STATE    STEP                TOOK
       +1 ms  done     quiesce n2         40 ms
       +1 ms  done     quiesce n3         36 ms
      +42 ms  already  exchange --to n2    8 ms
      +51 ms  done     promote n2        109 ms  2@0/5000100

      n2 leads at 2@0/5000100, followed by n3
      "
    `);
    expect(await streams(reports.oneRun, { quiet: true })).toBe("\ndone\n");
  });

  test("a ranking", async () => {
    expect(await streams(reports.comparison)).toMatchInlineSnapshot(`
      "
      NODE  POSITION     BEHIND   MAY LEAD   WHY
      n3    1@0/5000160  none     candidate  no reachable standby has more
      n2    1@0/5000060  256 B    yes        256 bytes behind n3
      n4    1@0/5000060  256 B    yes        256 bytes behind n3
      n1    unknown      unknown  no         cannot be reached: connection refused

      candidate: n3, which lacks nothing
      "
    `);
  });

  test("a dry run", async () => {
    expect(await streams(reports.dryRun)).toMatchInlineSnapshot(`
      "
      plan of failover, 4 stages
      1  remaster quiesce n2 n3 n4
         still every standby, so that what each one has is certain; best effort on n3,
         n4
      2  remaster exchange --to n2
         bring n2 what any reachable node has and it lacks
      ── from here on nothing can be taken back ──
      3  remaster promote n2
         make n2 the primary, on a new timeline
      4  remaster repoint n3 n4 --to n2
         see them follow n2; best effort

      warning: n4 ends in the middle of a record [torn-tail]
      hint: remaster heal n4 --to n2 afterwards

      this is the plan; nothing was changed
      "
    `);
  });

  test("a failover that worked, with the tree as it is now", async () => {
    expect(await streams(reports.done)).toMatchInlineSnapshot(`
      "
      orders
      NODE      ROLE     POSITION     LAG   STATE
      n1        primary  1@0/5000060        PostgreSQL 17.10
      ├─ n2     standby  1@0/5000060  none  streaming
      └─ n3     standby  1@0/5000060  none  streaming
         └─ n4  standby  1@0/5000060  none  streaming

      STATE    STEP               TOOK
      done     quiesce n2        41 ms
      already  exchange --to n2   0 ms
      done     promote n2        63 ms  2@0/5000160

      n2 leads at 2@0/5000160, followed by n3, n4
      "
    `);
  });

  test("one that needs a person: steps on stdout, the verdict on stderr", async () => {
    expect(await streams(reports.incomplete)).toMatchInlineSnapshot(`
      "
      STATE    STEP                  TOOK
      done     promote n2           63 ms
      failed   repoint n4 --to n2  30.0 s  it asks for WAL from beyond the switchpoint
      skipped  heal n5 --to n2
      --- stderr

      problem: repoint of n4 failed: it asks for WAL from beyond the switchpoint
        [step-failed]

      remaster: not finished: the steps and findings say what holds

      next: remaster status
      next: remaster failover
      "
    `);
  });

  test("a refusal says on stderr why, once", async () => {
    expect(await streams(reports.refused)).toMatchInlineSnapshot(`
      "
      --- stderr
      remaster: refused, nothing was changed: n1 is a primary and answers
      hint: a planned change is a switchover
      "
    `);
  });

  test("an error that kept the verb from deciding", async () => {
    expect(await streams(reports.config)).toMatchInlineSnapshot(`
      "
      --- stderr
      remaster: no topology file: remaster.toml is not here
      hint: write one, or name it with --config
      "
    `);
  });

  test("lines of a verb's own stand as they are", async () => {
    expect(await streams(reports.nodes)).toBe("\nn1\nn2\n");
  });

  test("with --verbose the times too", async () => {
    expect(await streams(reports.done, { verbose: true })).toContain("took: 1-quiesce 41 ms");
  });

  test("an operator who declined has seen the plan already", async () => {
    const declined: Report = {
      ...reports.dryRun,
      outcome: "declined",
      findings: [],
      summary: "declined; nothing was changed",
    };
    expect(await streams(declined)).toBe("\n--- stderr\nremaster: declined; nothing was changed\n");
  });

  test("colours add nothing but themselves", async () => {
    for (const report of Object.values<Report>(reports)) {
      const plain = await renderOutput(report, people);
      const coloured = await renderOutput(report, {
        ...people,
        stdout: colourLook,
        stderr: colourLook,
      });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours themselves
      const strip = (text: string): string => text.replace(/\u001b\[\d+m/g, "");
      expect(strip(coloured.stdout)).toBe(plain.stdout);
      expect(strip(coloured.stderr)).toBe(plain.stderr);
    }
  });
});

describe("with --quiet", () => {
  test("one word on stdout", async () => {
    expect(await streams(reports.status, { quiet: true })).toBe("\nok\n");
    expect(await streams(reports.troubledStatus, { quiet: true })).toBe("\nproblem\n");
    expect(await streams(reports.done, { quiet: true })).toBe("\nn2\n");
  });

  test("what went wrong is still said on stderr", async () => {
    const { stdout, stderr } = await renderOutput(reports.refused, { ...people, quiet: true });
    expect(stdout).toBe("");
    expect(stderr).toContain("n1 is a primary and answers");
  });

  test("a verb whose output is its own lines gives them", async () => {
    expect(await streams(reports.nodes, { quiet: true })).toBe("\nn1\nn2\n");
  });
});

describe("with --json", () => {
  test("one line of JSON and nothing on stderr, also with --quiet", async () => {
    const piped = { json: true, stdout: { ...plainLook, isTTY: false } };
    for (const report of Object.values<Report>(reports)) {
      const plain = await renderOutput(report, { ...people, ...piped });
      expect(plain.stderr).toBe("");
      expect(plain.stdout.split("\n")).toHaveLength(2);
      expect(await renderOutput(report, { ...people, ...piped, quiet: true })).toEqual(plain);
    }
  });

  test("indented on a terminal", async () => {
    const { stdout } = await renderOutput(reports.config, { ...people, json: true });
    expect(stdout).toMatchInlineSnapshot(`
      "{
        "format": 1,
        "command": "status",
        "cluster": null,
        "outcome": "config",
        "exitCode": 3,
        "summary": "no topology file: remaster.toml is not here",
        "hint": "write one, or name it with --config",
        "findings": [],
        "next": []
      }
      "
    `);
  });
});
