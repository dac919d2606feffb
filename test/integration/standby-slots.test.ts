// Logical slots that a standby keeps by decoding for itself (16 and later): ready only where that is proven, and nothing missing
// after a failover. A consumer's ledger tells, under continuous writes, changes of the catalogues and vacuum.

import { describe, expect, test } from "vitest";
import { operatorOf } from "../support/cli.ts";
import { sql } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { Consumer, writeOn } from "../support/decoding.ts";
import { level } from "../support/observing.ts";

const majors = testMajors.filter((major) => major >= 16);

const settings = { hot_standby_feedback: "on", max_replication_slots: "60" } as const;

function makeSlot(name: string, options = ""): string {
  return `SELECT pg_create_logical_replication_slot('${name}', 'test_decoding'${options})`;
}

/** Rows and vacuum go on while `work` does. */
async function underWrites(
  cluster: TestCluster,
  { on, first, consumer }: { on: string; first: number; consumer: Consumer },
  work: () => Promise<void>,
): Promise<number> {
  const stop = new AbortController();
  const server = cluster.server(on);
  const writing = writeOn(server, first, stop.signal);
  const reading = consumer.follow(server, stop.signal);
  try {
    await work();
  } finally {
    stop.abort();
    await reading;
  }
  return writing;
}

async function expectSynced(operator: ReturnType<typeof operatorOf>): Promise<void> {
  const { status, report } = await operator.change("slot-sync");
  expect([report.summary, report.findings, status]).toEqual([expect.any(String), [], 0]);
  const checked = await operator.ask("slot-sync", "--check");
  expect([checked.report.findings, checked.status]).toEqual([[], 0]);
}

describe.each(majors)("slots on standbys, PostgreSQL %d", (major) => {
  test("keep every row over two failovers", async () => {
    await using cluster = await startCluster({ major, standbys: 2, settings });
    const operator = operatorOf(cluster);
    const consumer = new Consumer("c1");
    const server = (name: string) => cluster.server(name);
    await sql(server("n1"), "CREATE TABLE ledger (n int)", makeSlot("c1"));
    let last = await underWrites(cluster, { on: "n1", first: 1, consumer }, async () => {
      await expectSynced(operator);
      await expectSynced(operator);
    });
    for (const [from, to, left] of [
      ["n1", "n2", ["n3"]],
      ["n2", "n3", []],
    ] as const) {
      await level(cluster, from, to, ...left);
      await server(from).kill();
      const done = await operator.change("failover", "--primary-is-dead", "--to", to);
      expect([done.report.summary, done.status]).toEqual([expect.anything(), 0]);
      last = await underWrites(cluster, { on: to, first: last + 1, consumer }, async () => {
        if (left.length === 0) return;
        const checked = await operator.ask("slot-sync", "--check", "--standby", ...left);
        expect(checked.status).toBe(1);
        await expectSynced(operator);
      });
      await consumer.take(server(to));
      const written = Array.from({ length: last }, (_, index) => index + 1);
      expect(consumer.ledger.rows).toEqual(written);
    }
    expect(consumer.ledger.repeats.length).toBeLessThan(last);
  });
});
