// The operator's own commands beside a change of primary, as the topology file gives them. Values alone: when each one runs
// is decided in plan/, and how in host/.

/** In the order in which they may run. */
export const hookNames = ["before_fence", "after_promote", "after_finish", "on_failure"] as const;

export type HookName = (typeof hookNames)[number];

export interface Hook {
  /** For /bin/sh. */
  readonly command: string;
  /** Milliseconds, more than nothing. */
  readonly timeoutMs: number;
}

export type Hooks = Readonly<Partial<Record<HookName, Hook>>>;

/** How the run ended that a hook is told of. */
export const hookOutcomes = ["done", "undone", "incomplete"] as const;

export type HookOutcome = (typeof hookOutcomes)[number];
