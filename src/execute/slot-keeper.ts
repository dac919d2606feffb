// What the three ways to keep a copy of a logical slot have in common: the task, and what each of them promises.

import type { KeptSlot } from "../topology/kept-slots.ts";
import type { World } from "./world.ts";

/** Slots of one standby that are kept by one method; all are there on the primary. */
export interface KeepTask {
  readonly standby: string;
  readonly primary: string;
  readonly slots: readonly KeptSlot[];
  readonly allowRestart: boolean;
}

/** Does what it can for each of them, and gives what went wrong by slot name, one line each. Throws where nothing can be done for any. */
export type SlotKeeper = (task: KeepTask, world: World) => Promise<ReadonlyMap<string, string>>;
