// Stops a server through the user's control. That nobody listens is not enough to hold: a service manager may start the
// server the next second, so the goal is "its control.stop succeeded in this run, and nothing answers".

import type { StopStep } from "../plan/step.ts";
import type { Memory } from "./memory.ts";
import { NotDone, type Performer } from "./performer.ts";
import { nodeConfig } from "./world.ts";

export function createStopPerformer({ stopped }: Memory): Performer<StopStep> {
  return {
    pollMs: 50,

    async holds(step, world) {
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
      const control = await world.control(nodeConfig(world, step.node));
      if (control === null) throw new NotDone(`there is no control of ${step.node}`);
      try {
        await control.stop({ timeoutMs: world.remainingMs() });
      } catch (error) {
        throw new NotDone(error instanceof Error ? error.message : String(error), { cause: error });
      }
      stopped.add(step.node);
    },
  };
}
