// Stops a server through the user's control. That nobody listens is not enough to hold: a service manager may start the
// server the next second, so the goal is "its control.stop succeeded in this run, and nothing answers". Where pg_ctl is
// the control, a data directory in which no process works is as good as that: pg_ctl would do nothing there.

import type { StopStep } from "../plan/step.ts";
import type { Observation } from "../topology/node.ts";
import type { Memory } from "./memory.ts";
import { NotDone, type Performer, Unfinished } from "./performer.ts";
import { nodeConfig, type World } from "./world.ts";

/** One that let us in a moment ago is not worth the look. */
async function wasStopped(step: StopStep, world: World): Promise<boolean> {
  if (world.lastSeen(step.node)?.reachable === true) return false;
  const control = await world.control(nodeConfig(world, step.node));
  try {
    return (await control?.isStopped()) ?? false;
  } catch {
    // A data directory that cannot be read: what the act makes of it is what counts.
    return false;
  }
}

/** A command that failed may have stopped the server all the same, or still do so where its time was up. */
async function mayHaveStopped(
  step: StopStep,
  before: Observation | null,
  world: World,
): Promise<boolean> {
  if (before?.reachable !== true) return false;
  if (world.remainingMs() === 0) return true;
  const [seen] = await world.observe([step.node]);
  return seen?.reachable !== true;
}

export function createStopPerformer({ stopped }: Memory): Performer<StopStep> {
  return {
    pollMs: 50,

    async holds(step, world) {
      if (!stopped.has(step.node) && (await wasStopped(step, world))) stopped.add(step.node);
      if (!stopped.has(step.node)) {
        return { holds: false, why: `the control of ${step.node} has not stopped it` };
      }
      const [seen] = await world.observe([step.node]);
      if (seen === undefined || seen.reachable || seen.speaksPostgres) {
        return { holds: false, why: `PostgreSQL still answers at ${step.node}` };
      }
      return { holds: true, detail: seen.reason };
    },

    async act(step, world) {
      const before = world.lastSeen(step.node);
      const control = await world.control(nodeConfig(world, step.node));
      if (control === null) throw new NotDone(`there is no control of ${step.node}`);
      try {
        await control.stop({ timeoutMs: world.remainingMs() });
      } catch (error) {
        const Failure = (await mayHaveStopped(step, before, world)) ? Unfinished : NotDone;
        throw new Failure(error instanceof Error ? error.message : String(error), { cause: error });
      }
      stopped.add(step.node);
    },
  };
}
