// The journal of real runs as `history` tells it: what was done, by whom, and what was never finished.

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { operatorOf } from "../support/cli.ts";
import { startCluster, fewMajors } from "../support/cluster.ts";
import { remaster } from "../support/program.ts";

interface Run {
  readonly id: string;
  readonly verb: string;
  readonly cluster: string;
  readonly outcome: string;
  readonly operator: string;
  readonly commandLine: string;
  readonly summary?: string;
  readonly plan?: { readonly stages: readonly { readonly commandLine: string }[] };
  readonly steps?: readonly { readonly commandLine: string; readonly state: string }[];
}

describe.each(fewMajors.slice(-1))("PostgreSQL %d", (major) => {
  test("runs are told newest first, with who, how and what became of them", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    const operator = operatorOf(cluster);
    const desk = (...words: readonly string[]) =>
      remaster(["history", ...words], { env: operator.env });
    const read = async (...words: readonly string[]) => {
      const { status, stdout } = await desk(...words, "--json");
      return { status, ...(JSON.parse(stdout) as { runs: readonly Run[]; run: Run }) };
    };
    const folder = join(operator.env["XDG_STATE_HOME"] ?? "", "remaster");
    const empty = await desk();
    expect([empty.status, empty.stdout]).toEqual([0, `no run is recorded in ${folder}\n`]);

    await operator.ask("quiesce", "--dry-run");
    expect(await operator.change("quiesce")).toMatchObject({ status: 0 });
    // Cut off, n2 does not come to follow; killed before the journal is on disk, a run would leave none.
    await cluster.cut("n2");
    const journals = () => readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
    const isBegun = () =>
      journals().some((name) => {
        const text = readFileSync(join(folder, name), "utf8");
        return name.includes("-repoint-") && text.includes("step-began");
      });
    const killing: Promise<unknown>[] = [];
    await operator.run(["repoint", "n2", "--to", "n3", "--yes"], {
      onTalk: (child) => {
        if (killing.length > 0) return;
        const begun = expect.poll(isBegun, { timeout: 15_000, interval: 10 }).toBe(true);
        killing.push(begun.then(() => child.kill("SIGKILL")));
      },
    });
    await Promise.all(killing);
    expect(killing).toHaveLength(1);
    expect(await operator.change("undo")).toMatchObject({ status: 0 });

    const { status, runs } = await read();
    expect(status).toBe(0);
    expect(runs.map(({ verb, outcome }) => [verb, outcome])).toEqual([
      ["undo", "done"],
      ["repoint", "unfinished"],
      ["quiesce", "done"],
    ]);
    const [undone, killed] = runs as [Run, Run];
    expect(undone).toMatchObject({
      cluster: "sandbox",
      operator: `${userInfo().username}@${hostname()}`,
      commandLine: `remaster undo --yes --json --config ${operator.config}`,
    });

    const quiet = await desk("--quiet");
    expect(quiet.stdout.trim().split("\n")).toEqual(runs.map(({ id }) => id));
    const limited = await desk("--limit", "2");
    expect(limited.stdout.split("\n").slice(0, 3)).toEqual([
      expect.stringMatching(/^WHEN +VERB +OUTCOME +CLUSTER +TOOK +WHO +RUN$/),
      expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}undo +done +sandbox +\d/),
      expect.stringMatching(/ {2}repoint +unfinished +sandbox {2}/),
    ]);
    expect(limited.stdout).toMatch(/\nthere are more: --limit 0 lists all\n$/);

    const one = await read(undone.id);
    expect(one.run.plan?.stages.map(({ commandLine }) => commandLine)).toContain(
      "remaster unquiesce n2 n3",
    );
    expect(one.run.steps).toContainEqual(
      expect.objectContaining({ commandLine: "remaster unquiesce n2", state: "done" }),
    );
    expect(one.run.summary).toMatch(/bears a mark$/);
    const shown = await desk(killed.id);
    expect(shown.status).toBe(0);
    expect(shown.stdout).toContain("repoint of sandbox: unfinished\n");
    expect(shown.stdout).toContain("plan of repoint, 1 stage\n");
    expect(shown.stdout).toMatch(/\+\d+ ms {2}unfinished {2}repoint n2 --to n3/);
    expect((await desk(killed.id, "--quiet")).stdout).toBe("unfinished\n");

    // Of another cluster there is none; a beginning that fits several names none.
    const other = join(cluster.directory, "other.toml");
    const text = readFileSync(cluster.configFile, "utf8");
    writeFileSync(other, text.replace(/^cluster = .*$/m, 'cluster = "other"'));
    expect((await read("--config", other)).runs).toEqual([]);
    const many = await desk(undone.id.slice(0, 4));
    expect([many.status, many.stderr]).toEqual([2, expect.stringContaining(undone.id)]);
    expect((await desk("nothing")).status).toBe(2);

    expect(journals().map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([
      0o600, 0o600, 0o600,
    ]);
  });
});
