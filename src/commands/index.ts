// The registry: every verb of the program, in the order of the help, each behind its own import so that a run loads
// one verb. A definition file imports pure rooms only; what it does to the world goes through the context.

import type { VerbDefinition } from "./define.ts";

/** The parts of the help. */
export const verbGroups = {
  look: "look at a cluster, change nothing",
  change: "one change to one node or several",
  compose: "whole procedures, made of the verbs above",
  practise: "throw-away servers of your own",
  shell: "around the program",
} as const;

export type VerbGroup = keyof typeof verbGroups;

export interface VerbEntry {
  readonly name: string;
  readonly group: VerbGroup;
  readonly load: () => Promise<VerbDefinition>;
}

export const verbs: readonly VerbEntry[] = [
  { name: "status", group: "look", load: async () => (await import("./status.ts")).status },
  {
    name: "compare-lsn",
    group: "look",
    load: async () => (await import("./compare-lsn.ts")).compareLsn,
  },
  { name: "history", group: "look", load: async () => (await import("./history.ts")).history },
  { name: "quiesce", group: "change", load: async () => (await import("./quiesce.ts")).quiesce },
  {
    name: "unquiesce",
    group: "change",
    load: async () => (await import("./quiesce.ts")).unquiesce,
  },
  { name: "exchange", group: "change", load: async () => (await import("./exchange.ts")).exchange },
  { name: "promote", group: "change", load: async () => (await import("./promote.ts")).promote },
  { name: "repoint", group: "change", load: async () => (await import("./repoint.ts")).repoint },
  ...(["checkpoint", "demote", "reinstate"] as const).map((name) => ({
    name,
    group: "change" as const,
    load: async () => (await import("./demote.ts"))[name],
  })),
  { name: "rejoin", group: "change", load: async () => (await import("./rejoin.ts")).rejoin },
  { name: "fence", group: "change", load: async () => (await import("./fence.ts")).fence },
  { name: "unfence", group: "change", load: async () => (await import("./fence.ts")).unfence },
  { name: "close", group: "change", load: async () => (await import("./new-slots.ts")).close },
  {
    name: "make-slots",
    group: "change",
    load: async () => (await import("./new-slots.ts")).makeSlots,
  },
  { name: "pause", group: "change", load: async () => (await import("./poolers.ts")).pause },
  { name: "resume", group: "change", load: async () => (await import("./poolers.ts")).resume },
  { name: "stop", group: "change", load: async () => (await import("./stop.ts")).stop },
  { name: "heal", group: "change", load: async () => (await import("./heal.ts")).heal },
  {
    name: "drop-slot",
    group: "change",
    load: async () => (await import("./drop-slot.ts")).dropSlot,
  },
  {
    name: "keep-slots",
    group: "change",
    load: async () => (await import("./keep-slots.ts")).keepSlots,
  },
  {
    name: "slot-sync",
    group: "change",
    load: async () => (await import("./slot-sync.ts")).slotSync,
  },
  {
    name: "slot-settings",
    group: "change",
    load: async () => (await import("./slot-settings.ts")).slotSettings,
  },
  {
    name: "slot-failover",
    group: "change",
    load: async () => (await import("./slot-failover.ts")).slotFailover,
  },
  { name: "hook", group: "change", load: async () => (await import("./hook.ts")).hook },
  {
    name: "failover",
    group: "compose",
    load: async () => (await import("./failover.ts")).failover,
  },
  {
    name: "switchover",
    group: "compose",
    load: async () => (await import("./switchover.ts")).switchover,
  },
  { name: "undo", group: "compose", load: async () => (await import("./undo.ts")).undo },
  { name: "lock", group: "compose", load: async () => (await import("./lock.ts")).lock },
  {
    name: "sandbox",
    group: "practise",
    load: async () => (await import("./sandbox.ts")).sandbox,
  },
  {
    name: "rehearse",
    group: "practise",
    load: async () => (await import("./rehearse.ts")).rehearse,
  },
  { name: "role", group: "shell", load: async () => (await import("./role.ts")).role },
  {
    name: "completion",
    group: "shell",
    load: async () => (await import("./completion.ts")).completion,
  },
];
