// One performer per kind of step, made anew for each run.

import {
  createCheckpointPerformer,
  createDemotePerformer,
  createReinstatePerformer,
} from "./demotion.ts";
import { createExchangePerformer } from "./exchange.ts";
import { createRepointPerformer } from "./following.ts";
import { createFencePerformer, createUnfencePerformer } from "./fencing.ts";
import { createHealPerformer } from "./healing.ts";
import { createHookPerformer, type HookDesk } from "./hooks.ts";
import { createQuiescePerformer, createUnquiescePerformer } from "./intake.ts";
import { createMemory } from "./memory.ts";
import { createClosePerformer, createMakeSlotsPerformer } from "./new-slots.ts";
import type { Performers } from "./performer.ts";
import { createPoolerPerformers } from "./pooling.ts";
import { createPromotePerformer } from "./promotion.ts";
import { createRejoinPerformer } from "./rejoining.ts";
import { createStopPerformer } from "./stopping.ts";
import { createSlotSettingsPerformer } from "./slot-configuring.ts";
import { dropSlotPerformer } from "./slot-dropping.ts";
import { slotFailoverPerformer } from "./slot-flagging.ts";
import { createKeepSlotsPerformer } from "./sibling-slots.ts";
import { createSlotSyncPerformer } from "./slot-keeping.ts";

export function createPerformers(desk: HookDesk): Performers {
  const memory = createMemory();
  const repoint = createRepointPerformer(memory);
  return {
    quiesce: createQuiescePerformer(memory),
    unquiesce: createUnquiescePerformer(memory),
    exchange: createExchangePerformer(memory),
    promote: createPromotePerformer(memory),
    repoint,
    checkpoint: createCheckpointPerformer(),
    demote: createDemotePerformer(memory),
    reinstate: createReinstatePerformer(memory),
    rejoin: createRejoinPerformer(memory, repoint),
    fence: createFencePerformer(memory),
    unfence: createUnfencePerformer(memory),
    close: createClosePerformer(memory),
    "make-slots": createMakeSlotsPerformer(memory),
    stop: createStopPerformer(memory),
    heal: createHealPerformer(repoint),
    "drop-slot": dropSlotPerformer,
    "slot-sync": createSlotSyncPerformer(),
    "slot-settings": createSlotSettingsPerformer(memory),
    "slot-failover": slotFailoverPerformer,
    "keep-slots": createKeepSlotsPerformer(),
    ...createPoolerPerformers(),
    hook: createHookPerformer(desk),
  };
}
