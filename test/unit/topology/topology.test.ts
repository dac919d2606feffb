import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Observation } from "../../../src/topology/node.ts";
import {
  buildTopology,
  directDownstreamsOf,
  downstreamsOf,
  findNodeAt,
  upstreamChain,
} from "../../../src/topology/topology.ts";
import {
  address,
  at,
  healthy,
  history,
  reached,
  receiver,
  sender,
  setting,
  unreached,
} from "./build.ts";

const build = (...observations: readonly Observation[]) => buildTopology("orders", observations);
const edgeOf = (topology: ReturnType<typeof build>, node: string) => topology.edges.get(node);

describe("who feeds whom", () => {
  test("a receiver names its upstream, a sender confirms it, at any depth", () => {
    const topology = build(...healthy());
    expect([...topology.edges.values()]).toMatchObject([
      { standby: "n2", upstream: "n1", streaming: true, evidence: "receiver" },
      { standby: "n3", upstream: "n1", streaming: true, evidence: "receiver" },
      { standby: "n4", upstream: "n3", streaming: true, evidence: "receiver" },
    ]);
    expect(upstreamChain(topology, "n4")).toEqual(["n3", "n1"]);
    expect(directDownstreamsOf(topology, "n1")).toEqual(["n2", "n3"]);
    expect(downstreamsOf(topology, "n1")).toEqual(["n2", "n3", "n4"]);
    expect(downstreamsOf(topology, "n2")).toEqual([]);
  });

  test("an address matches by host, numeric address, letter case and loopback name, and by port", () => {
    const n1 = reached({
      name: "n1",
      addresses: [{ host: "Db1.Example", hostaddr: "10.0.0.1", port: 5432 }, address("127.0.0.1")],
    });
    const upstream = (host: string, port: number) =>
      findNodeAt({ nodes: new Map([["n1", n1]]) }, address(host, port));
    expect(upstream("db1.example", 5432)).toBe("n1");
    expect(upstream("10.0.0.1", 5432)).toBe("n1");
    expect(upstream("localhost", 5432)).toBe("n1");
    expect(upstream("::1", 5432)).toBe("n1");
    expect(upstream("10.0.0.1", 5433)).toBeNull();
    expect(upstream("10.0.0.2", 5432)).toBeNull();
  });

  test("an upstream outside the file is kept with its address", () => {
    const topology = build(reached({ name: "n2", from: "elsewhere" }));
    expect(edgeOf(topology, "n2")).toMatchObject({
      upstream: null,
      address: { host: "elsewhere", port: 5432 },
      streaming: true,
    });
  });

  test("an upstream that goes by another name is proven by its sender row", () => {
    const topology = build(
      reached({ name: "n1", senders: [sender("n2")] }),
      reached({ name: "n2", from: "vip.example", settings: named("n2") }),
    );
    expect(edgeOf(topology, "n2")).toMatchObject({ upstream: "n1", streaming: true });
  });

  test("a name that two standbys share proves nothing", () => {
    const topology = build(
      reached({ name: "n1", senders: [sender("15/main"), sender("15/main")] }),
      reached({ name: "n2", from: "vip.example", settings: named("15/main") }),
      reached({ name: "n3", from: "vip.example", settings: named("15/main") }),
    );
    expect(edgeOf(topology, "n2")?.upstream).toBeNull();
    expect(edgeOf(topology, "n3")?.upstream).toBeNull();
  });

  test("two nodes at one address are told apart by their sender rows", () => {
    const place = { addresses: [address("shared")] };
    const standby = reached({ name: "n3", from: "shared" });
    const apart = build(
      reached({ name: "n1", ...place }),
      reached({ name: "n2", role: "standby", ...place, to: ["n3"] }),
      standby,
    );
    expect(edgeOf(apart, "n3")?.upstream).toBe("n2");
    const alike = build(
      reached({ name: "n1", ...place, to: ["n3"] }),
      reached({ name: "n2", role: "standby", ...place, to: ["n3"] }),
      standby,
    );
    expect(edgeOf(alike, "n3")?.upstream).toBeNull();
    expect(findNodeAt(alike, address("shared"))).toBeNull();
  });

  test("a standby that we cannot reach is seen from its upstream", () => {
    const topology = build(reached({ name: "n1", to: ["n2"] }), unreached({ name: "n2" }));
    expect(edgeOf(topology, "n2")).toMatchObject({
      upstream: "n1",
      streaming: true,
      evidence: "sender",
    });
  });

  test("a receiver that our role may not see is seen from its upstream, by its slot", () => {
    const topology = build(
      reached({ name: "n1", senders: [sender("x", { slotName: "s2" }), sender("x")] }),
      reached({
        name: "n2",
        from: "n1",
        receiver: receiver(null),
        settings: { primary_conninfo: setting(null), primary_slot_name: setting("s2") },
      }),
    );
    expect(edgeOf(topology, "n2")).toMatchObject({ upstream: "n1", evidence: "sender" });
  });

  test("a setting alone gives an upstream and no stream", () => {
    const topology = build(
      reached({ name: "n1" }),
      reached({ name: "n2", from: "n1", receiver: null }),
    );
    expect(edgeOf(topology, "n2")).toMatchObject({
      upstream: "n1",
      streaming: false,
      evidence: "setting",
    });
  });

  test("a primary has no upstream, whatever its settings say", () => {
    const topology = build(reached({ name: "n1", configuredUpstream: address("n2") }));
    expect(edgeOf(topology, "n1")).toBeUndefined();
  });
});

describe("whether WAL flows", () => {
  const streaming = (n1: Observation, n2: Observation, ...others: readonly Observation[]) =>
    edgeOf(build(n1, n2, ...others), "n2")?.streaming;

  test.each([
    ["streaming", true],
    ["catchup", true],
    ["startup", false],
    ["backup", false],
    ["stopping", false],
  ])("a sender in %s: %s", (state, flows) => {
    const n1 = reached({ name: "n1", senders: [sender("n2", { state })] });
    expect(streaming(n1, reached({ name: "n2", from: "n1" }))).toBe(flows);
  });

  test.each(["starting", "waiting", "restarting", "stopping", "connecting"])(
    "not through a receiver in %s",
    (status) => {
      const n2 = reached({ name: "n2", from: "n1", receiver: receiver("n1", { status }) });
      expect(streaming(reached({ name: "n1", to: ["n2"] }), n2)).toBe(false);
    },
  );

  test("not where the upstream has no sender for it", () => {
    expect(streaming(reached({ name: "n1" }), reached({ name: "n2", from: "n1" }))).toBe(false);
  });

  test("another standby's sender does not count", () => {
    const n1 = reached({ name: "n1", senders: [sender("n2", { state: "startup" }), sender("n3")] });
    const n3 = reached({ name: "n3", from: "n1" });
    expect(streaming(n1, reached({ name: "n2", from: "n1" }), n3)).toBe(false);
    const without = reached({ name: "n1", to: ["n3"] });
    expect(streaming(without, reached({ name: "n2", from: "n1" }), n3)).toBe(false);
  });

  test("a sender under a name that nobody claims may be its own", () => {
    const n1 = reached({ name: "n1", to: ["from_a_service_file", "n3"] });
    const n3 = reached({ name: "n3", from: "n1" });
    expect(streaming(n1, reached({ name: "n2", from: "n1" }), n3)).toBe(true);
  });

  test("the receiver's word has to do where the upstream's rows cannot be seen", () => {
    const n2 = reached({ name: "n2", from: "n1" });
    expect(streaming(unreached({ name: "n1" }), n2)).toBe(true);
    const blind = reached({
      name: "n1",
      senders: [sender("n2", { state: "" })],
      missingRights: ["pg_monitor"],
    });
    expect(streaming(blind, n2)).toBe(true);
  });
});

function named(applicationName: string) {
  return { primary_conninfo: setting(`host=vip.example application_name='${applicationName}'`) };
}

describe("cycles", () => {
  test("are reported and not followed", () => {
    const topology = build(
      reached({ name: "n1", from: "n3" }),
      reached({ name: "n2", from: "n1" }),
      reached({ name: "n3", from: "n2" }),
      reached({ name: "n4", from: "n3" }),
      reached({ name: "n5", from: "n5" }),
    );
    expect(topology.cycles).toEqual([["n1", "n3", "n2"], ["n5"]]);
    expect(upstreamChain(topology, "n4")).toEqual(["n3", "n2", "n1"]);
    expect(upstreamChain(topology, "n5")).toEqual([]);
    expect(downstreamsOf(topology, "n1")).toEqual(["n2", "n3", "n4"]);
  });

  test("whatever points at whatever, building and walking come to an end", () => {
    const names = ["n1", "n2", "n3", "n4", "n5", "n6"];
    const anyone = fc.constantFrom(...names, "nobody");
    const clusters = fc.tuple(
      ...names.map((name) =>
        fc.oneof(
          fc.constant(unreached({ name })),
          fc.constant(reached({ name })),
          fc
            .tuple(anyone, fc.subarray(names), fc.boolean())
            .map(([from, to, runs]) =>
              reached({ name, from, to, ...(runs ? {} : { receiver: null }) }),
            ),
        ),
      ),
    );
    fc.assert(
      fc.property(clusters, (observations) => {
        const topology = build(...observations);
        for (const name of names) {
          const chain = upstreamChain(topology, name);
          expect(new Set(chain).size).toBe(chain.length);
          expect(chain).not.toContain(name);
          for (const below of downstreamsOf(topology, name)) {
            expect(upstreamChain(topology, below)).toContain(name);
          }
        }
        for (const cycle of topology.cycles) {
          for (const [index, name] of cycle.entries()) {
            expect(topology.edges.get(name)?.upstream).toBe(cycle[(index + 1) % cycle.length]);
          }
        }
        expect(build(...observations)).toEqual(topology);
      }),
    );
  });
});

describe("who leads", () => {
  test("the most advanced first, a foreign one not at all", () => {
    const topology = build(
      reached({ name: "n1", at: "1@0/9000000" }),
      reached({ name: "n2", at: "2@0/6000000", history: history(2, "1 0/5000000") }),
      reached({ name: "n3", systemIdentifier: "1" }),
    );
    expect(topology.primaries).toEqual(["n2", "n1"]);
  });

  test("of two on one line the one that holds more", () => {
    const topology = build(
      reached({ name: "n1", at: "1@0/5000000" }),
      reached({ name: "n2", at: "1@0/6000000" }),
    );
    expect(topology.primaries).toEqual(["n2", "n1"]);
  });

  test("one whose position is not known comes last", () => {
    const topology = build(
      reached({ name: "n1", received: null, replayed: null }),
      reached({ name: "n2" }),
    );
    expect(topology.primaries).toEqual(["n2", "n1"]);
  });
});

describe("which cluster it is", () => {
  const foreign = { systemIdentifier: "1" };

  test.each([
    ["the one that most nodes belong to", [{}, {}, foreign], "7500000000000000001"],
    [
      "a primary of another cluster does not outvote them",
      [foreign, { from: "n1" }, { from: "n1" }],
      "7500000000000000001",
    ],
    [
      "between equals the side with the primary",
      [{ role: "standby", ...foreign }, {}],
      "7500000000000000001",
    ],
    ["else the first in the file", [foreign, {}], "1"],
  ] as const)("%s", (_what, all, identifier) => {
    const observations = all.map((changes, index) =>
      reached({ name: `n${index + 1}`, ...changes }),
    );
    expect(build(...observations).systemIdentifier).toBe(identifier);
  });

  test("nobody knows while nobody answers", () => {
    expect(build(unreached({ name: "n1" })).systemIdentifier).toBeNull();
    expect(build().systemIdentifier).toBeNull();
  });
});

describe("what histories are known", () => {
  test("those that any node tells, and those that they imply", () => {
    const three = history(3, "1 0/3000000, 2 0/5000000");
    const topology = build(reached({ name: "n1", at: "3@0/6000000", history: three }));
    expect([...topology.histories.keys()].toSorted()).toEqual([1, 2, 3]);
    expect(topology.histories.get(2)).toEqual(history(2, "1 0/3000000"));
  });

  test("of two stories of one timeline the one that more nodes tell", () => {
    const mine = history(2, "1 0/3000000");
    const theirs = history(2, "1 0/4000000");
    const topology = build(
      reached({ name: "n1", at: "2@0/6000000", history: mine }),
      reached({ name: "n2", at: "2@0/6000000", history: theirs }),
      reached({ name: "n3", from: "n2", at: "2@0/6000000", history: theirs }),
    );
    expect(topology.histories.get(2)?.ancestors[0]?.end).toBe(at("0/4000000"));
  });
});
