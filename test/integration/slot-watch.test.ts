// slot-sync that is kept going beside an operator at work: it stands in nobody's way, outlives what befalls the cluster, and
// says what changed and nothing else.

import type { ChildProcess } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { operatorOf } from "../support/cli.ts";
import { untilSees } from "../support/cluster-state.ts";
import { fewMajors, startCluster, type TestCluster } from "../support/cluster.ts";
import { remaster } from "../support/program.ts";

const watching = ["slot-sync", "--watch", "0.2"] as const;
const lockRow = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted`;
const nothing = "there is no logical slot to keep";

/** Waits for each of these words on stderr, in this order, and acts on them. */
function script(acts: readonly (readonly [string, (child: ChildProcess) => unknown])[]) {
  const begun: unknown[] = [];
  let from = 0;
  const onTalk = (child: ChildProcess, stderr: string): void => {
    const [said, act] = acts[begun.length] ?? [];
    const at = said === undefined ? -1 : stderr.indexOf(said, from);
    if (said === undefined || at === -1) return;
    from = at + said.length;
    begun.push(act?.(child));
  };
  return {
    onTalk,
    acted: async (): Promise<void> => {
      await Promise.all(begun);
      expect(begun).toHaveLength(acts.length);
    },
  };
}

const end = (child: ChildProcess): boolean => child.kill("SIGTERM");

function journals(cluster: TestCluster): readonly string[] {
  return readdirSync(join(cluster.directory, "desk", "remaster")).filter((name) =>
    name.endsWith(".jsonl"),
  );
}

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  test("a failover goes on beside it, and it goes on after it", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const other = operatorOf(cluster, { desk: "other" });
    const acts = script([
      [nothing, () => cluster.server("n1").kill()],
      [
        "no primary can be reached",
        async () => {
          const { report } = await other.change("failover", "--primary-is-dead", "--to", "n2");
          expect([report.outcome, report.topology?.primaries]).toEqual(["done", ["n2"]]);
        },
      ],
      [nothing, end],
    ]);
    const { status, stdout, stderr } = await operator.run([...watching, "--yes"], acts);
    await acts.acted();
    expect(stderr).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ there is no logical slot/);
    expect(stdout).toMatch(/^ended by a signal after \d+ passes/m);
    expect(status).toBe(0);
    // One that the failover took the lock from may have left its own.
    expect(journals(cluster).length).toBeLessThan(2);
  });

  test("a pass that hangs is ended for the sake of a failover, and tells", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const other = operatorOf(cluster, { desk: "other" });
    await cluster.server("n1").freeze();
    const passes: ChildProcess[] = [];
    const passed = operator.run(["slot-sync", "--yes"], {
      onStart: (child) => void passes.push(child),
    });
    await untilSees(cluster, ["n2", "n3"], { statement: lockRow, value: "1" });
    passes[0]?.kill("SIGSTOP");
    const { report } = await other.change("failover", "--primary-is-dead", "--to", "n2");
    expect([report.outcome, report.topology?.primaries]).toEqual(["done", ["n2"]]);
    passes[0]?.kill("SIGCONT");
    const { status } = await passed;
    expect([4, 5, 8]).toContain(status);
  });

  test("a pass that finds the lock held ends with one line", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster);
    const over = join(cluster.directory, "over");
    const wait = `until [ -e '${over}' ]; do sleep 0.05; done`;
    const held = remaster(["lock", "--config", cluster.configFile, "--", "sh", "-c", wait]);
    await untilSees(cluster, ["n1", "n2"], { statement: lockRow, value: "1" });
    const { status, stdout, stderr } = await operator.run(["slot-sync", "--yes"]);
    expect(stdout).toBe("");
    expect(stderr).toContain("holds the lock on n1, n2");
    expect(status).toBe(5);
    writeFileSync(over, "");
    await held;
  });
});
