// Which holds of catalogue rows are for no copy any more, and which copies a hold vouches for.

import { expect, test } from "vitest";
import { idleHolds, orphanedHolds } from "../../../src/topology/catalog-holds.ts";
import type { Slot } from "../../../src/topology/node.ts";
import { findLeftCopies } from "../../../src/topology/standby-copy.ts";
import { reachedNode } from "../../../src/topology/structure.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { reached, slot, unreached } from "./build.ts";

const hold = (slotName: string, changes: Partial<Slot> = {}): Slot =>
  slot(slotName, { restartLsn: null, active: false, catalogXmin: 700, ...changes });

const copy = (slotName: string, catalogXmin: number): Slot =>
  slot(slotName, { slotType: "logical", active: false, catalogXmin, twoPhase: false });

interface Case {
  readonly holds: readonly Slot[];
  /** Of the standby; null: it is down. */
  readonly copies?: readonly Slot[] | null;
  readonly version?: number;
}

function holding({ holds, copies = [], version = 150_018 }: Case) {
  const topology = buildTopology("orders", [
    reached({ name: "n1", to: ["n2"], version, slots: [slot("n2"), ...holds] }),
    copies === null
      ? unreached({ name: "n2" })
      : reached({ name: "n2", from: "n1", version, slots: copies }),
  ]);
  const n1 = reachedNode(topology, "n1");
  if (n1 === null) throw new Error("no n1");
  return {
    idle: idleHolds(topology, n1),
    orphaned: orphanedHolds(topology, n1),
    left: findLeftCopies(topology, {}).map(({ copy: { slotName }, dropped }) => [
      slotName,
      dropped,
    ]),
  };
}

const mine = "remasterhold_n2_t1";

test("a hold is idle where no copy is under it, and of a node that is down it never is", () => {
  expect(holding({ holds: [hold(mine)] }).idle).toEqual([mine]);
  expect(holding({ holds: [hold(mine)], copies: [copy("c", 700)] }).idle).toEqual([]);
  expect(holding({ holds: [hold(mine)], copies: [copy("c", 699)] }).idle).toEqual([mine]);
  expect(holding({ holds: [hold(mine)], copies: null }).idle).toEqual([]);
  expect(holding({ holds: [hold(mine, { active: true })] }).idle).toEqual([]);
});

test("so is one of another timeline, and what was left of making copies on the node itself", () => {
  const copies = [copy("c", 700)];
  expect(holding({ holds: [hold("remasterhold_n2_t3")], copies }).idle).toHaveLength(1);
  expect(holding({ holds: [hold("remasterhold_n1_t1")], copies }).idle).toHaveLength(1);
});

test("one of a node that left the topology file is orphaned, and no other", () => {
  const holds = [hold(mine), hold("remasterhold_n9_t1"), hold("remasterhold_n2_t1_t1")];
  expect(holding({ holds, copies: null })).toMatchObject({
    idle: [],
    orphaned: ["remasterhold_n9_t1", "remasterhold_n2_t1_t1"],
  });
});

test("a copy without an original was dropped where a hold vouches for it, and else nobody knows", () => {
  const copies = [copy("under", 700), copy("older", 699)];
  const { left } = holding({ holds: [hold(mine)], copies });
  expect(left).toEqual([
    ["under", true],
    ["older", false],
  ]);
  // From 16 on a user may have slots of his own there, and a mark tells ours.
  expect(holding({ holds: [hold(mine)], copies, version: 160_014 }).left).toEqual([]);
});
