// Compares what a client was told is durable with what a node has.

import type { Session } from "../postgres/session.ts";
import { type Acknowledgement, ledgerTable } from "./workload.ts";

export interface LedgerComparison {
  /** Acknowledged, and not there. */
  readonly missing: readonly number[];
  /** There, and never acknowledged: the answer was lost on the way. No fault. */
  readonly unacknowledged: readonly number[];
}

/** The numbers that a node has. */
export async function readNumbers(session: Session): Promise<ReadonlySet<number>> {
  const rows = await session.query(`SELECT number FROM ${ledgerTable}`);
  return new Set(rows.map((row) => Number(row["number"])));
}

/** Every acknowledged number, in order. */
export function acknowledgedNumbers(
  acknowledgements: readonly Acknowledgement[],
): readonly number[] {
  return acknowledgements.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}

export function compareLedger(
  acknowledged: readonly number[],
  present: ReadonlySet<number>,
): LedgerComparison {
  const told = new Set(acknowledged);
  return {
    missing: acknowledged.filter((number) => !present.has(number)),
    unacknowledged: [...present].filter((number) => !told.has(number)).toSorted((a, b) => a - b),
  };
}
