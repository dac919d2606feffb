// The other way to lose the network, for machines on which no namespace can be made: held to the same.

import { expect, test } from "vitest";
import { type CliReport, operatorOf } from "../support/cli.ts";
import { expectLed } from "../support/cluster-state.ts";
import { fewMajors } from "../support/cluster.ts";
import { stories } from "./stories.ts";
import { runStruck } from "./strike.ts";

test.each(fewMajors)(
  "PostgreSQL %d: the network goes at the promotion, through proxies",
  async (major) => {
    const [story] = stories;
    if (story === undefined) throw new Error("no story");
    await using cluster = await story.start(major);
    const { struck, status, stdout } = await runStruck(cluster, {
      ...story,
      fault: { kind: "network-lost", act: "n2 promote 1" },
      network: "proxies",
    });
    expect([struck, status]).toEqual([true, 8]);
    const { findings } = JSON.parse(stdout) as CliReport;
    expect(findings.map(({ code }) => code)).toContain("promotion-unknown");
    const other = operatorOf(cluster, { desk: "other" });
    // No server was told: the lock is still there.
    expect((await other.change(...story.words)).status).toBe(5);
    const { status: done, report } = await other.change(...story.words, "--take-over");
    expect([done, report.summary]).toEqual([0, expect.anything()]);
    await expectLed(cluster, other, story.goal);
  },
);
