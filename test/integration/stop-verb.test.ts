// Stopping servers by the verb alone: what pg_ctl finds stopped is left as it is, and the user's own command is always run,
// for it alone can keep a service manager from starting the server again.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { changedConfig, operatorOf, stepsIn, withNodeLines } from "../support/cli.ts";
import { startCluster, testMajors } from "../support/cluster.ts";

describe.each(testMajors)("stop, PostgreSQL %d", (major) => {
  test("stops what runs, and says when there was nothing to do", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster);
    const stopped = await operator.change("stop", "n2");
    expect(stopped.status).toBe(0);
    expect([stepsIn(stopped.report), stopped.report.summary]).toEqual([
      ["done stop n2"],
      "n2 stopped",
    ]);
    const again = await operator.change("stop", "n2");
    expect(again.status).toBe(0);
    expect([stepsIn(again.report), again.report.summary]).toEqual([
      ["already stop n2"],
      "nothing to do: n2 stopped",
    ]);
    const both = await operator.change("stop", "n1", "n2");
    expect(stepsIn(both.report)).toEqual(["done stop n1", "already stop n2"]);
    expect([both.status, both.report.summary]).toEqual([0, "n1, n2 stopped"]);

    const witness = join(cluster.directory, "witness");
    const config = changedConfig(cluster, "own", (text) =>
      withNodeLines(
        text.replaceAll(/^control.*\n/gm, ""),
        "n2",
        `control.stop = "touch ${witness}"`,
      ),
    );
    const own = await operatorOf(cluster, { config }).change("stop", "n2");
    expect([own.status, stepsIn(own.report)]).toEqual([0, ["done stop n2"]]);
    expect(existsSync(witness)).toBe(true);
  });
});
