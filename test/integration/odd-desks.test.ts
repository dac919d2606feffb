// Operators whose own machine does not play along: no time to speak of, a state directory that never answers. What they
// are told is true all the same, and nothing hangs.

import { expect, test } from "vitest";
import { nodeIn, operatorOf } from "../support/cli.ts";
import { startCluster, testMajors } from "../support/cluster.ts";

test.each(testMajors)(
  "PostgreSQL %d: a journal that never comes holds nobody up",
  async (major) => {
    await using cluster = await startCluster({ major, standbys: 1 });
    const operator = operatorOf(cluster);
    // Making a directory below /proc never ends for Node on Linux; elsewhere it fails.
    const words = ["quiesce", "n2", "--yes", "--json"];
    const { status, stderr } = await operator.run(words, { env: { XDG_STATE_HOME: "/proc/none" } });
    expect([status, stderr]).toEqual([
      0,
      expect.stringContaining("no journal is kept of this run"),
    ]);
    const { report } = await operator.ask("status");
    expect(nodeIn(report, "n2").quiesced).toBe(true);
  },
);
