// Forks: what is one, what decides it, and who is on the line that an operator accepts.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AcceptedTimeline,
  formatAcceptedTimeline,
  parseAcceptedTimeline,
} from "../../../src/topology/accepted.ts";
import { choicesIn, findUndecidedFork } from "../../../src/topology/fork.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { compareHeld, formatPosition } from "../../../src/wal/position.ts";
import { forests, realPositionsIn } from "../wal/arbitraries.ts";
import { at, healthy, history, orphaned, reached, unreached } from "./build.ts";

const second = history(2, "1 0/5000000");
const secondLater = history(2, "1 0/5000100");

function leader(name: string, where: string, own = history(1)) {
  return reached({ name, at: where, history: own });
}

function standby(name: string, where: string, own = history(1), from?: string) {
  const role = "standby" as const;
  return reached({ name, role, at: where, history: own, ...(from === undefined ? {} : { from }) });
}

function forkIn(nodes: readonly Observation[], accept: AcceptedTimeline | null = null) {
  const topology = buildTopology("orders", nodes, { accept });
  const fork = findUndecidedFork(topology);
  if (fork === null) return null;
  const branches = fork.branches.map(({ tip, followers }) => [tip.name, ...followers].join(" "));
  return { branches, choices: choicesIn(topology, fork) };
}

describe("a fork", () => {
  test("is none where all are on one line", () => {
    expect(forkIn(healthy())).toBeNull();
    expect(forkIn(orphaned({ n2: "1@0/5000060", n3: "1@0/4000060" }))).toBeNull();
    expect(forkIn([leader("n2", "2@0/5800000", second), standby("n3", "1@0/5000000")])).toBeNull();
  });

  test("of two that lead is decided by nothing but the operator", () => {
    const nodes = [
      leader("n1", "1@0/6000000"),
      leader("n2", "2@0/5800000", second),
      standby("n3", "2@0/5800000", second, "n2"),
      standby("n4", "1@0/4000000"),
    ];
    expect(forkIn(nodes)).toEqual({ branches: ["n2 n3", "n1"], choices: ["2", "1"] });
    expect(forkIn(nodes, { timeline: 1, start: null })).toBeNull();
    expect(forkIn(nodes, { timeline: 2, start: null })).toBeNull();
  });

  test("is one where the second stands where the other came from", () => {
    const nodes = [leader("n1", "1@0/5000000"), leader("n2", "2@0/5800000", second)];
    expect(forkIn(nodes)).toEqual({ branches: ["n2", "n1"], choices: ["2", "1"] });
    for (const timeline of [1, 2]) expect(forkIn(nodes, { timeline, start: null })).toBeNull();
  });

  test("is none once the second is fenced", () => {
    const fenced = reached({ name: "n1", at: "1@0/6000000", marks: { fenced: true } });
    expect(forkIn([fenced, leader("n2", "2@0/5800000", second)])).toBeNull();
  });

  test("of one number is told apart by where it began", () => {
    const nodes = [leader("n2", "2@0/5800000", second), leader("n3", "2@0/5900000", secondLater)];
    expect(forkIn(nodes)?.choices.toSorted()).toEqual(["2@0/5000000", "2@0/5000100"]);
    expect(forkIn(nodes, { timeline: 2, start: null })).not.toBeNull();
    expect(forkIn(nodes, { timeline: 2, start: at("0/5000100") })).toBeNull();
  });

  test("of one number that began at one place is told apart by stopping one", () => {
    const nodes = [leader("n2", "2@0/5800000", second), leader("n3", "2@0/5900000", second)];
    expect(forkIn(nodes)).toEqual({ branches: ["n3", "n2"], choices: [] });
    expect(forkIn(nodes, { timeline: 2, start: at("0/5000000") })).not.toBeNull();
  });

  test("from a sole primary is one where more went the other way", () => {
    const stray = leader("n4", "2@0/5800000", second);
    const two = [standby("n2", "1@0/6000000"), standby("n3", "1@0/6000100")] as const;
    expect(forkIn([stray, two[0]])).toBeNull();
    expect(forkIn([stray, ...two])).toEqual({ branches: ["n4", "n3 n2"], choices: ["2", "1"] });
    const follower = standby("n5", "2@0/5800000", second, "n4");
    expect(forkIn([stray, ...two, follower])).toBeNull();
    expect(forkIn([stray, ...two], { timeline: 2, start: null })).toBeNull();
    expect(forkIn([stray, ...two], { timeline: 1, start: null })).toBeNull();
  });

  test("of orphans is one where the evidence leaves it open", () => {
    const nodes = [
      unreached({ name: "n1" }),
      standby("n2", "1@0/6000000"),
      standby("n3", "2@0/5800000", second),
    ];
    expect(forkIn(nodes)).toEqual({ branches: ["n2", "n3"], choices: ["1", "2"] });
    expect(forkIn(nodes, { timeline: 1, start: null })).toBeNull();
    const more = [...nodes, standby("n4", "2@0/5800000", second)];
    expect(forkIn(more)).toBeNull();
  });
});

describe("an accepted timeline", () => {
  const nodes = [
    leader("n1", "1@0/6000000"),
    leader("n2", "2@0/5800000", second),
    standby("n3", "2@0/5900000", history(2, "1 0/5000000")),
    standby("n4", "1@0/4000000"),
    standby("n5", "3@0/7000000", history(3, "1 0/5000000, 2 0/6000000")),
  ];
  test.each([
    ["1", ["n2", "n3", "n5"], ["n1"], "found"],
    // While n2 leads on timeline 2, what went on from its end is not its cluster's.
    ["2", ["n1", "n5"], ["n2"], "found"],
    // Nobody leads on timeline 3, and n2 would part from it with its next record.
    ["3", ["n1", "n2"], [], "found"],
    ["2@0/5000000", ["n1", "n5"], ["n2"], "found"],
    ["2@0/5000100", [], ["n2", "n1"], "unreported"],
    ["4", [], ["n2", "n1"], "unreported"],
  ])("%s leaves out %j", (text, strays, primaries, standing) => {
    const accept = parseAcceptedTimeline(text);
    const topology = buildTopology("orders", nodes, { accept });
    expect(topology.strays).toEqual(strays);
    expect(topology.primaries).toEqual(primaries);
    expect(topology.accepted?.standing).toBe(standing);
  });

  test("that no node is on any more is known from those that passed it", () => {
    const later = [leader("n2", "3@0/5800000", history(3, "1 0/5000000, 2 0/5100000"))];
    const accept = { timeline: 2, start: null };
    const topology = buildTopology("orders", later, { accept });
    expect(topology.accepted).toMatchObject({ standing: "found", strays: [] });
  });

  test.each(["", "0", "x", "2@", "2@x", "@0/5000000", "2@0/5000000@"])("is not %j", (text) => {
    expect(parseAcceptedTimeline(text)).toBeNull();
  });

  test.each(["1", "2@0/5000000"])("%s reads back", (text) => {
    const accepted = parseAcceptedTimeline(text);
    expect(accepted === null ? null : formatAcceptedTimeline(accepted)).toBe(text);
  });
});

/** A cluster of nodes anywhere in a tree of promotions, some of which lead. */
const clusters = forests.chain((forest) =>
  fc
    .array(fc.record({ where: realPositionsIn(forest), leads: fc.boolean() }), {
      minLength: 1,
      maxLength: 6,
    })
    .map((nodes) =>
      nodes.map(({ where, leads }, index) =>
        reached({
          name: `n${index}`,
          role: leads ? "primary" : "standby",
          at: formatPosition(where),
          history: forest.histories.get(where.timeline) ?? null,
        }),
      ),
    ),
);

describe("whatever the promotions were", () => {
  test("the order of the file says nothing about forks and strays", () => {
    fc.assert(
      fc.property(clusters, fc.nat(), (nodes, pick) => {
        const timeline = nodes[pick % nodes.length]?.received?.timeline ?? 1;
        const accept = { timeline, start: null };
        const reversed = nodes.toReversed();
        expect(forkIn(reversed) === null).toBe(forkIn(nodes) === null);
        const strays = (order: readonly Observation[]) =>
          buildTopology("orders", order, { accept }).strays.toSorted();
        expect(strays(reversed)).toEqual(strays(nodes));
      }),
    );
  });

  test("two that lead are undecided, and every choice that is offered decides", () => {
    fc.assert(
      fc.property(clusters, (nodes) => {
        const topology = buildTopology("orders", nodes);
        const fork = findUndecidedFork(topology);
        if (topology.primaries.length > 1) expect(fork).not.toBeNull();
        if (fork === null) return;
        for (const choice of choicesIn(topology, fork)) {
          expect(forkIn(nodes, parseAcceptedTimeline(choice))).toBeNull();
        }
      }),
    );
  });

  test("who is on the accepted timeline is on its line, and who is not has parted from it, or a primary is in the way", () => {
    fc.assert(
      fc.property(clusters, fc.nat(), (nodes, pick) => {
        const chosen = nodes[pick % nodes.length];
        const accept = { timeline: chosen?.received?.timeline ?? 1, start: null };
        const { strays, histories } = buildTopology("orders", nodes, { accept });
        const onIt = nodes.filter((node) => node.received?.timeline === accept.timeline);
        for (const node of onIt) expect(strays).not.toContain(node.name);
        for (const node of nodes) {
          if (!strays.includes(node.name)) continue;
          const relations = onIt.map((other) => compareHeld(node, other, histories).relation);
          if (relations.includes("diverged")) continue;
          expect([node, ...onIt].some(({ role }) => role === "primary")).toBe(true);
        }
      }),
    );
  });
});
