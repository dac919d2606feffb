// What an act or a look at a server came to, as values: the performers turn them into the run's own words.
// A refusal says that nothing was changed.

import type { FindingCode } from "../topology/finding.ts";

/** Why an act was not begun. One line each, lower case, no secrets. */
export interface Refusal {
  readonly code: FindingCode;
  readonly message: string;
  readonly hint?: string;
}

/** Nothing was changed. */
export interface Refused {
  readonly done: false;
  readonly refusal: Refusal;
}

/** `done`: the effect was made (its consequences may take a while). Otherwise nothing was changed. */
export type Acted = { readonly done: true } | Refused;

/** Whether something holds now. */
export type Held =
  | { readonly holds: true; readonly detail: string | null }
  | {
      readonly holds: false;
      readonly why: string;
      /** True where waiting longer cannot help. */
      readonly hopeless?: true;
    };

export function holds(detail: string | null = null): Held {
  return { holds: true, detail };
}

export function notYet(why: string): Held {
  return { holds: false, why };
}

export function never(why: string): Held {
  return { holds: false, why, hopeless: true };
}

export function refuse(code: FindingCode, message: string, hint?: string): Refused {
  return { done: false, refusal: hint === undefined ? { code, message } : { code, message, hint } };
}

export const acted: Acted = { done: true };
