// When a copy that the server keeps by itself (17+) counts as ready, and below whom it keeps none.

import { expect, test } from "vitest";
import { findKeptSlots } from "../../../src/topology/kept-slots.ts";
import type { Slot } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { at, reached, setting, slot } from "./build.ts";

const logical = (changes: Partial<Slot>): Slot =>
  slot("orders", {
    slotType: "logical",
    plugin: "test_decoding",
    database: "postgres",
    active: false,
    failover: true,
    synced: false,
    twoPhase: false,
    confirmedFlushLsn: at("0/4000000"),
    catalogXmin: 1061,
    ...changes,
  });

const settings = (upstream: string, more = " dbname=postgres") => ({
  hot_standby_feedback: setting("on"),
  primary_slot_name: setting(`below_${upstream}`),
  primary_conninfo: setting(`host=${upstream} port=5432${more}`),
});

function judge(
  held: number | null,
  copy: Partial<Slot> = {},
  more: { readonly cascade?: true; readonly conninfo?: string } = {},
): readonly string[] {
  const upstream = more.cascade === true ? "n2" : "n1";
  const topology = buildTopology("test", [
    reached({
      name: "n1",
      to: ["n2"],
      slots: [logical({}), slot("below_n1", { catalogXmin: held })],
    }),
    reached({
      name: "n2",
      from: "n1",
      to: more.cascade === true ? ["n3"] : [],
      settings: settings("n1"),
      slots: [slot("below_n2", { catalogXmin: held })],
    }),
    reached({
      name: "n3",
      from: upstream,
      settings: settings(upstream, more.conninfo),
      slots: [logical({ synced: true, ...copy })],
    }),
  ]);
  return findKeptSlots(topology, { standbys: ["n3"] }).map(
    ({ method, against }) => `${method}: ${against?.reason ?? "ready"}`,
  );
}

test("what is held for a copy is what its original needed when it was synced", () => {
  expect(judge(1061, { catalogXmin: 1041 })).toEqual(["failover-slot: ready"]);
  expect(judge(1041, { catalogXmin: 1041 })).toEqual(["failover-slot: ready"]);
  const lost = /rows .* not held/;
  expect(judge(1062, { catalogXmin: 1041 })[0]).toMatch(lost);
  expect(judge(null, { catalogXmin: 1041 })[0]).toMatch(lost);
});

test("below another standby the server keeps no copies", () => {
  expect(judge(1061, {}, { cascade: true })[0]).toMatch(/^standby-slot: /);
});

test("it takes a database in primary_conninfo, and the end of its making", () => {
  expect(judge(1061, {}, { conninfo: "" })[0]).toMatch(/names no dbname/);
  expect(judge(1061, { temporary: true })[0]).toMatch(/not ready for use yet/);
});
