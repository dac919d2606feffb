// Arbitrary timelines for property tests: a tree of promotions with its true histories, and positions within it.

import fc from "fast-check";
import { type Lsn, lsn } from "../../../src/wal/lsn.ts";
import type { Position } from "../../../src/wal/position.ts";
import type { TimelineHistory, TimelineId } from "../../../src/wal/timeline.ts";

export const lsns: fc.Arbitrary<Lsn> = fc
  .bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
  .map((value) => lsn(value));

/** Every timeline but the first forks off an earlier one, at or after the point where that one began. */
export interface Forest {
  readonly histories: ReadonlyMap<TimelineId, TimelineHistory>;
  readonly timelines: readonly TimelineId[];
}

export const forests: fc.Arbitrary<Forest> = fc
  .array(fc.record({ parent: fc.nat(), ahead: fc.integer({ min: 0, max: 20 }) }), { maxLength: 6 })
  .map((promotions) => {
    const histories = new Map<TimelineId, TimelineHistory>([[1, { timeline: 1, ancestors: [] }]]);
    for (const [index, { parent, ahead }] of promotions.entries()) {
      const timeline = index + 2;
      const from = 1 + (parent % (index + 1));
      const ancestors = histories.get(from)?.ancestors ?? [];
      const begin = ancestors.at(-1)?.end ?? lsn(0n);
      histories.set(timeline, {
        timeline,
        ancestors: [...ancestors, { timeline: from, end: lsn(begin + BigInt(ahead)) }],
      });
    }
    return { histories, timelines: [...histories.keys()] };
  });

/** Small LSNs, so that positions often meet each other and the switchpoints. */
export function positionsIn(forest: Forest): fc.Arbitrary<Position> {
  return fc.record({
    timeline: fc.constantFrom(...forest.timelines),
    lsn: fc.integer({ min: 0, max: 60 }).map((value) => lsn(BigInt(value))),
  });
}

/** A position that a server on its timeline can really have: not before the timeline began. */
export function realPositionsIn(forest: Forest): fc.Arbitrary<Position> {
  return positionsIn(forest).map((position) => {
    const begin = forest.histories.get(position.timeline)?.ancestors.at(-1)?.end ?? lsn(0n);
    return { timeline: position.timeline, lsn: lsn(begin + position.lsn) };
  });
}
