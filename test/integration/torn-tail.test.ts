// Torn tails on real servers: the primary died in the middle of a record that crosses a segment boundary, and every
// standby has it up to the boundary. Foreseen exactly, deadly when ignored, and healed by setting files aside.

import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { markRepointed } from "../../src/conninfo/override.ts";
import { followState, pointAt } from "../../src/postgres/follow.ts";
import { observePosition } from "../../src/postgres/position.ts";
import type { Session } from "../../src/postgres/session.ts";
import { alterSystem, reload } from "../../src/postgres/settings.ts";
import { ensureSlot } from "../../src/postgres/slots.ts";
import type { Lsn } from "../../src/wal/lsn.ts";
import { defaultSegmentSize, parseSegmentName, segmentStart } from "../../src/wal/segment.ts";
import { filesToSetAside, isStranded } from "../../src/wal/torn-tail.ts";
import { open } from "../support/access.ts";
import { startCluster, type TestCluster, type TestServer, testMajors } from "../support/cluster.ts";
import { nodeOf, reach, run } from "../support/observing.ts";
import { lead } from "../support/promoting.ts";
import { patience, still, untilHolds, untilStill } from "../support/quieting.ts";

const segmentSize = defaultSegmentSize;
const standbys = ["n2", "n3", "n4"] as const;

/** One record of a million bytes after the other: one of them crosses the boundary. */
const fill = `SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))
  FROM generate_series(1, 20)`;

function walOf(server: TestServer): string {
  return join(server.dataDir, "pg_wal");
}

/** A kill under bulk load leaves this behind now and then; here it is made on purpose: replay waits while WAL beyond
 * the boundary comes in, and that is taken away again once the servers are down. */
async function tearAll(cluster: TestCluster): Promise<void> {
  await run(cluster, "n1", "CREATE TABLE public.t (i int)");
  const boundary =
    segmentStart((await reach(cluster, "n1")).currentLsn ?? (0n as Lsn), segmentSize) + segmentSize;
  for (const name of standbys) await run(cluster, name, "SELECT pg_wal_replay_pause()");
  await run(cluster, "n1", "SELECT pg_switch_wal()", fill, "SELECT pg_switch_wal()");
  const end = boundary + 2n * segmentSize;
  for (const name of standbys) {
    await expect
      .poll(async () => (await reach(cluster, name)).received?.lsn, { timeout: 30_000 })
      .toBeGreaterThanOrEqual(end);
  }
  await cluster.server("n1").kill();
  for (const name of standbys) {
    const server = cluster.server(name);
    await server.stop();
    for (const file of readdirSync(walOf(server))) {
      const segment = parseSegmentName(file, segmentSize);
      if (segment !== null && segment.start >= boundary + segmentSize) {
        rmSync(join(walOf(server), file));
      }
    }
    await server.start();
  }
}

async function heal(server: TestServer, switchpoint: Lsn): Promise<readonly string[]> {
  await server.stop().catch(() => undefined);
  const files = filesToSetAside(readdirSync(walOf(server)), { switchpoint, segmentSize });
  for (const file of files) {
    renameSync(join(walOf(server), file), join(server.dataDir, `${file}.set-aside`));
  }
  await server.start();
  return files;
}

async function follows(cluster: TestCluster, name: string, upstream: Session): Promise<void> {
  await using standby = await open(cluster.server(name).conninfo);
  let looks = 0;
  await untilHolds(async () => {
    looks += 1;
    if (looks % 15 === 0) await reload(standby);
    return followState(standby, upstream, { slotName: null });
  });
}

describe.each(testMajors)("PostgreSQL %d", (major) => {
  test("a torn tail is foreseen, kills a standby that is led on, and heals", async () => {
    await using cluster = await startCluster({
      major,
      standbys: 3,
      settings: { autovacuum: "off", wal_keep_size: "256MB" },
    });
    await tearAll(cluster);
    const [n2, n3, n4] = await Promise.all(
      standbys.map((name) => open(cluster.server(name).conninfo)),
    );
    if (n2 === undefined || n3 === undefined || n4 === undefined) throw new Error("no session");
    await Promise.all([n2, n3, n4].map((session) => still(session)));

    const switchpoint = (await observePosition(n2)).replayLsn;
    if (switchpoint === null) throw new Error("no position");
    for (const session of [n3, n4]) {
      const received = (await observePosition(session)).has;
      if (received === null) throw new Error("no position");
      expect(received % segmentSize).toBe(0n);
      expect(isStranded({ received, switchpoint, segmentSize })).toBe(true);
    }

    await ensureSlot(n2, "n3");
    await ensureSlot(n2, "n4");
    expect(await lead(n2)).toMatchObject({ timeline: 2 });
    expect((await reach(cluster, "n2")).history?.ancestors).toEqual([
      { timeline: 1, end: switchpoint },
    ]);
    // The new timeline goes on into the segment that the others wait for.
    await n2.query(fill);

    const upstream = nodeOf(cluster, "n2").replication;
    await pointAt(n3, { upstream, slotName: "n3", purpose: "follow" });
    await expect.poll(() => n3.alive && isAlive(n3), { timeout: 30_000 }).toBe(false);
    expect(await cluster.server("n3").log()).toMatch(/PANIC.*could not open file/);

    // The other one was left still: it is alive, and would be in the same place.
    await untilStill(n4);
    // Told beforehand, and not made to read it: without its torn end it lets nobody in until it streams.
    const told = markRepointed((await observePosition(n4)).primaryConninfo ?? "", upstream);
    if (!told.ok) throw new Error(told.message);
    await alterSystem(n4, "primary_conninfo", told.value);
    await untilStill(n4);
    expect(await heal(cluster.server("n4"), switchpoint)).not.toEqual([]);
    await follows(cluster, "n4", n2);

    await heal(cluster.server("n3"), switchpoint);
    await follows(cluster, "n3", n2);
    await n2.query("INSERT INTO public.t VALUES (1)");
    for (const name of ["n3", "n4"]) await follows(cluster, name, n2);
    for (const session of [n2, n3, n4]) await session.close();
  });
});

async function isAlive(session: Session): Promise<boolean> {
  try {
    await session.query("SELECT 1", [], patience);
    return true;
  } catch {
    return false;
  }
}
