import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseInvocation } from "../../../src/cli/program.ts";
import { loadVerbs } from "../../../src/cli/verbs.ts";
import {
  quoteWord,
  renderScript,
  stageCommandLine,
  stepCommandLine,
} from "../../../src/plan/command-line.ts";
import type { Plan, PlannedStep, Stage } from "../../../src/plan/plan.ts";
import type { Step } from "../../../src/plan/step.ts";
import { position } from "../topology/build.ts";

const everyStep: readonly (readonly [Step, string])[] = [
  [{ verb: "quiesce", node: "n2", cancelQueries: false }, "remaster quiesce n2"],
  [{ verb: "quiesce", node: "n2", cancelQueries: true }, "remaster quiesce n2 --cancel-queries"],
  [{ verb: "unquiesce", node: "n2" }, "remaster unquiesce n2"],
  [{ verb: "exchange", node: "n2", from: null }, "remaster exchange --to n2"],
  [{ verb: "exchange", node: "n2", from: "n4" }, "remaster exchange --to n2 --from n4"],
  [{ verb: "promote", node: "n2", require: null }, "remaster promote n2"],
  [
    { verb: "promote", node: "n2", require: position("3@16/B374D848") },
    "remaster promote n2 --require 3@16/B374D848",
  ],
  [{ verb: "repoint", node: "n3", to: "n2", until: "follow" }, "remaster repoint n3 --to n2"],
  [
    { verb: "repoint", node: "n3", to: "n2", until: "set" },
    "remaster repoint n3 --to n2 --no-wait",
  ],
  [{ verb: "stop", node: "n1" }, "remaster stop n1"],
  [{ verb: "heal", node: "n3", to: "n2" }, "remaster heal n3 --to n2"],
  [
    { verb: "drop-slot", node: "n2", slot: "remaster_n3" },
    "remaster drop-slot n2 --slot remaster_n3",
  ],
];

function planned(step: Step, changes: Partial<PlannedStep> = {}): PlannedStep {
  return { step, required: true, undo: null, ...changes };
}

function quiesce(node: string, required = true): PlannedStep {
  return planned(
    { verb: "quiesce", node, cancelQueries: false },
    { required, undo: { verb: "unquiesce", node } },
  );
}

const failover: Plan = {
  format: 1,
  verb: "failover",
  observedAt: 1_700_000_000_000,
  pointOfNoReturn: 2,
  findings: [
    { code: "node-unreachable", severity: "problem", node: "n1", message: "n1 is down\nrm -rf /" },
  ],
  stages: [
    { reason: "still every standby", steps: [quiesce("n2"), quiesce("n3"), quiesce("n4", false)] },
    {
      reason: "bring n2 what it lacks",
      steps: [planned({ verb: "exchange", node: "n2", from: null })],
    },
    { reason: "n2 leads", steps: [planned({ verb: "promote", node: "n2", require: null })] },
    {
      reason: "see them follow",
      steps: ["n3", "n4"].map((node) =>
        planned({ verb: "repoint", node, to: "n2", until: "follow" }, { required: false }),
      ),
    },
  ],
};

describe("a step's command line", () => {
  test("is the verb with what the step says", () => {
    for (const [step, expected] of everyStep) expect(stepCommandLine(step)).toBe(expected);
  });

  test("parses as the verb that it names", async () => {
    const verbs = await loadVerbs();
    for (const [, text] of everyStep) {
      const [, name = "", ...rest] = text.split(" ");
      const verb = verbs.find((known) => known.name === name);
      expect(verb, name).toBeDefined();
      if (verb !== undefined) parseInvocation(verb.definition, rest);
    }
  });

  test("quotes what a shell would read otherwise", () => {
    expect(quoteWord("n2.example-1:5432")).toBe("n2.example-1:5432");
    expect(quoteWord("it's $HOME; x")).toBe("'it'\\''s $HOME; x'");
    expect(quoteWord("")).toBe("''");
    expect(stepCommandLine({ verb: "stop", node: "a b" })).toBe("remaster stop 'a b'");
  });
});

describe("a stage's command line", () => {
  const [still, exchange, , follow] = failover.stages as [Stage, Stage, Stage, Stage];

  test("names all nodes where the verb takes several", () => {
    expect(stageCommandLine(still)).toBe("remaster quiesce n2 n3 n4");
    expect(stageCommandLine(follow)).toBe("remaster repoint n3 n4 --to n2");
    expect(stageCommandLine(exchange)).toBe("remaster exchange --to n2");
  });

  test("is one per node where it does not, or where the steps differ", () => {
    const heal = (node: string, to: string) => planned({ verb: "heal", node, to });
    expect(stageCommandLine({ reason: "", steps: [heal("n3", "n2"), heal("n4", "n2")] })).toBe(
      "remaster heal n3 --to n2; remaster heal n4 --to n2",
    );
    const repoint = (node: string, to: string) =>
      planned({ verb: "repoint", node, to, until: "follow" });
    expect(
      stageCommandLine({
        reason: "",
        steps: [repoint("n3", "n2"), repoint("n4", "n3"), repoint("n5", "n2")],
      }),
    ).toBe("remaster repoint n3 n5 --to n2; remaster repoint n4 --to n3");
  });
});

describe("a plan as a script", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "remaster-script-"));
    // A stand-in that notes how it was called, and fails where it is told to.
    writeFileSync(
      join(folder, "remaster"),
      '#!/bin/sh\necho "$*" >>"$CALLS"\ncase "$*" in "$FAIL_AT"*) exit "$FAIL_WITH" ;; esac\n',
    );
    chmodSync(join(folder, "remaster"), 0o755);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** Runs the script with the stand-in: its status, the calls made and what it said. */
  function run(script: string, failAt = "-", failWith = 7) {
    const calls = join(folder, "calls");
    writeFileSync(calls, "");
    const result = spawnSync("/bin/sh", ["-s"], {
      input: script,
      encoding: "utf8",
      env: {
        PATH: `${folder}:/usr/bin:/bin`,
        CALLS: calls,
        FAIL_AT: failAt,
        FAIL_WITH: String(failWith),
      },
    });
    const made = readFileSync(calls, "utf8").trim().split("\n");
    return { status: result.status, stderr: result.stderr, calls: made };
  }

  test("reads like this", () => {
    expect(`\n${renderScript(failover)}`).toMatchInlineSnapshot(`
      "
      #!/bin/sh
      # the plan of remaster failover, as subcommands
      # problem: n1 is down rm -rf /
      set -eu

      remaster() { command remaster "$@" --yes; }

      # when a command fails: take back what was begun, newest first, for as long as that can be done
      begun=0
      take_back() {
        status=$?
        [ "$begun" -lt 3 ] || [ "$status" -le 7 ] || exit "$status"
        [ "$begun" -lt 1 ] || remaster unquiesce n2 || true
        [ "$begun" -lt 1 ] || remaster unquiesce n3 || true
        [ "$begun" -lt 1 ] || remaster unquiesce n4 || true
        exit "$status"
      }
      trap take_back EXIT

      # still every standby
      begun=1
      remaster quiesce n2 n3
      remaster quiesce n4 || echo 'best effort, did not work: remaster quiesce n4' >&2

      # bring n2 what it lacks
      remaster exchange --to n2

      # the point of no return: once this is done nothing is taken back
      # n2 leads
      begun=3
      remaster promote n2
      trap - EXIT

      # see them follow
      remaster repoint n3 --to n2 || echo 'best effort, did not work: remaster repoint n3 --to n2' >&2
      remaster repoint n4 --to n2 || echo 'best effort, did not work: remaster repoint n4 --to n2' >&2
      "
    `);
  });

  test("types the plan's commands in order", () => {
    expect(run(renderScript(failover))).toEqual({
      status: 0,
      stderr: "",
      calls: [
        "quiesce n2 n3 --yes",
        "quiesce n4 --yes",
        "exchange --to n2 --yes",
        "promote n2 --yes",
        "repoint n3 --to n2 --yes",
        "repoint n4 --to n2 --yes",
      ],
    });
  });

  test("takes back what was begun when a required command fails, newest first", () => {
    expect(run(renderScript(failover), "exchange")).toMatchObject({
      status: 7,
      calls: [
        "quiesce n2 n3 --yes",
        "quiesce n4 --yes",
        "exchange --to n2 --yes",
        "unquiesce n2 --yes",
        "unquiesce n3 --yes",
        "unquiesce n4 --yes",
      ],
    });
  });

  test("takes back a promotion that was refused, and none whose end is unknown", () => {
    const refused = run(renderScript(failover), "promote", 5);
    expect(refused.status).toBe(5);
    expect(refused.calls.slice(-2)).toEqual(["unquiesce n3 --yes", "unquiesce n4 --yes"]);
    for (const status of [8, 70, 130]) {
      const unknown = run(renderScript(failover), "promote", status);
      expect(unknown.status).toBe(status);
      expect(unknown.calls.at(-1)).toBe("promote n2 --yes");
    }
  });

  test("goes on after a best-effort command that failed, and says so", () => {
    const { status, stderr, calls } = run(renderScript(failover), "repoint n3");
    expect(status).toBe(0);
    expect(stderr).toBe("best effort, did not work: remaster repoint n3 --to n2\n");
    expect(calls.at(-1)).toBe("repoint n4 --to n2 --yes");
  });

  test("names the cluster on every command line, whatever its path", () => {
    const script = renderScript(failover, { cluster: ["--config", "/srv/it's here/x.toml"] });
    const { calls } = run(script);
    expect(calls[0]).toBe("quiesce n2 n3 --yes --config /srv/it's here/x.toml");
  });

  test("a message cannot leave its comment", () => {
    const script = renderScript(failover);
    expect(script).toContain("# problem: n1 is down rm -rf /");
    expect(run(script).status).toBe(0);
  });

  test("a plan that can be undone throughout lets go of the undo at its end", () => {
    const plan: Plan = { ...failover, pointOfNoReturn: null, stages: failover.stages.slice(0, 2) };
    expect(run(renderScript(plan)).calls).toHaveLength(3);
    expect(run(renderScript(plan), "quiesce n2").calls.at(-1)).toBe("unquiesce n4 --yes");
  });

  test("shellcheck has nothing to say", ({ skip }) => {
    const script = renderScript(failover, { cluster: ["--config", "/srv/x y.toml"] });
    const result = spawnSync("shellcheck", ["-"], { input: script, encoding: "utf8" });
    skip(result.error !== undefined, "shellcheck is not installed");
    expect(result.stdout).toBe("");
    expect(result.status).toBe(0);
  });
});
