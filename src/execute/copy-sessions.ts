// Work on slots that takes a session in each slot's own database: a few sessions side by side, each kept for as long as the next
// slot is of the same database. What goes wrong with one slot is told of it alone.

import type { Session } from "../postgres/session.ts";
import type { KeptSlot } from "../topology/kept-slots.ts";
import type { World } from "./world.ts";

/** A standby has few connections to spare. */
const atOnce = 4;

interface OpenSession {
  readonly database: string;
  readonly session: Session;
}

export interface SlotWork {
  readonly standby: string;
  readonly slots: readonly KeptSlot[];
  readonly world: World;
  /** What is left for this work, milliseconds. */
  readonly remainingMs: () => number;
  /** Gives why it was not done; null: it was. */
  work(session: Session, kept: KeptSlot): Promise<string | null>;
}

/** Gives why not, by slot name, for those that were not done. */
export async function workInDatabases(task: SlotWork): Promise<ReadonlyMap<string, string>> {
  const failures = new Map<string, string>();
  const databaseOf = ({ slot }: KeptSlot): string => slot.database ?? "postgres";
  const queue = task.slots.toSorted((a, b) => (databaseOf(a) < databaseOf(b) ? -1 : 1)).values();
  const worker = async (): Promise<void> => {
    let open = null as OpenSession | null;
    try {
      for (const kept of queue) {
        const database = databaseOf(kept);
        try {
          const idle = whyIdle(task);
          if (idle !== null) throw new Error(idle);
          if (open?.database !== database || !open.session.alive) {
            await open?.session.close();
            open = null;
            open = { database, session: await task.world.sessionIn(task.standby, database) };
          }
          const why = await task.work(open.session, kept);
          if (why !== null) failures.set(kept.slot.slotName, why);
        } catch (error) {
          failures.set(kept.slot.slotName, error instanceof Error ? error.message : String(error));
        }
      }
    } finally {
      await open?.session.close();
    }
  };
  const workers = Math.min(atOnce, task.slots.length);
  await Promise.all(Array.from({ length: workers }, worker));
  return failures;
}

function whyIdle({ world, remainingMs }: SlotWork): string | null {
  if (world.signal.aborted) return "the run was interrupted";
  return remainingMs() > 0 ? null : "no time was left for it";
}
