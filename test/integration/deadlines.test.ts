// Servers and commands that never answer, in every phase of a failover: the run ends by itself within the time that it
// was given, its status says what holds, and once all is well again the same command finishes.

import { describe, expect, test } from "vitest";
import { stories } from "../faults/stories.ts";
import { nodeOfAct, runStruck } from "../faults/strike.ts";
import {
  alarmsIn,
  changedConfig,
  type CliReport,
  operatorOf,
  stepsIn,
  withNodeLines,
} from "../support/cli.ts";
import {
  allSettings,
  autoSettings,
  countRows,
  expectLed,
  makeRows,
  slotsOf,
  sql,
  untilSees,
} from "../support/cluster-state.ts";
import { startCluster, fewMajors } from "../support/cluster.ts";
import { remaster } from "../support/program.ts";
import { answering, blackHole } from "../support/strangers.ts";

const failover = ["failover", "--primary-is-dead"] as const;

/** Acts of a failover with an exchange from n3, which never leads, to n2: the candidate when it is stilled, and the source
 * when it is to give what only it has. What of it is not taken back is on the frozen node. */
const beforeTheLead = [
  { act: "n2 reload 1", failed: "failed quiesce n2", left: [] },
  // Thawed, n3 makes the slot that it was asked for, and nobody waits for it any more.
  { act: "n3 slot 1", failed: "failed quiesce n3", left: ["drop-slot n3 --slot n2"] },
] as const;

test("with nobody but the silent there, a look and a change end with 4", async () => {
  await using hole = await blackHole();
  await using silence = await answering();
  const words = ["--dsn", `host=127.0.0.1,127.0.0.1 port=${hole.port},${silence.port} user=me`];
  for (const verb of [["status"], [...failover, "--yes"]]) {
    const { status, stderr } = await remaster([...words, "--timeout", "2s", ...verb]);
    expect([verb, status, stderr]).toEqual([verb, 4, expect.stringMatching(/./)]);
  }
});

describe.each(fewMajors)("PostgreSQL %d", (major) => {
  // Side by side, because they wait more than they work.
  test.concurrent("a server that freezes in a phase of a failover ends it, known, and it is taken back or goes on", async () => {
    const [story] = stories;
    if (story === undefined) throw new Error("no story");
    await using cluster = await story.start(major);
    const state = async () => [allSettings(cluster), await slotsOf(cluster, ["n2", "n3", "n4"])];
    const before = await state();
    const other = operatorOf(cluster, { desk: "other" });
    const freeze = async (act: string): Promise<CliReport> => {
      const words = [...failover, "--to", "n2", "--timeout", "4s"];
      const fault = { kind: "server-frozen", act } as const;
      const run = await runStruck(cluster, { words, fault, lost: story.lost });
      await cluster.server(nodeOfAct(act)).thaw();
      expect([act, run.struck, run.status]).toEqual([act, true, 8]);
      return JSON.parse(run.stdout) as CliReport;
    };
    for (const { act, failed, left } of beforeTheLead) {
      const report = await freeze(act);
      expect(stepsIn(report)).toEqual(expect.arrayContaining([failed, "skipped promote n2"]));
      const undone = await other.change("undo");
      expect([act, undone.status, undone.report.summary]).toEqual([act, 0, expect.anything()]);
      const slots = report.findings.filter(({ code }) => code === "slot-left");
      expect(slots.map(({ hint }) => hint)).toEqual(left.map((line) => `\`remaster ${line}\``));
      for (const line of left) expect((await other.change(...line.split(" "))).status).toBe(0);
      expect([act, ...(await state())]).toEqual([act, ...before]);
    }
    const { findings, next } = await freeze("n2 promote 1");
    expect(findings).toContainEqual(
      expect.objectContaining({ code: "promotion-unknown", node: "n2" }),
    );
    expect(next[0]).toMatch(/^remaster failover .*--to n2/);
    const again = await other.change(...failover, "--to", "n2");
    expect([again.status, again.report.summary]).toEqual([0, expect.stringMatching(/n2 leads/)]);
    await expectLed(cluster, other, story.goal);
    expect(await sql(cluster.server("n2"), countRows)).toEqual([String(story.rows)]);
  });

  test.concurrent("nodes that never answer, and a control that never ends, cost no more than the time given", async () => {
    await using cluster = await startCluster({ major, standbys: 2 });
    await using hole = await blackHole();
    await using silence = await answering();
    const silent = [hole, silence].map(
      ({ port }, index) => `[nodes.n${index + 5}]\ndsn = "host=127.0.0.1 port=${port}"\n`,
    );
    const beside = changedConfig(cluster, "silent", (text) => `${text}\n${silent.join("")}`);
    const hanging = changedConfig(cluster, "hanging", (text) =>
      withNodeLines(text.replaceAll(/^control.*\n/gm, ""), "n1", 'control.stop = "sleep 1000"'),
    );
    const operator = operatorOf(cluster, { config: beside });
    await makeRows(cluster, "n1", 10);
    await untilSees(cluster, ["n2", "n3"], { statement: countRows, value: "10" });
    const before = allSettings(cluster);
    const looked = await operator.ask("status");
    expect([looked.status, alarmsIn(looked.report)]).toEqual([
      1,
      ["node-unreachable n5", "node-unreachable n6"],
    ]);
    for (const words of [
      ["quiesce", "n5"],
      ["repoint", "n3", "--to", "n6"],
    ]) {
      const { status } = await operator.change(...words, "--timeout", "8s");
      expect([words, status]).toEqual([words, 4]);
    }
    await cluster.server("n1").kill();
    const stopping = operatorOf(cluster, { config: hanging });
    const stuck = await stopping.change("failover", "--timeout", "4s");
    expect([stuck.status, stepsIn(stuck.report)[0]]).toEqual([7, "failed stop n1"]);
    expect(JSON.stringify(stuck.report.findings)).toContain("had not ended after");
    expect(allSettings(cluster)).toEqual(before);

    const accepting = ["--accept-data-loss", "--timeout", "15s"];
    const { status, report } = await operator.change(...failover, ...accepting);
    expect([status, report.topology?.primaries]).toEqual([0, ["n2"]]);
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["10"]);
  });

  test.concurrent("a source that dies in the exchange: the next one gives it, or nothing is changed", async () => {
    await using cluster = await startCluster({ major, notPromotable: ["n3", "n4"] });
    const operator = operatorOf(cluster);
    await makeRows(cluster, "n1", 1);
    await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "1" });
    await cluster.cut("n2");
    await makeRows(cluster, "n1", 1000);
    await untilSees(cluster, ["n3", "n4"], { statement: countRows, value: "1001" });
    await cluster.server("n1").kill();
    const before = autoSettings(cluster.server("n2"));
    const words = [...failover, "--to", "n2", "--accept-data-loss", "--timeout", "10s"];
    const compared = await operator.ask("compare-lsn");
    const source = compared.report.comparison?.exchange?.from ?? "";
    expect(["n3", "n4"]).toContain(source);
    const { port } = cluster.server(source);
    // n2 is cut off until its source is dead: it was told of it, and has got nothing yet.
    const die = async (): Promise<void> => {
      const told = `SELECT current_setting('primary_conninfo') LIKE '%port=${port}%'`;
      await untilSees(cluster, ["n2"], { statement: told, value: "true" });
      await cluster.server(source).kill();
      await cluster.join("n2");
    };
    const dying: Promise<void>[] = [];
    const { status, stdout } = await operator.run([...words, "--yes", "--json"], {
      onTalk: (_, stderr) => {
        if (dying.length === 0 && stderr.includes("bring n2 what")) dying.push(die());
      },
    });
    await Promise.all(dying);
    const report = JSON.parse(stdout) as CliReport;
    // It does not follow, or could not be asked to take back what was done there: the run says so either way.
    expect([status, report.next[0]]).toEqual([8, expect.stringMatching(/^remaster failover /)]);
    if (stepsIn(report).includes("skipped promote n2")) {
      expect(autoSettings(cluster.server("n2"))).toEqual(before);
    }
    const again = await operator.change(...words);
    expect([again.status, again.report.topology?.primaries]).toEqual([0, ["n2"]]);
    expect(await sql(cluster.server("n2"), countRows)).toEqual(["1001"]);
  });
});
