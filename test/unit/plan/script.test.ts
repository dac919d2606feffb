// A plan as a script: how it reads, what it runs in which order, and how it stops. A stand-in takes the place of remaster;
// the real thing is compared with the verb in test/integration/script.test.ts.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Plan, PlannedStep } from "../../../src/plan/plan.ts";
import { renderScript, type ScriptOptions } from "../../../src/plan/script.ts";
import type { Step } from "../../../src/plan/step.ts";

function planned(step: Step, changes: Partial<PlannedStep> = {}): PlannedStep {
  return { step, required: true, undo: null, ...changes };
}

function quiesce(node: string, required = true): PlannedStep {
  const undo = { verb: "unquiesce", node } as const;
  return planned({ verb: "quiesce", node, cancelQueries: false }, { required, undo });
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

const options: ScriptOptions = {
  cluster: ["--config", "/srv/x.toml"],
  verb: ["failover", "--to", "n2"],
  shared: [],
};

const inOrder = [
  "lock",
  "failover --to n2 --dry-run",
  "quiesce n2 n3",
  "quiesce n4",
  "exchange --to n2",
  "promote n2",
];

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "remaster-script-"));
  // Notes how it was called, fails where it is told to, and runs what `lock` is to run.
  writeFileSync(
    join(folder, "remaster"),
    `#!/bin/sh
if [ "$1" = lock ]; then
  echo lock >>"$CALLS"
  while [ "$1" != -- ]; do shift; done
  shift
  REMASTER_LOCK=held exec "$@"
fi
echo "$*" >>"$CALLS"
case "$*" in "$FAIL_AT"*) exit "$FAIL_WITH" ;; esac
`,
  );
  chmodSync(join(folder, "remaster"), 0o755);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the script with the stand-in: its status, the calls made (without what every one has) and what it said. */
function run(script: string, fails: { readonly at: string; readonly with?: number } | null = null) {
  const calls = join(folder, "calls");
  const file = join(folder, "it's a script");
  writeFileSync(calls, "");
  writeFileSync(file, script);
  const env = {
    PATH: `${folder}:/usr/bin:/bin`,
    CALLS: calls,
    FAIL_AT: fails?.at ?? "-",
    FAIL_WITH: String(fails?.with ?? 7),
  };
  const { status, stderr } = spawnSync("/bin/sh", [file], { encoding: "utf8", env });
  const made = readFileSync(calls, "utf8").trim().split("\n");
  return { status, stderr, calls: made.map((call) => call.replace(/ --yes.*$/, "")) };
}

describe("a plan as a script", () => {
  test("reads like this", () => {
    expect(`\n${renderScript(failover, options)}`).toMatchInlineSnapshot(`
      "
      #!/bin/sh
      # the plan of remaster failover, as subcommands
      # problem: n1 is down rm -rf /
      set -eu

      # one operator at a time: all of it runs under the lock of the cluster
      if [ -z "\${REMASTER_LOCK:-}" ]; then
        if ! grep -qs '^# the plan of remaster failover, as subcommands$' "$0"; then
          echo "remaster: save this script to a file and run that" >&2
          exit 2
        fi
        exec remaster lock --config /srv/x.toml -- sh "$0"
      fi

      remaster() { command remaster "$@" --yes --config /srv/x.toml </dev/null; }
      best_effort() { remaster "$@" || echo "remaster: best effort, did not work: remaster $*" >&2; }

      # to go on from wherever it stops: remaster failover --to n2 --config /srv/x.toml
      # to take back: remaster undo --config /srv/x.toml
      forward='remaster failover --to n2 --config /srv/x.toml'
      back='remaster undo --config /srv/x.toml'
      stopped() {
        status=$?
        wait
        [ "$status" -eq 0 ] || printf '%s\\n' "remaster: the script stopped with status $status" \\
          "next: $forward" \${back:+"next: $back"} >&2
      }
      trap stopped EXIT
      trap 'exit 130' INT
      trap 'exit 143' TERM

      # nothing is changed unless the same plan would still be made
      remaster failover --to n2 --dry-run >/dev/null

      # 1. still every standby
      remaster quiesce n2 n3
      best_effort quiesce n4

      # 2. bring n2 what it lacks
      remaster exchange --to n2

      # ---- point of no return: from here on nothing can be taken back ----
      # 3. n2 leads
      remaster promote n2
      back=

      # 4. see them follow
      best_effort repoint n3 --to n2 &
      best_effort repoint n4 --to n2 &
      wait
      "
    `);
  });

  test("types the plan's commands in order, under the lock", () => {
    const { status, stderr, calls } = run(renderScript(failover, options));
    expect([status, stderr]).toEqual([0, ""]);
    expect(calls.slice(0, 6)).toEqual(inOrder);
    expect(calls.slice(6).toSorted()).toEqual(["repoint n3 --to n2", "repoint n4 --to n2"]);
  });

  test("changes nothing where the plan would no longer be made", () => {
    const { status, calls } = run(renderScript(failover, options), { at: "failover", with: 5 });
    expect(status).toBe(5);
    expect(calls).toEqual(["lock", "failover --to n2 --dry-run"]);
  });

  test("stops at a required command that fails, and says what to type next", () => {
    const { status, stderr, calls } = run(renderScript(failover, options), { at: "exchange" });
    expect(status).toBe(7);
    expect(calls).toEqual(inOrder.slice(0, 5));
    expect(stderr).toBe(
      [
        "remaster: the script stopped with status 7",
        "next: remaster failover --to n2 --config /srv/x.toml",
        "next: remaster undo --config /srv/x.toml\n",
      ].join("\n"),
    );
  });

  test("after the point of no return the way is forward", () => {
    const follow = planned({ verb: "repoint", node: "n3", to: "n2", until: "follow" });
    const stages = [...failover.stages.slice(0, 3), { reason: "follow", steps: [follow] }];
    const { status, stderr } = run(renderScript({ ...failover, stages }, options), {
      at: "repoint",
      with: 8,
    });
    expect(status).toBe(8);
    expect(stderr).toMatch(/next: remaster failover --to n2 --config \/srv\/x.toml\n$/);
    // A promotion that was refused has not passed it.
    const refused = run(renderScript(failover, options), { at: "promote", with: 5 });
    expect(refused.stderr).toMatch(/next: remaster undo --config \/srv\/x.toml\n$/);
  });

  test("goes on after a best-effort command that failed, and says so", () => {
    const { status, stderr, calls } = run(renderScript(failover, options), { at: "repoint n3" });
    expect(status).toBe(0);
    expect(stderr).toBe("remaster: best effort, did not work: remaster repoint n3 --to n2\n");
    expect(calls).toContain("repoint n4 --to n2");
  });

  test("is not read from a pipe, which would lose the status of what wrote it", () => {
    const { status, stderr } = spawnSync("/bin/sh", [], {
      input: renderScript(failover, options),
      encoding: "utf8",
      env: { PATH: `${folder}:/usr/bin:/bin`, CALLS: join(folder, "calls") },
      cwd: folder,
    });
    expect(status).toBe(2);
    expect(stderr).toBe("remaster: save this script to a file and run that\n");
  });

  test("names the cluster on every command line, whatever its path", () => {
    const script = renderScript(failover, {
      ...options,
      cluster: ["--config", "/srv/it's here/x.toml"],
      shared: ["--timeout", "60s"],
    });
    const { status } = run(script);
    expect(status).toBe(0);
    const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n").slice(1);
    for (const call of calls) {
      expect(call).toMatch(/ --yes --timeout 60s --config \/srv\/it's here\/x.toml$/);
    }
  });

  test("a message cannot leave its comment", () => {
    expect(renderScript(failover, options)).toContain("# problem: n1 is down rm -rf /\n");
  });

  test("says of a plan that cannot be taken back only how to go on", () => {
    const step = planned({ verb: "unquiesce", node: "n2" });
    const plan: Plan = {
      ...failover,
      verb: "unquiesce",
      pointOfNoReturn: null,
      stages: [{ reason: "give them back", steps: [step] }],
    };
    const script = renderScript(plan, { ...options, verb: ["unquiesce"] });
    expect(script).not.toContain("undo");
    expect(run(script, { at: "unquiesce n2" }).stderr).toMatch(
      /next: remaster unquiesce --config \/srv\/x.toml\n$/,
    );
  });

  test("shellcheck has nothing to say", ({ skip }) => {
    const script = renderScript(failover, options);
    const result = spawnSync("shellcheck", ["-"], { input: script, encoding: "utf8" });
    skip(result.error !== undefined, "shellcheck is not installed");
    expect(result.stdout).toBe("");
    expect(result.status).toBe(0);
  });
});
