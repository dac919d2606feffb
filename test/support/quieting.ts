// Quiesces nodes of a test cluster through the primitives themselves, and watches what a node holds.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import type { Held } from "../../src/postgres/outcome.ts";
import { quiesce, quiesceHolds } from "../../src/postgres/quiesce.ts";
import type { Session } from "../../src/postgres/session.ts";
import { reload } from "../../src/postgres/settings.ts";
import type { TestServer } from "./cluster.ts";

export const patience = { timeoutMs: 10_000 };

/** The look's answer once it holds; the last reason why not where it never does. */
export async function untilHolds(held: () => Promise<Held>, timeout = 20_000): Promise<string> {
  return vi.waitFor(
    async () => {
      const found = await held();
      if (!found.holds) throw new Error(found.why);
      return found.detail ?? "";
    },
    { timeout, interval: 2 },
  );
}

/** Brings a node to rest, and says what it has. */
export async function still(session: Session): Promise<string> {
  expect(await quiesce(session, { ...patience, blockers: "keep" })).toEqual({ done: true });
  return untilStill(session);
}

/** Says what a node has that was told to rest. A postmaster before 16 may need waking. */
export function untilStill(session: Session): Promise<string> {
  let looks = 0;
  return untilHolds(async () => {
    looks += 1;
    if (looks % 25 === 0) await reload(session);
    return quiesceHolds(session);
  });
}

export function autoConf(server: TestServer): string {
  return readFileSync(join(server.dataDir, "postgresql.auto.conf"), "utf8");
}

/** The settings of a configuration file, without comments, in any order: ALTER SYSTEM moves what it writes to the end. */
export function linesOf(conf: string): readonly string[] {
  return conf
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .toSorted();
}

/** What the node has now: the greater of receive and replay. */
export async function has(session: Session): Promise<string | null> {
  const [row] = await session.query(
    "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS has",
  );
  return row?.["has"] ?? null;
}
