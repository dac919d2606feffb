// A step is one act on one node, and each kind of step is one primitive verb: `stepCommandLine` gives the very command
// that does it. Steps are plain data: showing, executing, recording and undoing all consume the same list.

import type { HookName, HookOutcome } from "../topology/hooks.ts";
import type { Position } from "../wal/position.ts";

export interface QuiesceStep {
  readonly verb: "quiesce";
  readonly node: string;
  /** End the sessions that hold replay up. */
  readonly cancelQueries: boolean;
}

export interface UnquiesceStep {
  readonly verb: "unquiesce";
  readonly node: string;
}

export interface ExchangeStep {
  readonly verb: "exchange";
  /** The node that is brought level. */
  readonly node: string;
  /** The source; null: whichever reachable node is farthest ahead when the step runs. */
  readonly from: string | null;
}

export interface PromoteStep {
  readonly verb: "promote";
  readonly node: string;
  /** Refuse unless the node holds this position. */
  readonly require: Position | null;
  /** What other nodes have beyond it is given up. */
  readonly acceptDataLoss?: true;
  /** Where it was closed for the slots that it is to get, it leads closed; else it is opened. */
  readonly closed?: true;
}

export interface RepointStep {
  readonly verb: "repoint";
  readonly node: string;
  readonly to: string;
  /** `set`: done when the node has been told; `stream`: when it is seen to follow, with the mark still in place, so that it can be
   * taken back; `follow`: when it is seen to follow, and the setting is settled. */
  readonly until: "set" | "stream" | "follow";
}

/** Write what is dirty to disk, so that the next shutdown or promotion has little left to write. */
export interface CheckpointStep {
  readonly verb: "checkpoint";
  readonly node: string;
}

/** Shut a primary down cleanly so that it comes back as a standby of another node, which has everything by then. */
export interface DemoteStep {
  readonly verb: "demote";
  readonly node: string;
  readonly to: string;
}

/** Start a demoted node as the primary that it was. */
export interface ReinstateStep {
  readonly verb: "reinstate";
  readonly node: string;
}

/** Bring a former primary back as a standby. */
export interface RejoinStep {
  readonly verb: "rejoin";
  readonly node: string;
  readonly to: string;
  /** What it has that exists nowhere else is given up, but for a copy of its WAL. */
  readonly acceptDataLoss?: true;
}

/** Stop a server through its `control`. */
export interface StopStep {
  readonly verb: "stop";
  readonly node: string;
}

/** Clear a torn tail: needs the node's `control.pg_ctl`. */
export interface HealStep {
  readonly verb: "heal";
  readonly node: string;
  readonly to: string;
}

/** Drop a physical slot that nobody uses. */
export interface DropSlotStep {
  readonly verb: "drop-slot";
  readonly node: string;
  readonly slot: string;
}

/** Bring a standby's copies of logical slots level with the primary's. */
export interface SlotSyncStep {
  readonly verb: "slot-sync";
  readonly node: string;
  readonly slots: readonly string[];
  /** The standby may be stopped and started, where a copy cannot come to be without (13 to 15). */
  readonly allowRestart?: true;
  /** Waits until the copies are ready. `all`: done only once each one is, else those that it made are taken away again;
   * `each`: those alone that do not get there. A copy that begins ahead of its consumer must not be there when it leads. */
  readonly ready?: "all" | "each";
}

/** Set what copies of logical slots need: on a standby the first three, on a primary the last. */
export interface SlotSettingsStep {
  readonly verb: "slot-settings";
  readonly node: string;
  /** hot_standby_feedback = on. */
  readonly feedback?: true;
  /** primary_slot_name; the slot is made on the upstream first. */
  readonly slot?: string;
  /** The database in primary_conninfo (17+). */
  readonly dbname?: string;
  /** synchronized_standby_slots (17+): all of it. */
  readonly synchronized?: readonly string[];
}

/** Give a logical slot the failover flag (17+). */
export interface SlotFailoverStep {
  readonly verb: "slot-failover";
  readonly node: string;
  readonly slot: string;
}

/** Make, move on and drop the physical slots that a standby holds for its siblings, should it be promoted. */
export interface KeepSlotsStep {
  readonly verb: "keep-slots";
  readonly node: string;
}

/** Hold writes off a primary. */
export interface FenceStep {
  readonly verb: "fence";
  readonly node: string;
  /** Application names whose sessions stay. */
  readonly spare: readonly string[];
  /** Done when that node has everything that was written. */
  readonly to?: string;
  /** Done when the consumers of these logical slots have confirmed everything that was written. */
  readonly confirmed?: readonly string[];
}

/** Have a standby that is to lead take no writes then, until it has got these logical slots. */
export interface CloseStep {
  readonly verb: "close";
  readonly node: string;
  /** The fenced primary that has them. */
  readonly of: string;
  readonly slots: readonly string[];
}

/** Make the logical slots that a closed primary is to get. */
export interface MakeSlotsStep {
  readonly verb: "make-slots";
  readonly node: string;
}

export interface UnfenceStep {
  readonly verb: "unfence";
  readonly node: string;
  /** The fenced node, where another one leads now: what its fence took away in the catalogues comes back there. */
  readonly of?: string;
}

/** Have a pooler hold its clients back. The node of this step, and of the next, is the pooler. */
export interface PauseStep {
  readonly verb: "pause";
  readonly node: string;
}

/** Let the clients of a pooler go on. */
export interface ResumeStep {
  readonly verb: "resume";
  readonly node: string;
  /** The primary that it is to lead them to; absent: where it led them before. */
  readonly to?: string;
  /** The primary before that, for the user's command. */
  readonly from?: string;
}

/** Run a command of the operator's own, with what goes on in its environment. */
export interface HookStep {
  readonly verb: "hook";
  readonly hook: HookName;
  /** The node that leads, or is to. */
  readonly node: string;
  /** The node that led before; null: which one is not known. */
  readonly from: string | null;
  /** The verb whose plan it belongs to. */
  readonly of: string;
  /** How the run ended: for `on_failure` alone. */
  readonly outcome?: HookOutcome;
}

export type Step =
  | QuiesceStep
  | UnquiesceStep
  | ExchangeStep
  | PromoteStep
  | RepointStep
  | CheckpointStep
  | DemoteStep
  | ReinstateStep
  | RejoinStep
  | FenceStep
  | UnfenceStep
  | CloseStep
  | MakeSlotsStep
  | StopStep
  | HealStep
  | DropSlotStep
  | SlotSyncStep
  | SlotSettingsStep
  | SlotFailoverStep
  | KeepSlotsStep
  | PauseStep
  | ResumeStep
  | HookStep;

export type StepVerb = Step["verb"];
export type StepOf<V extends StepVerb> = Extract<Step, { verb: V }>;

/** What became of a step. */
export type StepState = "already" | "done" | "failed" | "undone" | "skipped";
