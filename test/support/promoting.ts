// Has standbys lead, where a test needs one that does; and promotes one as a plan would, for tests of that itself.

import { setTimeout } from "node:timers/promises";
import { expect, vi } from "vitest";
import { bindStep } from "../../src/execute/performer.ts";
import { noJournal } from "../../src/execute/journal.ts";
import { createPerformers } from "../../src/execute/performers.ts";
import { waitUntilHolds, type WaitEnd } from "../../src/execute/wait.ts";
import type { World } from "../../src/execute/world.ts";
import { readWritePosition, requestPromotion } from "../../src/postgres/promote.ts";
import type { Session } from "../../src/postgres/session.ts";
import { reload } from "../../src/postgres/settings.ts";
import type { Position } from "../../src/wal/position.ts";

/** Promotes the node, whoever else leads, and gives where it writes then. */
export async function lead(session: Session): Promise<Position> {
  expect(await requestPromotion(session)).toBeNull();
  return vi.waitFor(
    async () => {
      await reload(session);
      const written = await readWritePosition(session);
      if (written === null) throw new Error("it is still in recovery");
      return written;
    },
    { timeout: 20_000, interval: 5 },
  );
}

/** The step of a plan, in a world of this node alone. */
export async function promoteAsPlanned(session: Session, timeoutMs: number): Promise<WaitEnd> {
  const until = Date.now() + timeoutMs;
  const world: World = {
    config: { name: "alone", file: null, nodes: [] },
    session: () => Promise.resolve(session),
    sessionIn: () => Promise.reject(new Error("no other database here")),
    console: () => Promise.reject(new Error("no other database here")),
    consoleBeside: () => Promise.reject(new Error("no other database here")),
    observe: () => Promise.resolve([]),
    reached: () => [],
    lastSeen: () => null,
    control: () => Promise.resolve(null),
    signal: new AbortController().signal,
    now: Date.now,
    remainingMs: () => Math.max(0, until - Date.now()),
    pause: async (ms) => {
      await setTimeout(ms);
    },
    note: () => undefined,
    measured: () => undefined,
    ends: () => undefined,
  };
  const desk = { config: world.config, journal: noJournal, accept: null };
  const step = { verb: "promote", node: "alone", require: null } as const;
  const bound = bindStep(createPerformers(desk), step, world);
  await bound.act();
  return waitUntilHolds(bound, world);
}
