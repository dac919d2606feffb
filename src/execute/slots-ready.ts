// Sees copies of logical slots through to where a switchover may rest on them: each one ready, which takes its consumer to
// confirm past the place where a new copy begins. Whatever falls short is told by name, and the copies that this run made for
// it go again: they would hold WAL on the standby, and catalogue rows on the primary, for nobody.

import type { SlotSyncStep } from "../plan/step.ts";
import { tellOfUnready } from "../plan/slot-sync.ts";
import { dropLogicalSlot, logSnapshot } from "../postgres/consumer-slots.ts";
import { reload } from "../postgres/settings.ts";
import type { KeptSlot } from "../topology/kept-slots.ts";
import { counted } from "../topology/counted.ts";
import { waitFor } from "./acting.ts";
import { limitWorld } from "./limits.ts";
import { type Holding, NotDone, Unfinished } from "./performer.ts";
import type { World } from "./world.ts";

/** Of the time that is left, each time: the shutdown and the promotion are still to come. */
const share = 1 / 2;

export function readyWorld(world: World): World {
  return limitWorld(world, world.remainingMs() * share);
}

/** What the keepers came to. */
interface Kept {
  /** As it was before they began. */
  readonly before: readonly KeptSlot[];
  /** What went wrong, by slot name. */
  readonly failures: ReadonlyMap<string, string>;
  readonly look: () => Promise<readonly KeptSlot[]>;
}

export function noteFailures(node: string, failures: Kept["failures"], world: World): void {
  for (const [slot, why] of failures) {
    world.note({
      code: "slot-not-synced",
      severity: "warning",
      node,
      message: `slot ${slot} could not be brought level on ${node}: ${why}`,
    });
  }
}

const lacking = (kept: readonly KeptSlot[]): readonly KeptSlot[] =>
  kept.filter(({ against }) => against !== null);

/** Waits for the consumers. Throws NotDone where all are wanted, one does not get ready and nothing is left of the attempt. */
export async function untilReady(
  step: SlotSyncStep,
  { before, failures, look }: Kept,
  world: World,
): Promise<void> {
  let last: readonly KeptSlot[] = before;
  const primary = before[0]?.primary ?? step.node;
  const lookAgain = async (): Promise<Holding> => {
    last = await look();
    return holdingOf(last);
  };
  // An idle consumer confirms once there is something to confirm; a receiver that reloads sends its feedback at once.
  const push = async (): Promise<void> => {
    await logSnapshot(await world.session(primary));
    await reload(await world.session(step.node));
  };
  try {
    await waitFor(lookAgain, readyWorld(world), {
      pollMs: 20,
      nudge: { everyMs: 500, push },
    });
  } catch (error) {
    const names = lacking(last).map(({ slot }) => slot.slotName);
    noteFailures(step.node, new Map([...failures].filter(([name]) => names.includes(name))), world);
    for (const finding of last.flatMap((each) => tellOfUnready(each, "problem"))) {
      world.note(finding);
    }
    await dropMade(step, { before, last }, world);
    if (step.ready !== "all") return;
    throw new NotDone(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function holdingOf(kept: readonly KeptSlot[]): Holding {
  const unready = lacking(kept);
  const [first] = unready;
  if (first === undefined) return { holds: true, detail: null };
  const why = `${counted(unready.length, "slot")} not ready on ${first.node}, ${first.slot.slotName}: ${first.against?.reason ?? ""}`;
  // What could not be made at all does not come by waiting.
  return unready.every(({ copy }) => copy === null)
    ? { holds: false, why, hopeless: true }
    : { holds: false, why };
}

/** The server's own copies (17+) are its to keep. */
async function dropMade(
  { node, ready }: SlotSyncStep,
  { before, last }: { readonly before: readonly KeptSlot[]; readonly last: readonly KeptSlot[] },
  world: World,
): Promise<void> {
  const missed = before.filter(({ copy, method }) => copy === null && method !== "failover-slot");
  const names = missed.map(({ slot }) => slot.slotName);
  const made = (ready === "all" ? last : lacking(last)).filter(
    ({ slot, copy }) => copy !== null && names.includes(slot.slotName),
  );
  for (const { slot } of made) {
    try {
      await dropLogicalSlot(await world.session(node), slot.slotName);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const left = `the copy of ${slot.slotName} is left on ${node}, where it holds WAL`;
      throw new Unfinished(`${left}: ${why}`, { cause: error });
    }
  }
}
