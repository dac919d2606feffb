// A look with less than a superuser's rights: whatever cannot be known is null and named, and nothing is an error.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { open } from "../support/access.ts";
import { letIn } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors } from "../support/cluster.ts";
import { level, reach, run } from "../support/observing.ts";

const roles = [
  "CREATE ROLE watcher LOGIN PASSWORD 'w' IN ROLE pg_monitor",
  "CREATE ROLE nobody_much LOGIN PASSWORD 'w'",
  "CREATE ROLE streamer LOGIN REPLICATION PASSWORD 'w' IN ROLE pg_monitor",
];
const as = (user: string): Readonly<Record<string, string>> => ({ user, password: "w" });

describe.each(testMajors)("PostgreSQL %d", (major) => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await startCluster({
      major,
      standbys: 1,
      settings: { max_wal_senders: "2", superuser_reserved_connections: "3" },
    });
    await run(cluster, "n1", ...roles);
    await level(cluster, "n1", "n2");
    for (const server of cluster.servers) {
      await letIn(server, ["host all all 127.0.0.1/32 scram-sha-256"]);
    }
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test("pg_monitor alone sees all but signal files and what only a WAL sender tells", async () => {
    const [n1, n2] = [
      await reach(cluster, "n1", as("watcher")),
      await reach(cluster, "n2", as("watcher")),
    ];
    for (const node of [n1, n2]) {
      expect(node.missingRights).toEqual(["REPLICATION"]);
      expect(node.timeline).toBe(1);
      expect(node.history).toEqual({ timeline: 1, ancestors: [] });
      expect(node.standbySignal).toBeNull();
      expect(node.recoverySignal).toBeNull();
      expect(node.walFiles).not.toBeNull();
    }
    expect(n1.senders).toMatchObject([{ applicationName: "n2", state: "streaming" }]);
    expect(n2.receiver).toMatchObject({ status: "streaming", receivedTimeline: 1 });
    expect(n2.configuredUpstream).not.toBeNull();
    expect(n2.received).not.toBeNull();
  });

  test("REPLICATION beside it brings the timeline of a standby that receives nothing", async () => {
    await cluster.cut("n2");
    await expect
      .poll(async () => (await reach(cluster, "n2", as("streamer"))).receiver, { timeout: 20_000 })
      .toBeNull();
    expect(await reach(cluster, "n2", as("streamer"))).toMatchObject({
      missingRights: [],
      timeline: 1,
      received: { timeline: 1 },
    });
    const watched = await reach(cluster, "n2", as("watcher"));
    expect(watched).toMatchObject({
      missingRights: ["REPLICATION"],
      timeline: null,
      received: null,
      replayed: null,
    });
    expect(watched.replayLsn).not.toBeNull();
    await cluster.join("n2");
    await expect
      .poll(async () => (await reach(cluster, "n2")).receiver?.status, { timeout: 20_000 })
      .toBe("streaming");
  });

  test("a role without any rights still learns where a node stands", async () => {
    const n1 = await reach(cluster, "n1", as("nobody_much"));
    expect(n1).toMatchObject({
      role: "primary",
      timeline: 1,
      missingRights: ["pg_monitor", "REPLICATION"],
      walFiles: null,
      standbySignal: null,
      configuredUpstream: null,
    });
    expect(n1.received).not.toBeNull();
    expect(n1.settings.primary_conninfo).toBeUndefined();
    const n2 = await reach(cluster, "n2", as("nobody_much"));
    expect(n2).toMatchObject({
      role: "standby",
      timeline: null,
      received: null,
      missingRights: ["pg_monitor", "REPLICATION"],
      receiver: { status: "unknown", receivedTimeline: null, senderHost: null },
    });
    expect(n2.replayLsn).not.toBeNull();
  });

  test("does without a WAL sender where none is free", async () => {
    // One place feeds n2; the other one is taken here.
    await using taken = await open(cluster.server("n1").conninfo, { replication: "database" });
    await taken.query("IDENTIFY_SYSTEM");
    const n1 = await reach(cluster, "n1");
    expect(n1).toMatchObject({ timeline: 1, missingRights: ["a free WAL sender"] });
    expect(n1.senders.map((sender) => sender.applicationName)).toContain("n2");
  });

  test("leaves the server's log without an error", async () => {
    for (const server of cluster.servers) {
      const errors = (await server.log())
        .split("\n")
        .filter((line) => /ERROR|PANIC/.test(line) && !line.includes("max_wal_senders"));
      expect(errors).toEqual([]);
    }
  });
});
